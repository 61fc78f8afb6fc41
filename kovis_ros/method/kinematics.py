"""Kinematics of Universal Robots arms in closed form, from the manufacturer's published DH tables.

Convention: standard DH, alpha = (pi/2, 0, 0, pi/2, -pi/2, 0); `base` is the controller's base frame (z up) and `tool0`
the controller's flange frame (z out of the flange).  At q = 0 the arm lies along -x with the flange facing -y: for the
UR5 tool0 stands at (a2 + a3, -d4 - d6, d1 - d5) = (-0.81725, -0.19145, -0.005491) m.
The arm is a chain in the plane spanned by r = (cos q1, sin q1, 0) and z, with n = (sin q1, -cos q1, 0) the common axis
of joints 2 to 4; everything below is written with these three directions, which keeps a solution down to scalar maths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import acos, atan2, cos, hypot, pi, sin

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Joints = tuple[float, float, float, float, float, float]

ALPHA: Joints = (pi / 2, 0.0, 0.0, pi / 2, -pi / 2, 0.0)
JOINT_NAMES = (
    "shoulder_pan_joint", "shoulder_lift_joint", "elbow_joint", "wrist_1_joint", "wrist_2_joint", "wrist_3_joint",
)  # fmt: skip
SINGULAR = 1e-9  # |sin q5| below which joints 4 and 6 turn about one line and only their sum is defined
TOLERANCE = 1e-6  # m and matrix elements: what a verified solution may differ from the pose asked for


class Unreachable(ValueError):  # noqa: N818 - reads as what it says
    """No joint angles within the limits put tool0 at the pose asked for."""


@dataclass(frozen=True)
class Arm:
    """DH lengths in metres, joint limits in rad and rad/s, as published for the model."""

    name: str
    d1: float
    a2: float
    a3: float
    d4: float
    d5: float
    d6: float
    max_joint_rad: Joints = (2 * pi,) * 6
    max_joint_radps: Joints = (pi,) * 6


_UR3_RADPS: Joints = (pi, pi, pi, 2 * pi, 2 * pi, 2 * pi)
_UR10_RADPS: Joints = (2 * pi / 3, 2 * pi / 3, pi, pi, pi, pi)
UR3 = Arm("ur3", 0.1519, -0.24365, -0.21325, 0.11235, 0.08535, 0.0819, max_joint_radps=_UR3_RADPS)
UR5 = Arm("ur5", 0.089159, -0.425, -0.39225, 0.10915, 0.09465, 0.0823)
UR10 = Arm("ur10", 0.1273, -0.612, -0.5723, 0.163941, 0.1157, 0.0922, max_joint_radps=_UR10_RADPS)
UR3E = Arm("ur3e", 0.15185, -0.24355, -0.2132, 0.13105, 0.08535, 0.0921, max_joint_radps=_UR3_RADPS)
UR5E = Arm("ur5e", 0.1625, -0.425, -0.3922, 0.1333, 0.0997, 0.0996)
UR10E = Arm("ur10e", 0.1807, -0.6127, -0.57155, 0.17415, 0.11985, 0.11655, max_joint_radps=_UR10_RADPS)
ARMS = {arm.name: arm for arm in (UR3, UR5, UR10, UR3E, UR5E, UR10E)}


def forward(q: npt.ArrayLike, arm: Arm = UR5) -> Array:
    """Pose of the flange: q (6,) rad -> base_T_tool0 (4, 4)."""
    angles = np.asarray(q, dtype=float).tolist()
    return np.array(_flange(angles, arm))


def jacobian(q: npt.ArrayLike, arm: Arm = UR5, tcp_offset_m: float = 0.0) -> Array:
    """Geometric Jacobian (6, 6) in base: joint speeds (rad/s) -> (v m/s of the TCP, w rad/s).

    The TCP is tool0 moved by `tcp_offset_m` along its z.
    """
    q1, q2, q3, q4, q5, _ = np.asarray(q, dtype=float).tolist()
    c1, s1, c5, s5, c234, s234 = cos(q1), sin(q1), cos(q5), sin(q5), cos(q2 + q3 + q4), sin(q2 + q3 + q4)
    # points of the chain as (along r, height); from joint 4 on also the distance along n
    r2, h2 = arm.a2 * cos(q2), arm.d1 + arm.a2 * sin(q2)
    r3, h3 = r2 + arm.a3 * cos(q2 + q3), h2 + arm.a3 * sin(q2 + q3)
    r5, h5 = r3 + arm.d5 * s234, h3 - arm.d5 * c234
    zr, zz, zn, reach = -s5 * c234, -s5 * s234, c5, arm.d6 + tcp_offset_m
    tr, th, tn = r5 + reach * zr, h5 + reach * zz, arm.d4 + reach * zn
    rows = [(tn, -tr, 0.0, 0.0, 0.0, 1.0)]  # each row: (along r, along n, up) of v, then of w; r x z = n
    rows += [(-(th - h), 0.0, tr - r, 0.0, 1.0, 0.0) for r, h in ((0.0, arm.d1), (r2, h2), (r3, h3))]
    for (ar, az, an), (lr, lz, ln) in (((s234, -c234, 0.0), (tr - r3, th - h3, tn - arm.d4)),
                                       ((zr, zz, zn), (tr - r5, th - h5, tn - arm.d4))):  # fmt: skip
        rows.append((-(an * lz - az * ln), -(az * lr - ar * lz), -(ar * ln - an * lr), ar, an, az))
    local = np.array(rows)
    turn = np.array([[c1, s1, 0.0], [s1, -c1, 0.0], [0.0, 0.0, 1.0]])
    return np.concatenate([turn @ local[:, :3].T, turn @ local[:, 3:].T])


def inverse(base_T_tool0: npt.ArrayLike, arm: Arm = UR5, free_q6: float = 0.0) -> Array:
    """Every solution for a flange pose: (4, 4) -> (n, 6) rad in (-pi, pi], n <= 8, n = 0 when out of reach.

    In the wrist singularity (sin q5 = 0), where only q4 and q6 together are defined, q6 is `free_q6`.
    Each row has been put through `forward` again.  ValueError if the pose is not a finite (4, 4).
    """
    pose = _checked(base_T_tool0)
    found = [solution for solution in _solutions(pose, arm, free_q6) if _reaches(solution, pose, arm)]
    return np.array(found).reshape(-1, 6)


def nearest(base_T_tool0: npt.ArrayLike, q_near: npt.ArrayLike, arm: Arm = UR5) -> Array:
    """The solution closest to q_near (6,) rad, whole turns included, within the joint limits: -> (6,) rad.

    `Unreachable` names the pose when there is none.
    """
    near = np.asarray(q_near, dtype=float)
    solutions = inverse(base_T_tool0, arm, free_q6=float(near[5]))
    limit = np.array(arm.max_joint_rad)
    turned = solutions + 2 * pi * np.round((near - solutions) / (2 * pi))
    turned = np.where(turned > limit, turned - 2 * pi, np.where(turned < -limit, turned + 2 * pi, turned))
    turned = turned[np.all(np.abs(turned) <= limit, axis=1)]
    if len(turned) == 0:
        x, y, z = np.asarray(base_T_tool0, dtype=float)[:3, 3]
        reach = -arm.a2 - arm.a3 + arm.d5
        raise Unreachable(
            f"{arm.name} cannot put tool0 at ({x:.3f}, {y:.3f}, {z:.3f}) m in base with this orientation: "
            f"keep the wrist within {reach:.2f} m of the shoulder and more than {arm.d4:.2f} m from the base axis"
        )
    best: Array = turned[np.argmin(np.sum((turned - near) ** 2, axis=1))]
    return best


def _checked(pose: npt.ArrayLike) -> list[list[float]]:
    array = np.asarray(pose, dtype=float)
    if array.shape != (4, 4) or not np.isfinite(array).all():
        raise ValueError(f"base_T_tool0 has shape {array.shape} or is not finite: give a finite (4, 4) pose")
    rows: list[list[float]] = array.tolist()
    return rows


def _flange(q: list[float] | Joints, arm: Arm) -> list[list[float]]:
    q1, q2, q3, q4, q5, q6 = q
    c1, s1, c5, s5, c6, s6 = cos(q1), sin(q1), cos(q5), sin(q5), cos(q6), sin(q6)
    c234, s234 = cos(q2 + q3 + q4), sin(q2 + q3 + q4)
    radial = arm.a2 * cos(q2) + arm.a3 * cos(q2 + q3) + arm.d5 * s234 - arm.d6 * s5 * c234
    height = arm.d1 + arm.a2 * sin(q2) + arm.a3 * sin(q2 + q3) - arm.d5 * c234 - arm.d6 * s5 * s234
    side = arm.d4 + arm.d6 * c5
    # columns of the rotation in (r, z, n): x = c6 x5 - s6 z4, y = -s6 x5 - c6 z4, z = z5
    xr, xz, xn = c6 * c5 * c234 - s6 * s234, c6 * c5 * s234 + s6 * c234, c6 * s5
    yr, yz, yn = -s6 * c5 * c234 - c6 * s234, -s6 * c5 * s234 + c6 * c234, -s6 * s5
    zr, zz, zn = -s5 * c234, -s5 * s234, c5
    return [
        [c1 * xr + s1 * xn, c1 * yr + s1 * yn, c1 * zr + s1 * zn, c1 * radial + s1 * side],
        [s1 * xr - c1 * xn, s1 * yr - c1 * yn, s1 * zr - c1 * zn, s1 * radial - c1 * side],
        [xz, yz, zz, height],
        [0.0, 0.0, 0.0, 1.0],
    ]


def _solutions(pose: list[list[float]], arm: Arm, free_q6: float) -> Iterator[Joints]:
    """Shoulder left/right, then wrist up/down, then elbow up/down."""
    (xx, yx, zx, px), (xy, yy, zy, py), (xz, yz, zz, pz) = pose[:3]
    wx, wy, wz = px - arm.d6 * zx, py - arm.d6 * zy, pz - arm.d6 * zz  # where joint 5 and 6 axes cross
    for q1 in _shoulder(wx, wy, arm.d4):
        c1, s1 = cos(q1), sin(q1)
        xn, yn = xx * s1 - xy * c1, yx * s1 - yy * c1
        bend = hypot(xn, yn)  # |sin q5|
        for sign in (1.0, -1.0):
            q5 = atan2(sign * bend, zx * s1 - zy * c1)
            q6 = atan2(-sign * yn, sign * xn) if bend > SINGULAR else free_q6
            c6, s6 = cos(q6), sin(q6)
            z4r = -(c1 * (xx * s6 + yx * c6) + s1 * (xy * s6 + yy * c6))
            z4z = -(xz * s6 + yz * c6)
            radial, height = c1 * wx + s1 * wy - arm.d5 * z4r, wz - arm.d1 - arm.d5 * z4z
            for q2, q3 in _two_links(radial, height, arm.a2, arm.a3):
                q4 = atan2(z4r, -z4z) - q2 - q3
                yield _wrap(q1), _wrap(q2), _wrap(q3), _wrap(q4), _wrap(q5), _wrap(q6)
            if bend <= SINGULAR:
                break


def _shoulder(x: float, y: float, d4: float) -> tuple[float, ...]:
    distance = hypot(x, y)
    if distance < d4 * (1 - 1e-9):
        return ()
    half = acos(min(1.0, d4 / distance))
    toward = atan2(y, x) + pi / 2
    return (toward + half, toward - half) if half > 0 else (toward,)


def _two_links(x: float, y: float, a2: float, a3: float) -> tuple[tuple[float, float], ...]:
    cosine = (x * x + y * y - a2 * a2 - a3 * a3) / (2 * a2 * a3)
    if abs(cosine) > 1 + 1e-9:
        return ()
    bend = acos(max(-1.0, min(1.0, cosine)))
    toward = atan2(y, x)
    return tuple(
        (toward - atan2(a3 * sin(q3), a2 + a3 * cos(q3)), q3) for q3 in ((bend, -bend) if bend > 0 else (bend,))
    )


def _reaches(q: Joints, pose: list[list[float]], arm: Arm) -> bool:
    rows = zip(_flange(q, arm), pose, strict=True)
    return all(abs(a - b) < TOLERANCE for row, wanted in rows for a, b in zip(row, wanted, strict=True))


def _wrap(angle: float) -> float:
    """Into (-pi, pi]."""
    wrapped = (angle + pi) % (2 * pi) - pi
    return wrapped if wrapped > -pi else pi
