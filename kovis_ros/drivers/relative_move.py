"""One move of the TCP along a fixed twist of the tool frame, under limits of speed and force.

Lengths are metres in which a rotation counts 0.2 m per rad, as everywhere in KOVIS.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from kovis_ros.drivers.arm import STANDING_SCALE, Reading
from kovis_ros.method import geometry
from kovis_ros.method.motion import ROTATION_SCALE

Array = npt.NDArray[np.float64]
SCALE = np.array([1.0, 1.0, 1.0, ROTATION_SCALE, ROTATION_SCALE, ROTATION_SCALE])
APPROACH_PER_S = 8.0  # speed per distance left; times the loop's delay of about 25 ms it is 0.2
STRAIGHTEN_PER_S = 3.0  # correction of what leaves the path
ARRIVED_M = 0.0001
CREEP_MPS = 0.002  # slowest approach
SLACK_S = 3.0  # beyond twice the way at the commanded speed, at the full speed of the slider


class Outcome(IntEnum):
    """Numbered as in kovis_msgs/MoveRelative."""

    NOTHING = 0
    FORCE = 1
    CANCELLED = 2
    ROBOT = 3
    TIMEOUT = 4
    REFUSED = 5


class RelativeMove:
    """State of one move.  `outcome` is None until the arm stands again.

    direction (6,): twist of the TCP with the axes of tool0, any length; distance_m > 0; speed_mps > 0;
    force_limit_n: change of the contact force at which to stop, 0 for none.  ValueError names a bad one.
    """

    def __init__(self, direction: npt.ArrayLike, distance_m: float, speed_mps: float, force_limit_n: float) -> None:
        scaled = np.asarray(direction, dtype=float) * SCALE
        length = float(np.linalg.norm(scaled))
        if not np.isfinite(scaled).all() or length < 1e-9:
            raise ValueError(f"direction {np.asarray(direction).tolist()} has no finite length: give a unit twist")
        for name, value, allowed in (
            ("distance", distance_m, distance_m > 0),
            ("speed", speed_mps, speed_mps > 0),
            ("force_limit", force_limit_n, force_limit_n >= 0),
        ):
            if not (np.isfinite(value) and allowed):
                raise ValueError(f"{name} is {value}: give a finite number above 0")
        self.unit = scaled / length
        self.twist = self.unit / SCALE  # per metre travelled
        self.distance_m, self.speed_mps, self.force_limit_n = distance_m, speed_mps, force_limit_n
        self.travelled_m, self.force_n = 0.0, 0.0
        self.cancelled = False
        self.outcome: Outcome | None = None
        self.message = ""
        self.ending: tuple[Outcome, str] | None = None
        self._start: Array | None = None
        self._force: Array = np.zeros(3)
        self._left_s, self._stepped_s = 0.0, 0.0

    def goal(self, base_T_tcp: Array) -> Array:
        """Where the TCP would end, (4, 4), from a start pose."""
        pose: Array = base_T_tcp @ geometry.exp(self.twist * self.distance_m)
        return pose

    def step(self, reading: Reading, now: float) -> Array:
        """Twist (6,) to command now, axes of tool0; sets `ending` when the arm should come to rest instead."""
        pose = reading.pose()
        if self._start is None:
            self._start, self._force, self._stepped_s = pose, np.array(reading.force[:3]), now
            self._left_s = 2 * self.distance_m / self.speed_mps + SLACK_S
        self._left_s -= (now - self._stepped_s) * pace(reading.speed_scaling)
        self._stepped_s = now
        way = geometry.log(geometry.inverse(self._start) @ pose) * SCALE
        self.travelled_m = float(np.clip(way @ self.unit, 0.0, self.distance_m))
        self.force_n = float(np.linalg.norm(np.array(reading.force[:3]) - self._force))
        left = self.distance_m - self.travelled_m
        self.ending = self._ending(left)
        wanted = self._start @ geometry.exp(self.twist * self.travelled_m)
        off_path = geometry.log(geometry.inverse(pose) @ wanted)
        speed = min(self.speed_mps, max(APPROACH_PER_S * left, CREEP_MPS))
        command: Array = self.twist * speed + STRAIGHTEN_PER_S * off_path
        return command

    def finish(self, outcome: Outcome, message: str) -> None:
        """The arm stands; the outcome is final."""
        self.message, self.outcome = message, outcome

    def _ending(self, left: float) -> tuple[Outcome, str] | None:
        if self.cancelled:
            return Outcome.CANCELLED, "cancelled"
        if self.force_limit_n > 0 and self.force_n > self.force_limit_n:
            return Outcome.FORCE, f"contact force {self.force_n:.1f} N reached the limit of {self.force_limit_n:.1f} N"
        if left < ARRIVED_M:
            return Outcome.NOTHING, ""
        if self._left_s < 0.0:
            return Outcome.TIMEOUT, f"{1e3 * left:.1f} mm still to go long after the move should have ended"
        return None


def pace(speed_scaling: float) -> float:
    """How fast a move's time runs out, 0..1: as fast as the arm goes, which the slider slows down.

    At full speed where the slider lets it stand: a move must not wait for a person for ever, to go on without a word.
    """
    return speed_scaling if speed_scaling > STANDING_SCALE else 1.0
