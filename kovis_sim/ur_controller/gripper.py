"""Robotiq 2F-85 as its URCap shows it: a text protocol (port 63352) and fingers with a finite speed.

Position 0..255 is an opening of 85..0 mm.  Activation takes a second but, unlike on the device, does not sweep the
fingers.
"""

from __future__ import annotations

from math import isnan

from kovis_ros.method.robotiq_2f85 import GRIP_N, STROKE_M

SPEED_MPS = (0.020, 0.150)  # at SPE 0 and 255, data sheet
ACTIVATION_S = 1.0
MOVING, OUTER_OBJECT, INNER_OBJECT, AT_POSITION = range(4)
WRITABLE = frozenset({"ACT", "GTO", "ATR", "ARD", "FOR", "SPE", "POS"})


class Gripper:
    """Finger opening in metres, and the registers behind the protocol."""

    def __init__(self, opening_m: float = STROKE_M) -> None:
        self.opening_m = opening_m
        self.values = {"ACT": 1, "GTO": 1, "ATR": 0, "ARD": 0, "FOR": 0, "SPE": 255, "POS": _count(opening_m), "FLT": 0}
        self.target_m = opening_m
        self.object = AT_POSITION
        self._activating_s = 0.0

    def jump(self, opening_m: float) -> None:
        """Fingers at an opening at once: the simulator's reset."""
        self.opening_m = self.target_m = min(max(opening_m, 0.0), STROKE_M)
        self.values["POS"] = _count(self.target_m)
        self.object = AT_POSITION

    def step(self, dt: float, blocked_opening_m: float) -> None:
        """Move for dt seconds; an object blocks the fingers at `blocked_opening_m` (NaN: nothing there)."""
        if self._activating_s > 0:
            self._activating_s -= dt
            return
        if not (self.values["ACT"] and self.values["GTO"]):
            return
        slow, fast = SPEED_MPS
        reach = dt * (slow + (fast - slow) * self.values["SPE"] / 255)
        way = self.target_m - self.opening_m
        wanted = self.opening_m + min(max(way, -reach), reach)
        if not isnan(blocked_opening_m) and way < 0 and wanted < blocked_opening_m:
            self.opening_m = min(self.opening_m, max(wanted, blocked_opening_m))
            self.object = INNER_OBJECT
            return
        self.opening_m = wanted
        self.object = AT_POSITION if abs(self.target_m - wanted) < 1e-6 else MOVING

    @property
    def grip_n(self) -> float:
        """Force with which a pad presses at most, N: the weakest grip at FOR 0, the strongest at 255."""
        weak, strong = GRIP_N
        return weak + (strong - weak) * self.values["FOR"] / 255

    def answer(self, line: str) -> bytes:
        """Reply to one line of the protocol."""
        words = line.split()
        if len(words) == 2 and words[0] == "GET":
            return f"{words[1]} {self._read(words[1])}\n".encode()
        if len(words) >= 3 and words[0] == "SET" and len(words) % 2 == 1:
            pairs = list(zip(words[1::2], words[2::2], strict=True))
            if all(name in WRITABLE and value.lstrip("-").isdigit() for name, value in pairs):
                for name, value in pairs:
                    self._write(name, min(max(int(value), 0), 255))
                return b"ack"
        return b"nack"

    def _read(self, name: str) -> str:
        if name == "STA":
            return str(0 if not self.values["ACT"] else 1 if self._activating_s > 0 else 3)
        if name == "OBJ":
            return str(self.object)
        if name == "POS":
            return str(_count(self.opening_m))
        if name == "PRE":
            return str(self.values["POS"])
        return str(self.values.get(name, "?"))

    def _write(self, name: str, value: int) -> None:
        if name == "ACT" and value and not self.values["ACT"]:
            self._activating_s = ACTIVATION_S
        self.values[name] = value
        if name == "POS":
            self.target_m = STROKE_M * (1 - value / 255)
            self.object = MOVING if abs(self.target_m - self.opening_m) > 1e-6 else AT_POSITION


def _count(opening_m: float) -> int:
    return round(255 * (1 - opening_m / STROKE_M))
