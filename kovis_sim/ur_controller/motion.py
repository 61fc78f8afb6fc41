"""What the controller's motion commands do to the joints, one control cycle at a time.

An ideal arm: it is where it was told to be.  Twists are (v m/s, w rad/s) of the active TCP with the axes of base.
"""

from __future__ import annotations

from math import sqrt
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kovis_ros.method import geometry
from kovis_ros.method.kinematics import JOINT_NAMES, Arm, Unreachable, forward, jacobian, nearest

Array = npt.NDArray[np.float64]

DAMPING_BELOW = 0.03  # smallest singular value at which the Jacobian's inverse begins to be damped
MAX_DAMPING = 0.05
BRAKE_RADPS2 = 20.0  # safety stops: assumed deceleration of the fastest joint


class MotionFaultError(RuntimeError):
    """A command the arm cannot follow; a controller answers it with a protective stop."""


class Motion(Protocol):
    """One command under way."""

    done: bool

    def step(self, arm: ArmMotion, dt: float) -> Array:
        """Joint angles (6,) rad at the end of this cycle of dt seconds."""


class ArmMotion:
    """Joint state and the motion that drives it.

    `slider` (0..1) scales every commanded speed; `flange_T_tcp` is the active tool centre point.
    """

    def __init__(self, arm: Arm, q: npt.ArrayLike) -> None:
        self.arm = arm
        self.q: Array = np.array(q, dtype=float)
        self.qd: Array = np.zeros(6)
        self.flange_T_tcp: Array = np.eye(4)
        self.slider = 1.0
        self.motion: Motion | None = None
        self._twist: Array | None = None  # asked for several times a cycle

    @property
    def standing(self) -> bool:
        return not self.qd.any()

    def pose(self) -> Array:
        """base_T_tcp (4, 4)."""
        return forward(self.q, self.arm) @ self.flange_T_tcp

    def twist(self) -> Array:
        """Velocity of the TCP (6,): m/s and rad/s in base."""
        if self.standing:
            return np.zeros(6)
        if self._twist is None:
            self._twist = self.tcp_jacobian() @ self.qd
        return self._twist.copy()

    def tcp_jacobian(self) -> Array:
        """(6, 6), base axes, at the active TCP."""
        lever = forward(self.q, self.arm)[:3, :3] @ self.flange_T_tcp[:3, 3]
        at_tcp = jacobian(self.q, self.arm).copy()
        at_tcp[:3] -= geometry.skew(lever) @ at_tcp[3:]
        return at_tcp

    def joint_speeds(self, twist: Array) -> Array:
        """Joint speeds (6,) rad/s for a twist of the TCP, damped near singularities only."""
        u, s, vt = np.linalg.svd(self.tcp_jacobian())
        shortfall = max(0.0, 1.0 - (s[-1] / DAMPING_BELOW) ** 2)
        speeds: Array = vt.T @ (s / (s * s + shortfall * MAX_DAMPING**2) * (u.T @ twist))
        return speeds

    def step(self, dt: float) -> None:
        """Advance one cycle.  `MotionFaultError` at a joint limit or when a joint would have to be too fast."""
        self._twist = None
        if self.motion is None:
            self.qd[:] = 0.0
            return
        reached = self.motion.step(self, dt)
        speeds = (reached - self.q) / dt
        self._check(reached, speeds)
        self.q, self.qd = reached, speeds
        if self.motion.done:
            self.motion = None

    def jump(self, q: npt.ArrayLike) -> None:
        """Stand at q at once: the simulator's reset."""
        self.q, self.qd, self.motion, self._twist = np.array(q, dtype=float), np.zeros(6), None, None

    def brake(self) -> None:
        """Stop as a safety stop does."""
        self.motion = None if self.standing else Stop(self.qd, float(np.abs(self.qd).max()) / BRAKE_RADPS2)

    def _check(self, q: Array, speeds: Array) -> None:
        if not np.isfinite(q).all():
            raise MotionFaultError("the commanded motion is not finite")
        for name, angle, limit in zip(JOINT_NAMES, q, self.arm.max_joint_rad, strict=True):
            if abs(angle) > limit:
                raise MotionFaultError(f"{name} at its limit of {limit:.2f} rad")
        for name, speed, limit in zip(JOINT_NAMES, speeds, self.arm.max_joint_radps, strict=True):
            if abs(speed) > limit * 1.001:
                raise MotionFaultError(f"{name} would have to turn at {speed:.1f} rad/s, limit {limit:.2f}")


class SpeedL:
    """speedl: ramp the TCP's twist to a target and hold it."""

    done = False

    def __init__(self, arm: ArmMotion) -> None:
        self.now = arm.twist()
        self.target: Array = np.zeros(6)
        self.acceleration = 1.0

    def step(self, arm: ArmMotion, dt: float) -> Array:
        change = self.target * arm.slider - self.now
        for part in (slice(0, 3), slice(3, 6)):
            self.now[part] += _limited(change[part], self.acceleration * dt)
        return arm.q + dt * arm.joint_speeds(self.now)


