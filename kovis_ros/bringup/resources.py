"""What a running process holds: memory, threads and open files, from /proc (Linux)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

WARM_UP_S = 30.0  # caches fill and libraries load in this time
LEAK_MB, LEAK_MB_PER_H = 10.0, 60.0  # memory that grew by more than both leaks
LEAK_THREADS, LEAK_FILES = 2, 8


class Holding(NamedTuple):
    """One look at a process."""

    at_s: float
    memory_mb: float  # resident
    threads: int
    files: int


class Growth(NamedTuple):
    """What one process gained between warm-up and its last look."""

    seconds: float
    memory_mb: float
    memory_mb_per_h: float  # slope of a straight line through all looks
    threads: int
    files: int

    @property
    def leaks(self) -> str:
        """What leaks, in words; empty if nothing does."""
        words = []
        if self.memory_mb > LEAK_MB and self.memory_mb_per_h > LEAK_MB_PER_H:
            words.append(f"memory +{self.memory_mb:.1f} MB ({self.memory_mb_per_h:.0f} MB/h)")
        if self.threads > LEAK_THREADS:
            words.append(f"threads +{self.threads}")
        if self.files > LEAK_FILES:
            words.append(f"files +{self.files}")
        return ", ".join(words)


def look(pid: int, at_s: float) -> Holding | None:
    """What the process holds now, None if it has ended."""
    folder = Path("/proc") / str(pid)
    try:
        fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
        files = sum(1 for _ in (folder / "fd").iterdir())
    except OSError:
        return None
    if "VmRSS" not in fields:  # it has ended and was not waited for yet
        return None
    return Holding(at_s, int(fields["VmRSS"].split()[0]) / 1024.0, int(fields["Threads"]), files)


def growth(looks: Sequence[Holding]) -> Growth | None:
    """Of one process; None when it did not live through its warm-up."""
    settled = [each for each in looks if each.at_s - looks[0].at_s >= WARM_UP_S]
    if len(settled) < 3:
        return None
    first, last = settled[0], settled[-1]
    hours = (np.array([each.at_s for each in settled]) - first.at_s) / 3600.0
    slope = float(np.polyfit(hours, [each.memory_mb for each in settled], 1)[0])
    seconds, memory = last.at_s - first.at_s, last.memory_mb - first.memory_mb
    return Growth(seconds, memory, slope, last.threads - first.threads, last.files - first.files)
