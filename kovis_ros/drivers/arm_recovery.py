"""The way out of a fault: end whatever program runs on the controller, then have our own uploaded anew, a few times.

Nothing that comes back by itself is followed: it may be a program paused in the middle of a motion, whose old speed
"play" resumes, or another person's; neither is under the watchdog that every upload of ours arms.
"""

from __future__ import annotations

from collections import Counter

from kovis_ros.drivers.arm import PLAYING, Arm, Reading
from kovis_ros.drivers.arm_limits import Limits
from kovis_ros.drivers.ur_link import ArmError, LinkLostError

RECOVERY_TRIES = 5
ENDED = "Stopped"  # what the dashboard answers
END_EVERY_S = 0.5  # a request to end a program takes effect within this time, or is repeated
LONGEST_TICK_S = 0.02  # a stall of the process, or of the dashboard, is no time in which a request could take effect


class Recovery:
    """State of one fault: `begin`, then `step` each period; belongs to the thread that uses the arm."""

    def __init__(self, arm: Arm, limits: Limits, counts: Counter[str]) -> None:
        self.arm, self.limits, self.counts = arm, limits, counts
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """A fault has just been seen."""
        self.succeeded = False  # in the last step our program was uploaded anew
        self._ours = True  # is it still the program that the fault interrupted
        self._safe_since: float | None = None
        self._tries = 0
        self._stepped_s, self._asked_s = now, END_EVERY_S

    def step(self, reading: Reading, now: float) -> str:
        """One period at fault: what went wrong in it, in one line; empty if nothing did.

        Blocks for up to 3 s when the dashboard does not answer, longer when the controller does not take our program.
        LinkLostError when the controller is gone.
        """
        self.succeeded = False
        if not reading.safe:
            self._safe_since = None
        elif self._safe_since is None:
            self._safe_since = now
        self._asked_s += min(now - self._stepped_s, LONGEST_TICK_S)
        self._stepped_s = now
        if reading.runtime_state >= PLAYING:
            if self._ours and reading.program_running and reading.safe:
                self.arm.rest(self.limits.deceleration_mps2)  # resumed by a person, and it still obeys
            if self._asked_s >= END_EVERY_S:
                return self._end()
        else:
            self._ours = False
        return self._recover(now)

    def _end(self) -> str:
        self._asked_s = 0.0
        try:
            reply = self.arm.end_program()
        except ArmError as error:
            reply = str(error)
        if reply == ENDED:
            self.counts["programs ended"] += 1
            return ""
        self.counts["programs not ended"] += 1
        return f"a program on the controller was not ended ({reply}): stop it on the pendant"

    def _recover(self, now: float) -> str:
        safe_s = 0.0 if self._safe_since is None else now - self._safe_since
        if safe_s <= self.limits.recovery_s or self._tries >= RECOVERY_TRIES:
            return ""
        self._safe_since, self._tries = now, self._tries + 1
        try:
            self.arm.recover()
        except LinkLostError:
            raise
        except ArmError as error:
            return str(error)
        self.counts["recoveries"] += 1
        self.succeeded = self._ours = True
        return ""
