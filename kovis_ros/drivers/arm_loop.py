"""What the arm does each period: follow twists, carry out one relative move, or stand; and when it must not move.

One thread calls `ArmLoop.tick` at a fixed rate and is the only one to touch the arm; the other methods leave requests
for it.  At the start and after any fault the loop is *held*: no setpoint is taken until the twists stopped or were zero
for a while, so that nothing moves again by itself, not even when the whole process was started anew.
"""

from __future__ import annotations

import threading
from collections import Counter
from enum import Enum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kovis_ros.drivers.arm import Arm, Reading
from kovis_ros.drivers.arm_limits import Limits
from kovis_ros.drivers.arm_recovery import LONGEST_TICK_S, Recovery
from kovis_ros.drivers.relative_move import Outcome, RelativeMove
from kovis_ros.drivers.ur_link import ArmError

Array = npt.NDArray[np.float64]
STARTED = "the arm node has just started: pause the twists to go on"
UNHEARD_S = 2.0  # a sender is found up to half a second before its first twist comes (seen): silence is no pause yet
JOINED = "a sender of twists has just been found: pause the twists to go on"


class Mode(Enum):
    STANDING = "standing"
    FOLLOWING = "following twists"
    MOVING = "moving"
    FAULT = "fault"


class _Setpoint(NamedTuple):
    twist: Array
    stamp_s: float


