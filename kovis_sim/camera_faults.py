"""What a broken camera sends: faults of the simulated camera, one at a time, for tests of the nodes that look at it."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
DELAY_S, AHEAD_S = 0.5, 1.0
FAULTS = {
    "none": "images as they are",
    "frozen_old": "the last pair again and again, with its stamp",
    "frozen_new": "the last pair again and again, with new stamps",
    "left_frozen": "the last left image again and again, beside right ones of the moment",
    "dropped": "nothing",
    "black": "no light, only the noise of the sensors",
    "left_black": "no light in the left eye, only the noise of its sensor",
    "right_black": "no light in the right eye, only the noise of its sensor",
    "swapped": "left and right the wrong way round",
    "delayed": f"every pair {1e3 * DELAY_S:.0f} ms late, with its true stamp",
    "future": f"stamps {1e3 * AHEAD_S:.0f} ms ahead",
}
COVERED = {"black": ("left", "right"), "left_black": ("left",), "right_black": ("right",)}
BLACK_DN, NOISE_DN = 8.0, 3.0  # level and deviation of the noise of a covered eye: the upper end of the sensor model


class Pair(NamedTuple):
    """One stereo pair: stamp in ns, two images (H, W)."""

    stamp_ns: int
    left: Image
    right: Image


class CameraFaults:
    """Takes each pair that was shot and gives those that are sent now; ``set`` chooses how it is broken."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.fault = "none"
        self._last: Pair | None = None
        self._waiting: deque[Pair] = deque()

    def set(self, fault: str) -> None:
        """Break it in this way from now on, "none" mends it.  ValueError names the known faults."""
        if fault not in FAULTS:
            raise ValueError(f"camera fault {fault!r} is unknown: choose from {', '.join(FAULTS)}")
        self.fault = fault
        self._waiting.clear()

    def send(self, shot: Pair) -> list[Pair]:
        """Pairs that leave the camera now that ``shot`` was taken."""
        if self.fault.startswith("frozen") and self._last is not None:
            new = self.fault == "frozen_new"
            return [self._last._replace(stamp_ns=shot.stamp_ns) if new else self._last]
        if self.fault == "left_frozen" and self._last is not None:
            return [shot._replace(left=self._last.left)]
        self._last = shot
        if self.fault == "delayed":
            return self._late(shot)
        if self.fault == "dropped":
            return []
        if self.fault in COVERED:
            return [shot._replace(**{eye: self._dark(shot.left) for eye in COVERED[self.fault]})]
        if self.fault == "swapped":
            return [shot._replace(left=shot.right, right=shot.left)]
        if self.fault == "future":
            return [shot._replace(stamp_ns=shot.stamp_ns + round(AHEAD_S * 1e9))]
        return [shot]

    def _late(self, shot: Pair) -> list[Pair]:
        self._waiting.append(shot)
        due = []
        while shot.stamp_ns - self._waiting[0].stamp_ns >= DELAY_S * 1e9:
            due.append(self._waiting.popleft())
        return due

    def _dark(self, image: Image) -> Image:
        return np.asarray(np.clip(np.rint(self.rng.normal(BLACK_DN, NOISE_DN, image.shape)), 0, 255), np.uint8)
