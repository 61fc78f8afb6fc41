"""Poses and twists: every convention of the project, once.

Convention:
    ``a_T_b`` is the 4x4 pose of frame b in frame a: ``p_a = a_T_b @ p_b``. Metres and radians.
    A twist is ``(v, w)``: translation first, rotation (axis times angle) second.
    ``exp((0, 0, 0, 0, 0, pi / 2))`` turns x into y.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def skew(v: ArrayLike) -> Array:
    """The (3, 3) matrix with ``skew(v) @ u == cross(v, u)``."""
    x, y, z = np.asarray(v, float)
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def rotation(rotvec: ArrayLike) -> Array:
    """Rotation matrix (3, 3) of an axis-times-angle vector (3,), radians (Rodrigues)."""
    v = np.asarray(rotvec, float)
    angle = float(np.sqrt(v @ v))
    k = skew(v)
    if angle < 1e-8:
        return np.asarray(np.eye(3) + k + 0.5 * k @ k)
    return np.asarray(np.eye(3) + np.sin(angle) / angle * k + (1.0 - np.cos(angle)) / angle**2 * (k @ k))


def rotvec(matrix: ArrayLike) -> Array:
    """Axis times angle (3,) of a rotation matrix (3, 3); the angle is in [0, pi]."""
    x, y, z, w = quaternion(matrix)
    v = np.array([x, y, z]) * (1.0 if w >= 0.0 else -1.0)
    sine = float(np.sqrt(v @ v))
    if sine < 1e-12:
        return 2.0 * v
    return np.asarray(2.0 * np.arctan2(sine, abs(w)) / sine * v)


def quaternion(matrix: ArrayLike) -> Array:
    """Unit quaternion (4,) as (x, y, z, w), w >= 0, of a rotation matrix (3, 3) (Shepperd)."""
    m = np.asarray(matrix, float)
    trace = m[0, 0] + m[1, 1] + m[2, 2]
    choice = int(np.argmax([m[0, 0], m[1, 1], m[2, 2], trace]))
    if choice == 3:
        q = np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], 1.0 + trace])
    else:
        i, j, k = choice, (choice + 1) % 3, (choice + 2) % 3
        q = np.empty(4)
        q[i] = 1.0 + m[i, i] - m[j, j] - m[k, k]
        q[j] = m[j, i] + m[i, j]
        q[k] = m[k, i] + m[i, k]
        q[3] = m[k, j] - m[j, k]
    q /= np.linalg.norm(q)
    return q if q[3] >= 0.0 else -q


def from_quaternion(q: ArrayLike) -> Array:
    """Rotation matrix (3, 3) of a quaternion (x, y, z, w); it is normalised first. ValueError when it is zero."""
    q = np.asarray(q, float)
    norm = float(np.linalg.norm(q))
    if not norm > 1e-9:
        raise ValueError(f"quaternion {q.tolist()} has no direction: give a non-zero (x, y, z, w)")
    v, w = q[:3] / norm, q[3] / norm
    k = skew(v)
    return np.asarray(np.eye(3) + 2.0 * w * k + 2.0 * k @ k)


def pose(translation: ArrayLike = (0.0, 0.0, 0.0), matrix: ArrayLike | None = None) -> Array:
    """Pose (4, 4) of a translation (3,) in metres and a rotation matrix (3, 3), identity when left out."""
    result = np.eye(4)
    result[:3, 3] = translation
    if matrix is not None:
        result[:3, :3] = matrix
    return result


def pose_rpy(translation: ArrayLike, rpy: ArrayLike) -> Array:
    """Pose (4, 4) of a translation and fixed-axis roll, pitch, yaw in radians (URDF's convention)."""
    roll, pitch, yaw = np.asarray(rpy, float)
    matrix = rotation((0, 0, yaw)) @ rotation((0, pitch, 0)) @ rotation((roll, 0, 0))
    return pose(translation, matrix)


def inverse(a_T_b: ArrayLike) -> Array:
    """``b_T_a`` of ``a_T_b``."""
    t = np.asarray(a_T_b, float)
    r = t[:3, :3].T
    return pose(-r @ t[:3, 3], r)


def log(a_T_b: ArrayLike) -> Array:
    """Displacement (6,) as (translation, rotation vector), decoupled: ``exp(log(T)) == T``."""
    t = np.asarray(a_T_b, float)
    return np.concatenate([t[:3, 3], rotvec(t[:3, :3])])


def exp(displacement: ArrayLike) -> Array:
    """Pose (4, 4) of a displacement (6,); translation and rotation are decoupled, see ``log``."""
    d = np.asarray(displacement, float)
    return pose(d[:3], rotation(d[3:]))


def adjoint(a_T_b: ArrayLike) -> Array:
    """(6, 6) with ``twist_in_a = adjoint(a_T_b) @ twist_in_b`` (reference point moves with the frame)."""
    t = np.asarray(a_T_b, float)
    r = t[:3, :3]
    result = np.zeros((6, 6))
    result[:3, :3] = result[3:, 3:] = r
    result[:3, 3:] = skew(t[:3, 3]) @ r
    return result


def look_at(eye: ArrayLike, target: ArrayLike, x_hint: ArrayLike = (1.0, 0.0, 0.0)) -> Array:
    """Pose (4, 4) at ``eye`` with z (optical axis) towards ``target`` and x as near ``x_hint`` as possible."""
    origin = np.asarray(eye, float)
    z = np.asarray(target, float) - origin
    z = z / np.linalg.norm(z)
    y = np.cross(z, np.asarray(x_hint, float))
    y = y / np.linalg.norm(y)
    return pose(origin, np.column_stack([np.cross(y, z), y, z]))


def interpolate(a_T_b: ArrayLike, a_T_c: ArrayLike, fraction: float) -> Array:
    """Pose on the straight line from b (0) to c (1): translation linear, rotation about one axis."""
    b = np.asarray(a_T_b, float)
    step = log(inverse(b) @ np.asarray(a_T_c, float))
    return np.asarray(b @ exp(fraction * step))


def norm(values: Sequence[float] | Array) -> float:
    """Euclidean length."""
    return float(np.linalg.norm(np.asarray(values, float)))
