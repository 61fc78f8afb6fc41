"""Displacement to the goal <-> label of the servo network -> twist.

Convention:
    A displacement (d,) is ``log(tcp_T_goal)`` on the commanded axes, in metres; rotations are scaled by
    ``ROTATION_SCALE`` = 0.2 m/rad, so that 1 rad weighs as much as 200 mm.
    The label is ``direction = displacement / |displacement|`` and ``speed = 1 - exp(-slope |displacement|)``:
    with slope 200/m, 3.5 mm away is half speed and 11.5 mm is 0.9.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kovis_ros.method import geometry

Array = NDArray[np.float64]
AXES = ("x", "y", "z", "rx", "ry", "rz")
ROTATION_SCALE = 0.2  # m/rad


class Motion(NamedTuple):
    """Predicted motion of the tcp in the axes of tool0."""

    direction: NDArray[np.float32]  # (d,) unit vector over the commanded axes
    speed: float  # 0..1
    confidence: float  # 0..1


def axis_indices(axes: Sequence[str]) -> list[int]:
    """Places of named axes in a 6-vector; ValueError names an unknown one."""
    for axis in axes:
        if axis not in AXES:
            raise ValueError(f"axis {axis!r} is unknown: choose from {', '.join(AXES)}")
    return [AXES.index(axis) for axis in axes]


def turns(axes: Sequence[str]) -> bool:
    """Is a rotation among the commanded axes; without one there is no error of rotation to speak of."""
    return any(AXES.index(axis) >= 3 for axis in axes)


def fold(tcp_T_goal: ArrayLike, symmetry: Sequence[int]) -> Array:
    """The nearest of the goal poses that a symmetric object allows.

    symmetry (3,): the object looks the same after 1/n of a turn about x, y, z of the goal frame;
    1 is no symmetry, 0 a body of revolution.
    """
    best = np.asarray(tcp_T_goal, float)
    for axis, order in enumerate(symmetry):
        if order == 1:
            continue
        unit = np.eye(3)[axis]
        q = geometry.quaternion(best[:3, :3])
        turn = 2.0 * float(np.arctan2(q[axis], q[3]))  # the twist of the swing-twist decomposition
        step = 2.0 * np.pi / order if order else 0.0
        removed = turn if order == 0 else step * np.round(turn / step)
        best = best @ geometry.exp(np.concatenate([np.zeros(3), -removed * unit]))
    return best


def displacement(
    held_T_goal: ArrayLike,
    axes: Sequence[str],
    symmetry: Sequence[int] = (1, 1, 1),
    tcp_T_held: ArrayLike | None = None,
) -> Array:
    """Displacement (d,) in metres that leads to the goal, modulo the symmetry; see the module's convention.

    Nothing held: give ``tcp_T_goal``. With an object in the hand the goal is the object's, and the displacement is the
    one of the tcp that brings the object's origin there and turns the object as far as the commanded axes can.
    """
    full = geometry.log(fold(held_T_goal, symmetry))
    if tcp_T_held is not None:
        full = _of_tcp(full, axes, np.asarray(tcp_T_held, float))
    full[3:] *= ROTATION_SCALE
    return np.asarray(full[axis_indices(axes)])


def _of_tcp(full: Array, axes: Sequence[str], tcp_T_held: Array) -> Array:
    """Displacement (6,) of the tcp, in its axes, for one of the held object in the object's axes.

    Only commanded rotations are carried out, and they turn about the tcp: what the object's origin moves by them is
    taken off the translation. A tilt that stays must not shift the object.
    """
    shift, turn = tcp_T_held[:3, :3] @ full[:3], tcp_T_held[:3, :3] @ full[3:]
    turn[[i - 3 for i in (3, 4, 5) if AXES[i] not in axes]] = 0.0
    shift -= (geometry.rotation(turn) - np.eye(3)) @ tcp_T_held[:3, 3]
    return np.concatenate([shift, turn])


def tcp_goal(
    world_T_tcp: ArrayLike, world_T_goal: ArrayLike, axes: Sequence[str], symmetry: Sequence[int], tcp_T_held: ArrayLike
) -> Array:
    """Pose (4, 4) of the tcp at which a held object is at its goal, reached from a pose by commanded axes alone."""
    tcp, goal, held = (np.asarray(pose, float) for pose in (world_T_tcp, world_T_goal, tcp_T_held))
    for _ in range(8):  # a rotation that stays couples with those that are removed: each round takes off most of it
        full = np.zeros(6)
        full[axis_indices(axes)] = displacement(geometry.inverse(tcp @ held) @ goal, axes, symmetry, held)
        full[3:] /= ROTATION_SCALE
        tcp = tcp @ geometry.exp(full)
    return tcp


def label(displacement_m: ArrayLike, slope: float = 200.0) -> tuple[Array, float]:
    """Direction (d,) and speed in [0, 1] of a displacement (d,); the direction is zero at the goal itself."""
    d = np.asarray(displacement_m, float)
    distance = float(np.linalg.norm(d))
    direction = d / distance if distance > 1e-9 else np.zeros_like(d)
    return direction, 1.0 - float(np.exp(-slope * distance))


def distance(speed: float, slope: float = 200.0) -> float:
    """Metres at which the label has this speed: the inverse of ``label``; speed is capped just below 1."""
    return float(-np.log1p(-min(max(speed, 0.0), 0.9999)) / slope)


def twist(direction: ArrayLike, speed: float, axes: Sequence[str], top_speed_mps: float) -> Array:
    """Twist (6,) of tool0 about the tcp, m/s and rad/s: ``top_speed * speed`` along a direction (d,)."""
    full = np.zeros(6)
    full[axis_indices(axes)] = np.asarray(direction, float) * speed * top_speed_mps
    full[3:] /= ROTATION_SCALE
    return full


def error(displacement_m: ArrayLike, axes: Sequence[str]) -> tuple[float, float]:
    """Position error in metres and rotation error in radians of a displacement (d,) over the commanded axes."""
    full = np.zeros(6)
    full[axis_indices(axes)] = np.asarray(displacement_m, float)
    return float(np.linalg.norm(full[:3])), float(np.linalg.norm(full[3:])) / ROTATION_SCALE


def tilt(
    held_T_goal: ArrayLike,
    axes: Sequence[str],
    symmetry: Sequence[int] = (1, 1, 1),
    tcp_T_held: ArrayLike | None = None,
) -> float:
    """Radians of rotation error that the commanded axes cannot remove; arguments as in ``displacement``."""
    turn = geometry.log(fold(held_T_goal, symmetry))[3:] * [order != 0 for order in symmetry]
    if tcp_T_held is not None:
        turn = np.asarray(tcp_T_held, float)[:3, :3] @ turn
    return float(np.linalg.norm(turn[[i for i in range(3) if AXES[i + 3] not in axes]]))