class SpeedJ:
    """speedj: ramp the joint speeds to a target and hold them; the leading axis takes the acceleration."""

    done = False

    def __init__(self, arm: ArmMotion) -> None:
        self.now = arm.qd.copy()
        self.target: Array = np.zeros(6)
        self.acceleration = 1.0

    def step(self, arm: ArmMotion, dt: float) -> Array:
        change = self.target * arm.slider - self.now
        leading = float(np.abs(change).max())
        limit = self.acceleration * dt
        self.now += change if leading <= limit else change * (limit / leading)
        return arm.q + dt * self.now


class Stop:
    """Fade the joint speeds to zero within `duration_s`."""

    def __init__(self, qd: Array, duration_s: float) -> None:
        self.start, self.duration_s, self.left_s = qd.copy(), duration_s, duration_s
        self.done = False

    def step(self, arm: ArmMotion, dt: float) -> Array:
        self.left_s -= dt
        if self.left_s <= 1e-9:
            self.done = True
            return arm.q.copy()
        return arm.q + dt * self.start * (self.left_s / self.duration_s)


class MoveJ:
    """movej: all joints along one line in joint space; speed and acceleration of the leading axis."""

    def __init__(self, arm: ArmMotion, q: Array, speed: float, acceleration: float) -> None:
        self.start, self.way = arm.q.copy(), q - arm.q
        self.profile = _Trapezoid(float(np.abs(self.way).max()), speed, acceleration)
        self.done = False

    def step(self, arm: ArmMotion, dt: float) -> Array:
        fraction = self.profile.advance(dt, arm.slider)
        self.done = self.profile.done
        return self.start + fraction * self.way


class MoveL:
    """movel: the TCP along one line of base, turning about a fixed axis."""

    def __init__(self, arm: ArmMotion, base_T_tcp: Array, speed: float, acceleration: float) -> None:
        self.start = arm.pose()
        self.way = base_T_tcp[:3, 3] - self.start[:3, 3]
        self.turn = geometry.rotvec(self.start[:3, :3].T @ base_T_tcp[:3, :3])
        distance, angle = float(np.linalg.norm(self.way)), float(np.linalg.norm(self.turn))
        self.profile = _Trapezoid(distance if distance > 1e-6 else angle, speed, acceleration)
        self.tcp_T_flange = geometry.inverse(arm.flange_T_tcp)
        self.done = False
        _joints(base_T_tcp @ self.tcp_T_flange, arm)

    def step(self, arm: ArmMotion, dt: float) -> Array:
        fraction = self.profile.advance(dt, arm.slider)
        self.done = self.profile.done
        pose = np.eye(4)
        pose[:3, 3] = self.start[:3, 3] + fraction * self.way
        pose[:3, :3] = self.start[:3, :3] @ geometry.rotation(fraction * self.turn)
        return _joints(pose @ self.tcp_T_flange, arm)


def stop_tool(arm: ArmMotion, deceleration: float) -> Motion | None:
    """stopl: m/s^2 of the TCP (rad/s^2 where it only turns)."""
    twist = arm.twist()
    fastest = max(float(np.linalg.norm(twist[:3])), float(np.linalg.norm(twist[3:])))
    return None if arm.standing else Stop(arm.qd, fastest / max(deceleration, 1e-3))


def stop_joints(arm: ArmMotion, deceleration: float) -> Motion | None:
    """stopj: rad/s^2 of the leading axis."""
    return None if arm.standing else Stop(arm.qd, float(np.abs(arm.qd).max()) / max(deceleration, 1e-3))


class _Trapezoid:
    """Fraction of a way of `length`, under limits of speed and acceleration; follows the slider while it runs."""

    def __init__(self, length: float, speed: float, acceleration: float) -> None:
        self.length, self.speed, self.acceleration = length, max(speed, 1e-6), max(acceleration, 1e-6)
        self.at, self.now = 0.0, 0.0
        self.done = False

    def advance(self, dt: float, slider: float) -> float:
        left = self.length - self.at
        ramp = self.acceleration * dt
        braking = sqrt(ramp * ramp + 2 * self.acceleration * max(left, 0.0)) - ramp  # v dt + v^2 / 2a = left
        wanted = min(self.speed * slider, braking)
        self.now = min(self.now + ramp, max(wanted, self.now - ramp))
        self.at += self.now * dt
        if self.at >= self.length - 1e-9:
            self.at, self.done = self.length, True
        return self.at / self.length if self.length > 0 else 1.0


def _joints(base_T_flange: Array, arm: ArmMotion) -> Array:
    try:
        return nearest(base_T_flange, arm.q, arm.arm)
    except Unreachable as error:
        raise MotionFaultError(str(error)) from None


def _limited(vector: Array, limit: float) -> Array:
    length = sqrt(float(vector @ vector))
    return vector if length <= limit else vector * (limit / length)
