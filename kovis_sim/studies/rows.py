"""Rows of a study: one JSON object an index, made by several processes, each kept on disk as soon as it is there."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import cv2

from kovis_ros.method.config import Task
from kovis_ros.method.policy import ServoPolicy
from kovis_sim.appearance import Split
from kovis_sim.scene import Scene

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
    if not ledger.exists() or "\n" not in ledger.read_text():
        ledger.write_text(head)
        return []
    lines = ledger.read_text().splitlines(keepends=True)
    if lines[0] != head:
        raise StudyError(f"{ledger} has rows of other settings or weights: delete it, or give another --work")
    whole = lines if lines[-1].endswith("\n") else lines[:-1]
    os.truncate(ledger, len("".join(whole).encode()))  # never written anew: a kill would lose all rows
    return [json.loads(line) for line in whole[1:]]


def made(job: Job, indices: Sequence[int], workers: int) -> Iterator[Row]:
    """Rows in the order in which they are ready."""
    if workers == 1:
        yield from map(job, indices)
        return
    count = min(workers or os.cpu_count() or 1, max(len(indices), 1))
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_begin_worker) as pool:
        jobs = [pool.submit(job, index) for index in indices]
        try:
            for ready in as_completed(jobs):
                yield ready.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """One thread a worker; a worker ends when its parent has been killed."""
    cv2.setNumThreads(1)
    parent = parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@lru_cache(maxsize=1)
def scene(task: Task, split: Split, sensor: bool = True) -> Scene:
    """The process's scene, set up once."""
    return Scene(task, split=split, sensor=sensor)


@lru_cache(maxsize=1)
def policy(checkpoint: str) -> ServoPolicy:
    """The process's policy, loaded once."""
    return ServoPolicy.load(checkpoint)
