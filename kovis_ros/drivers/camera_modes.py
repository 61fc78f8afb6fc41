"""Modes of a camera: size and rate of its images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from kovis_ros.drivers.camera_errors import CameraError


class Mode(NamedTuple):
    """Pixels and images a second."""

    width: int
    height: int
    rate_hz: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.rate_hz}"


def parse(text: str) -> Mode:
    """A mode written as 848x480x30; CameraError for anything else."""
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise CameraError(f"mode {text!r} is not understood: write width x height x rate, as 848x480x30")
    return Mode(*(int(part) for part in parts))


def listed(modes: Iterable[Mode]) -> str:
    """All modes in one line, the largest first: 848x480 at 30 60 90, 640x480 at 30."""
    rates: dict[tuple[int, int], list[int]] = defaultdict(list)
    for mode in sorted(modes, reverse=True):
        rates[mode.width, mode.height].insert(0, mode.rate_hz)
    return ", ".join(f"{w}x{h} at {' '.join(map(str, values))}" for (w, h), values in rates.items())
