"""Single images of a stereo camera to pairs: only images of one exposure go together, and what is left out is counted.

A library that fills the hole of a lost image with the one before gives "pairs" of two moments, whose disparities are
wrong by the motion between them; so images are taken one by one and matched here.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
SAME_MOMENT_MS = 1.0
RESTART = 1000  # a larger gap between numbers is a new count, no loss


class Frame(NamedTuple):
    """One image as it came from the camera."""

    side: int  # 0 left, 1 right
    number: int  # counted by the camera
    camera_ms: float  # time of capture on the clock of ``domain``
    domain: str  # hardware_clock, global_time or system_time, as librealsense calls them
    arrived_ns: int  # host's clock, ns since 1970
    image: Image  # (H, W)
    exposure_us: int = -1  # -1: the camera does not say
    gain: int = -1
    lit: bool = False  # the emitter was on


class StereoPair(NamedTuple):
    """Left and right of one exposure."""

    number: int
    captured_ns: int  # host's clock, ns since 1970; strictly increasing
    arrived_ns: int
    left: Image  # (H, W)
    right: Image  # (H, W)
    exposure_us: int = -1
    gain: int = -1
    lit: bool = False

    @property
    def age_s(self) -> float:
        """From capture to arrival."""
        return (self.arrived_ns - self.captured_ns) * 1e-9


class FramePairs:
    """Matches by number and time; keeps the last ``depth`` images of each side waiting for their partner."""

    def __init__(self, dropped: Counter[str], depth: int = 6) -> None:
        self.dropped, self.depth = dropped, depth
        self.waiting: tuple[dict[int, Frame], dict[int, Frame]] = ({}, {})
        self._last: Frame | None = None  # left image of the last pair
        self._evicted: set[int] = set()  # numbers given up since then

    def add(self, frame: Frame) -> tuple[Frame, Frame] | None:
        """Take an image; (left, right) once both sides of its exposure are here."""
        if self._last is not None and (frame.number, frame.camera_ms) == (self._last.number, self._last.camera_ms):
            self.dropped["repeated"] += 1
            return None
        own, other = self.waiting[frame.side], self.waiting[1 - frame.side]
        own.pop(frame.number, None)
        own[frame.number] = frame
        partner = other.get(frame.number)
        if partner is None:
            self._evict(own, len(own) - self.depth)
            return None
        if abs(partner.camera_ms - frame.camera_ms) > SAME_MOMENT_MS:
            self.dropped["mixed"] += 1
            del other[partner.number]
            return None
        for queue in (own, other):  # images come in order: what waits from before will never be matched
            self._evict(queue, list(queue).index(frame.number))
            del queue[frame.number]
        pair = (frame, partner) if frame.side == 0 else (partner, frame)
        self._count_gap(pair[0])
        return pair

    def _evict(self, queue: dict[int, Frame], count: int) -> None:
        """Give up the oldest images of a side."""
        for number in list(queue)[: max(count, 0)]:
            del queue[number]
            self._evicted.add(number)
            self.dropped["unmatched"] += 1

    def _count_gap(self, left: Frame) -> None:
        """Numbers that came on neither side were lost before they reached us."""
        if self._last is not None and 1 < left.number - self._last.number < RESTART:
            missing = set(range(self._last.number + 1, left.number)) - self._evicted
            if missing:
                self.dropped["lost"] += len(missing)
        self._evicted.clear()
        self._last = left