class ArmLoop:
    """See the module.  `now` is `time.monotonic()` everywhere."""

    def __init__(self, arm: Arm, limits: Limits) -> None:
        self.arm, self.limits = arm, limits
        self.mode = Mode.STANDING
        self.reading: Reading | None = None
        self.held = STARTED  # why setpoints are not taken
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._setpoint: _Setpoint | None = None
        self._busy_s = -1e9  # when the last setpoint other than zero came
        self._quiet_s, self._ticked_s = 0.0, 0.0
        self._unheard = False  # is there a sender that was found and has sent nothing yet
        self._move: RelativeMove | None = None
        self._halt = ""
        self._recovery = Recovery(arm, limits, self.counts)

    # requests, from any thread

    def follow(self, tool_twist: npt.ArrayLike, now: float) -> Array:
        """Take a setpoint: twist of the TCP (6,) with the axes of tool0.  Returns what will be commanded.

        That is the twist shrunk (direction kept) to the limits, or zero while held or moving.
        ValueError if it is not six finite numbers.
        """
        wanted = np.asarray(tool_twist, dtype=float)
        if wanted.shape != (6,) or not np.isfinite(wanted).all():
            raise ValueError(f"twist {wanted.tolist()} is not six finite numbers")
        twist = self.limits.clamp(wanted)
        self.counts["clamped"] += twist is not wanted
        with self._lock:
            self._unheard = False
            if twist.any():
                self._disturb(now)
            if self.held or self.mode == Mode.FAULT or self._move is not None:
                self.counts["ignored"] += 1
                self._setpoint = None
                return np.zeros(6)
            self._setpoint = _Setpoint(twist, now)
        return twist

    def disturb(self, now: float) -> None:
        """A setpoint came that was not valid: whoever sends it has not paused."""
        with self._lock:
            self._disturb(now)

    def meet(self) -> None:
        """A sender of twists was found, perhaps in the middle of a motion: that it was not heard was no pause."""
        if self.mode == Mode.STANDING:
            self._hold(self.held or JOINED)
            self._unheard = True

    def _disturb(self, now: float) -> None:
        self._busy_s, self._quiet_s, self._unheard = now, 0.0, False

    def move(self, move: RelativeMove, now: float) -> None:
        """Ask for a relative move, slowed down to the limits; poll `move.outcome`.  ArmError if the arm is not free."""
        wanted = move.twist * move.speed_mps
        share = float(np.linalg.norm(self.limits.clamp(wanted)) / np.linalg.norm(wanted))
        with self._lock:
            reason = self._refusal(now)
            if reason:
                raise ArmError(reason)
            self.counts["clamped"] += share < 1.0
            move.speed_mps *= share
            self._move = move

    def cancel(self) -> None:
        """End the relative move, if there is one."""
        with self._lock:
            if self._move is not None:
                self._move.cancelled = True

    def halt(self, reason: str) -> None:
        """Stop whatever moves, and hold."""
        with self._lock:
            self._halt = reason

    @property
    def trouble(self) -> str:
        """Why a twist would not move the arm; empty if it would."""
        reading = self.reading
        if reading is None:
            return "no state of the arm yet"
        if reading.safe and reading.program_running:
            return self.held or reading.trouble()  # a slider at 0 must not hide that a person stopped the arm
        return reading.trouble()

    # the control thread

    def tick(self, now: float) -> Reading:
        """One period.  LinkLostError when the controller is gone: end the process."""
        reading = self.reading = self.arm.read()
        with self._lock:
            setpoint, move, halt = self._setpoint, self._move, self._halt
            self._halt = ""
        healthy = reading.safe and reading.program_running
        if self.mode == Mode.FAULT and self._recovery.succeeded and healthy:
            self._rest()
        elif self.mode == Mode.FAULT or not healthy:
            self._fault(reading, move, now)
        elif halt:
            self._stop(halt, move)
        elif move is not None:
            self._advance(move, reading, now)
        elif setpoint is not None and now - setpoint.stamp_s <= self.limits.setpoint_timeout_s:
            self._follow(setpoint.twist, reading)
        else:
            self._stand()
        self._release(now)
        return reading

    def _follow(self, tool_twist: Array, reading: Reading) -> None:
        if self.mode == Mode.STANDING and not tool_twist.any():
            self.arm.kick()
            return
        self.mode = Mode.FOLLOWING
        self._command(tool_twist, reading)

    def _command(self, tool_twist: Array, reading: Reading) -> None:
        rotation = reading.pose()[:3, :3]
        twist = np.concatenate([rotation @ tool_twist[:3], rotation @ tool_twist[3:]])
        self.arm.speed(twist, self.limits.acceleration_mps2)

    def _stand(self) -> None:
        if self.mode == Mode.FOLLOWING:
            self.counts["timeouts"] += 1
            with self._lock:
                self._setpoint = None
        self._rest()

    def _rest(self) -> None:
        if self.mode == Mode.STANDING:
            self.arm.kick()
            return
        self.arm.rest(self.limits.deceleration_mps2)
        self.mode = Mode.STANDING

    def _stop(self, reason: str, move: RelativeMove | None) -> None:
        self._hold(reason)
        self._rest()
        self._end(move, Outcome.CANCELLED, reason)

    def _advance(self, move: RelativeMove, reading: Reading, now: float) -> None:
        twist = move.step(reading, now)
        if move.ending is None:
            self.mode = Mode.MOVING
            self._command(self.limits.clamp(twist), reading)
            return
        self._rest()
        self._end(move, *move.ending)

    def _end(self, move: RelativeMove | None, outcome: Outcome, message: str) -> None:
        with self._lock:
            self._move, self._setpoint = None, None
        if move is not None:
            move.finish(outcome, message)

    def _fault(self, reading: Reading, move: RelativeMove | None, now: float) -> None:
        """Nothing but a recovery of ours leads out of a fault: a program that comes back by itself is ended."""
        if self.mode != Mode.FAULT:
            self.mode = Mode.FAULT
            self.counts["faults"] += 1
            self._hold(reading.trouble())
            self._end(move, Outcome.ROBOT, reading.trouble())
            self._recovery.begin(now)
        self.held = self._recovery.step(reading, now) or self.held

    def _hold(self, reason: str) -> None:
        with self._lock:
            self.held, self._setpoint, self._quiet_s = reason, None, 0.0

    def _release(self, now: float) -> None:
        """Count quiet time tick by tick, so that a stall of the process does not pass for it."""
        with self._lock:
            self._quiet_s += min(now - self._ticked_s, LONGEST_TICK_S)
            self._ticked_s = now
            if self.mode == Mode.FAULT:
                self._quiet_s = 0.0
            wanted_s = UNHEARD_S if self._unheard else self.limits.quiet_s
            if self.held and self.mode == Mode.STANDING and self._quiet_s > wanted_s:
                self.held, self._unheard = "", False

    def _refusal(self, now: float) -> str:
        trouble = self.trouble
        if trouble:
            return f"the arm is not ready: {trouble}"
        if self._move is not None:
            return "another relative move is under way: cancel it or wait"
        if now - self._busy_s < self.limits.setpoint_timeout_s:
            return "the arm follows twists: end the goal that sends them first"
        return ""
