"""From predicted motions to commanded twists: filter, gain, limits, confidence gate, and when to stop.

There is one ``ServoLoop`` a goal, and one such class: closed-loop evaluation and the servo node both run it.
It has no clock: times are seconds of whatever clock the caller reads, stamps included.

Convention:
    Inside, a velocity is (d,) over the commanded axes in m/s with rotations scaled by ``ROTATION_SCALE``
    (see ``method.motion``), so that one norm limits translation and rotation together.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kovis_ros.method import geometry
from kovis_ros.method.config import ConfigError, LoopConfig
from kovis_ros.method.motion import ROTATION_SCALE, Motion, axis_indices, twist

Array = NDArray[np.float64]
FUTURE_S = 0.05  # a stamp further ahead of the clock is invalid
LONGEST_STEP_S = 0.1  # a caller that slept longer gets no larger step of the ramp
GAIN_TIMES_DELAY = 0.4  # above it the loop overshoots
STILL_FALLING = 0.8  # ratio of the newer to the older half of the window, below which the arm still gets nearer
PATIENCE = 4  # times converged_images that falling is waited for


class State(IntEnum):
    """What the loop does; the numbers are those of ``kovis_msgs/ServoStatus``."""

    INVALID = -1
    IDLE = 0
    SERVOING = 1
    CONVERGING = 2
    CONVERGED = 3
    PAUSED = 4
    HALT_STALE_IMAGE = 5
    HALT_STALE_KEYPOINTS = 6
    HALT_LOW_CONFIDENCE = 7
    HALT_WORKSPACE_LIMIT = 8
    HALT_ROBOT_NOT_READY = 9
    HALT_BACKEND = 10
    COMPLETING = 11


class ServoLoop:
    """One alignment from first image to the end. Call ``observe`` per image and ``command`` at the control rate.

    delay_s: whole delay from exposure to motion, filter included; ConfigError when gain times delay is too high.
    speed_scale (0, 1]: share of the configured top speed.

    Attributes to read: ``state``; ``converged``, ``timed_out`` and ``done``, which stay once set; ``speed`` 0..1
    (length of the slowly filtered prediction), ``confidence`` 0..1, ``images`` (distinct ones used), ``rejected`` (by
    cause).
    """

    def __init__(
        self, config: LoopConfig, axes: Sequence[str], delay_s: float = 0.1, speed_scale: float = 1.0,
        timeout_s: float | None = None,
    ) -> None:  # fmt: skip
        if not 0.0 < speed_scale <= 1.0:
            raise ConfigError(f"speed_scale {speed_scale} is out of range: give more than 0 and at most 1")
        self.config, self.axes = config, tuple(axes)
        self.count = len(axis_indices(self.axes))
        self.top_speed = config.top_speed_mps * speed_scale
        self.timeout_s = config.timeout_s if timeout_s is None else timeout_s
        check_gain(config, delay_s, speed_scale)
        self.state = State.HALT_STALE_KEYPOINTS
        self.converged = self.timed_out = self.done = False
        self.speed, self.confidence, self.images = 0.0, 0.0, 0
        self.rejected: Counter[str] = Counter()
        self._vector: Array = np.zeros(self.count)  # filtered direction * speed
        self._settled: Array = np.zeros(self.count)  # filtered slower, for convergence alone
        self._velocity: Array = np.zeros(self.count)  # commanded last
        self._recent: deque[float] = deque(maxlen=max(2, config.converged_images))
        self._calm = 0  # images that counted towards convergence
        self._held = False
        self._stamp = self._received = -np.inf
        self._begun: float | None = None
        self._commanded: float | None = None
        self._start_T_base: Array | None = None

    def age(self, now: float) -> float:
        """Seconds since the newest image was exposed, at least 0; infinite before the first."""
        return max(0.0, now - self._stamp)

    def observe(self, motion: Motion, stamp: float, now: float) -> State:
        """Take the prediction for one image exposed at ``stamp``; a bad or repeated one is counted and left out."""
        self._begun = now if self._begun is None else self._begun
        if self.done:
            return self.state
        fault = self._fault(motion, stamp, now)
        if fault:
            self.rejected[fault] += 1
            return self.state
        interval = stamp - self._stamp
        self._stamp, self._received = stamp, now
        self.images += 1
        self.confidence = float(motion.confidence)
        if self.confidence < self.config.confidence_halt:
            self._vector = np.zeros(self.count)
            self._restart_count()
            return self.state
        newest = np.asarray(motion.direction, float) * motion.speed
        first = not self._recent
        self._vector = low_pass(self._vector, newest, 0.0 if first else self.config.filter_s, interval)
        self._settled = low_pass(self._settled, newest, 0.0 if first else self.config.settle_s, interval)
        self.speed = geometry.norm(self._settled)
        self._recent.append(self.speed)
        self._judge()
        if not self.done and not self._held:
            self.state = self._state(now)
        return self.state

    def command(self, now: float, tcp_pose: ArrayLike | None = None, hold: State | None = None) -> Array:
        """Twist (6,) of tool0 about the tcp, m/s and rad/s, to send now: what is really commanded, after all limits.

        tcp_pose: ``base_T_tcp`` (4, 4); the first one is the centre of the workspace box; None leaves the box out.
        hold: a reason outside (PAUSED, HALT_ROBOT_NOT_READY, HALT_BACKEND) to slow down to zero and stay.
        """
        self._begun = now if self._begun is None else self._begun
        elapsed = 0.0 if self._commanded is None else min(max(now - self._commanded, 0.0), LONGEST_STEP_S)
        self._commanded = now
        wanted = self._wanted(now, hold)
        change = wanted - self._velocity
        step = self.config.acceleration_mps2 * elapsed
        velocity = self._velocity + change * min(1.0, step / max(geometry.norm(change), 1e-12))
        velocity = clamp(velocity, min(self.top_speed, self._freshness_limit(now)))
        if not self.done and tcp_pose is not None and self._leaves(np.asarray(tcp_pose, float), velocity):
            self._end(State.HALT_WORKSPACE_LIMIT)
        self._velocity = np.zeros(self.count) if self.done else velocity
        return self._twist(self._velocity)

    def _end(self, state: State) -> None:
        self.state, self.done = state, True

    def _twist(self, velocity: Array) -> Array:
        return twist(velocity, 1.0, self.axes, 1.0)

    def _fault(self, motion: Motion, stamp: float, now: float) -> str:
        """Why a prediction cannot be used, empty if it can."""
        direction = np.asarray(motion.direction, float)
        if direction.shape != (self.count,):
            return "wrong shape"
        if not np.all(np.isfinite([*direction, motion.speed, motion.confidence, stamp])):
            return "not finite"
        length = geometry.norm(direction)
        if not (0.0 <= motion.speed <= 1.0 and 0.0 <= motion.confidence <= 1.0):
            return "out of range"
        if abs(length - 1.0) > 0.01 and not (length < 1e-6 and motion.speed < 0.01):
            return "not a unit direction"
        if stamp > now + FUTURE_S:
            return "stamp in the future"
        if now - stamp > self.config.image_timeout_s:
            return "stale"
        return "repeated" if stamp <= self._stamp else ""

    def _restart_count(self) -> None:
        self._calm = 0
        self._recent.clear()

    def _judge(self) -> None:
        """Count towards convergence, with hysteresis; end when it is calm and has stopped getting nearer.

        The count looks at the slowly filtered vector, whose noise cancels, not at the speed, whose noise adds up: with
        the filter of the command, in 6 of 200 trials the noise of dim images hid for 20 s that the arm stood at the
        goal. Stopping as soon as the count is full would leave it at the near edge of the threshold: 0.6 mm of bias.
        """
        if self._held or self.speed > self.config.released_speed:
            self._calm = 0
            return
        self._calm += self.speed < self.config.converged_speed and self.confidence >= self.config.confidence_low
        enough = self.config.converged_images
        if self._calm >= enough and (not self._falling() or self._calm >= PATIENCE * enough):
            self.converged = True
            self._end(State.CONVERGED)

    def _falling(self) -> bool:
        recent = list(self._recent)
        half = len(recent) // 2
        return float(np.mean(recent[half:])) < STILL_FALLING * float(np.mean(recent[:half]))

    def _wanted(self, now: float, hold: State | None) -> Array:
        """Velocity (d,) to approach, and the state that goes with it."""
        rest: Array = np.zeros(self.count)
        if self.done:
            return rest
        self._held = hold is not None
        if self._begun is not None and now - self._begun > self.timeout_s:
            self.timed_out = True
            self._end(State.IDLE)
            return rest
        self.state = self._state(now, hold)
        if self.state not in (State.SERVOING, State.CONVERGING):
            self._restart_count()
            return rest
        low, halt = self.config.confidence_low, self.config.confidence_halt
        trust = min(1.0, (self.confidence - halt) / max(low - halt, 1e-6))
        return self._vector * self.top_speed * max(trust, 0.0)

    def _state(self, now: float, hold: State | None = None) -> State:
        if hold is not None:
            return hold
        if now - self._received >= self.config.image_timeout_s:
            return State.HALT_STALE_KEYPOINTS
        if self.age(now) >= self.config.image_timeout_s:
            return State.HALT_STALE_IMAGE
        if self.confidence < self.config.confidence_halt:
            return State.HALT_LOW_CONFIDENCE
        return State.CONVERGING if self._calm else State.SERVOING

    def _freshness_limit(self, now: float) -> float:
        """Speed in m/s from which the ramp still reaches zero by the time the image is stale."""
        oldest = max(self.age(now), now - self._received)
        return max(0.0, self.config.acceleration_mps2 * (self.config.image_timeout_s - oldest))

    def _leaves(self, base_T_tcp: Array, velocity: Array) -> bool:
        """Would a pose (4, 4) be out of the box, and further out, after the way it takes to stop?"""
        if self._start_T_base is None:
            self._start_T_base = geometry.inverse(base_T_tcp)
        way = self._twist(velocity) * (geometry.norm(velocity) / (2.0 * self.config.acceleration_mps2) + 0.1)
        here = _reach(self._start_T_base @ base_T_tcp)
        after = _reach(self._start_T_base @ base_T_tcp @ geometry.exp(way))
        return not bool(np.all((after <= self.config.workspace_m) | (after < here)))


def check_gain(config: LoopConfig, delay_s: float, speed_scale: float = 1.0) -> None:
    """ConfigError unless loop gain (top speed times slope of the label, 1/s) times delay is small enough."""
    product = config.top_speed_mps * speed_scale * config.label_slope * delay_s
    if product > GAIN_TIMES_DELAY + 1e-9:
        remedy = GAIN_TIMES_DELAY / (config.label_slope * delay_s * speed_scale)
        raise ConfigError(
            f"servo.top_speed_mps {config.top_speed_mps}, servo.label_slope {config.label_slope} and delay {delay_s} s"
            f" makes gain times delay {product:.2f}, above {GAIN_TIMES_DELAY}: lower top_speed_mps to {remedy:.4f}"
        )


def low_pass(value: Array, newest: ArrayLike, time_s: float, interval_s: float) -> Array:
    """First-order low-pass filter of time constant ``time_s``, ``interval_s`` after its last value; 0: no filter."""
    weight = 1.0 - float(np.exp(-interval_s / time_s)) if time_s > 0.0 else 1.0
    return value + weight * (np.asarray(newest) - value)


def clamp(velocity: Array, limit: float) -> Array:
    """Velocity (d,) shortened to the limit, direction kept."""
    length = geometry.norm(velocity)
    return velocity if length <= limit else velocity * (limit / length)


def _reach(start_T_tcp: Array) -> Array:
    """(4,) distances from the start: along its three axes, and the angle as metres."""
    offset = geometry.log(start_T_tcp)
    return np.append(np.abs(offset[:3]), ROTATION_SCALE * geometry.norm(offset[3:]))
