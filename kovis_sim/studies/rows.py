"""Rows of a study: one JSON object an index, each kept on disk as soon as it is there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from kovis_ros.method.config import Task
from kovis_ros.method.images import ImageError
from kovis_ros.method.policy import ServoPolicy
from kovis_sim.appearance import Split
from kovis_sim.closed_loop import NO_START
from kovis_sim.path_tracer import PathTracer
from kovis_sim.scene import Scene
from kovis_sim.workers import made

Row = dict[str, Any]  # plain JSON
Job = Callable[[int], Row]  # picklable


class StudyError(RuntimeError):
    """Rows cannot be used; the message names the file and the remedy."""


def collect(
    job: Job, count: int, ledger: Path, settings: Any, workers: int = 0, progress: Callable[[Row], None] | None = None
) -> list[Row]:
    """Rows of indices 0 .. count - 1 in order; those that an interrupted call left in ``ledger`` are not made again.

    settings: plain JSON that the rows depend on. workers 0: one a core; 1: in this process. StudyError when the
    ledger has rows of other settings.
    """
    found = {row["index"]: row for row in begin(ledger, settings)}
    for row in found.values():
        if progress:
            progress(row)
    missing = [index for index in range(count) if index not in found]
    with ledger.open("a") as file:
        for row in made(job, missing, workers):
            file.write(json.dumps(row) + "\n")
            file.flush()
            found[row["index"]] = row
            if progress:
                progress(row)
    return [found[index] for index in range(count)]


def begin(ledger: Path, settings: Any) -> list[Row]:
    """Whole rows of a ledger, which begins with the settings; what a kill cut short is taken off."""
    head = json.dumps({"settings": settings}) + "\n"
    ledger.parent.mkdir(parents=True, exist_ok=True)
    lines = ledger.read_text().splitlines(keepends=True) if ledger.exists() else []
    whole = [line for line in lines if line.endswith("\n")]
    if len(whole) < 2:  # no row yet
        ledger.write_text(head)
        return []
    if whole[0] != head:
        raise StudyError(f"{ledger} has rows of other settings, weights or code: delete it, or give another --work")
    os.truncate(ledger, len("".join(whole).encode()))  # never written anew: a kill would lose all rows
    return [json.loads(line) for line in whole[1:]]


def tried(index: int, make: Callable[[], Row]) -> Row:
    """The row, or one that tells why there is none: no free start or place, or a picture that cannot be used."""
    try:
        return make()
    except (*NO_START, ImageError) as error:
        return Row(index=index, failed=str(error))


def usable(found: Sequence[Row]) -> list[Row]:
    """Rows without those that failed; StudyError when none is left."""
    good = [row for row in found if "failed" not in row]
    if not good:
        raise StudyError(f"none of {len(found)} rows can be used, the first because of: {found[0]['failed']}")
    return good


@lru_cache(maxsize=1)
def scene(task: Task, split: Split, sensor: bool = True, samples: int = 0) -> Scene:
    """The process's scene, set up once; ``samples``: paths a pixel of the path tracer, 0: PyBullet draws."""
    return Scene(task, split=split, sensor=sensor, renderer=PathTracer(samples) if samples else None)


@lru_cache(maxsize=1)
def policy(checkpoint: str) -> ServoPolicy:
    """The process's policy, loaded once."""
    return ServoPolicy.load(checkpoint)
