"""What a running process holds: memory, threads and open files, from /proc (Linux)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

WARM_UP_S = 30.0  # caches fill and libraries load in this time
LEAK_MB_PER_MIN, LATE_MB = 1.0, 2.0  # memory that grows by more, beyond what a life may still gain after its warm-up
LEAK_THREADS, LEAK_FILES = 2, 8
FILLS_MB = {"sim": 620.0}  # of looks that it has worn: 600 trials took it from 382 to 569 MB, 12 700 roll-outs to 579


class Holding(NamedTuple):
    """One look at a process."""

    at_s: float
    memory_mb: float  # resident
    threads: int
    files: int


class Growth(NamedTuple):
    """What the lives of one process gained after their warm-up."""

    seconds: float  # altogether
    longest_s: float  # of one life
    memory_mb_per_min: float
    highest_mb: float
    threads: int  # at the end of its lives, less what is usual: medians, of last looks and of all
    files: int

    def leaks(self, fills_mb: float = 0.0) -> str:
        """What leaks, in words; empty if nothing does. Memory may grow as it likes up to ``fills_mb``."""
        words, minutes = [], self.longest_s / 60.0
        most_mb = LEAK_MB_PER_MIN * minutes + LATE_MB
        if self.memory_mb_per_min * minutes > most_mb and self.highest_mb > fills_mb:
            words.append(f"memory {self.memory_mb_per_min:+.1f} MB/min")
        if self.threads > LEAK_THREADS:
            words.append(f"threads {self.threads:+d}")
        if self.files > LEAK_FILES:
            words.append(f"files {self.files:+d}")
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


def growth(lives: Sequence[Sequence[Holding]]) -> Growth | None:
    """Of a process, from the looks at each of its lives; None when none was seen twice after its warm-up.

    The slope of the memory is robust (Theil's incomplete method): the median, over all lives, of the slopes between
    looks that are half a life apart. A single step up moves it little, and a process that is killed every minute is
    judged by all of its minutes.
    """
    settled = [found for life in lives if len(found := after_warm_up(life)) > 1]
    if not settled:
        return None
    lengths = [life[-1].at_s - life[0].at_s for life in settled]
    slope = 60.0 * float(np.median([each for life in settled for each in slopes(life)]))
    looks = [each for life in settled for each in life]
    ends = [life[-1] for life in settled]
    threads, files = (
        round(np.median([getattr(each, name) for each in ends]) - np.median([getattr(each, name) for each in looks]))
        for name in ("threads", "files")
    )
    return Growth(sum(lengths), max(lengths), slope, max(each.memory_mb for each in looks), threads, files)


def after_warm_up(life: Sequence[Holding]) -> list[Holding]:
    """The looks at a process after its warm-up."""
    return [each for each in life if each.at_s - life[0].at_s >= WARM_UP_S]


def slopes(life: Sequence[Holding]) -> list[float]:
    """MB/s between looks that are half of a life apart; at least two looks."""
    half = len(life) // 2
    pairs = zip(life[:-half], life[half:], strict=True)
    return [(late.memory_mb - early.memory_mb) / (late.at_s - early.at_s) for early, late in pairs]
