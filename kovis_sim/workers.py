"""Several processes at one list of jobs. They end with their parent, also when it was killed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from typing import TypeVar

import cv2

Result = TypeVar("Result")
NICE = 5  # hours of work must not get in the way of who sits at the machine


def made(job: Callable[[int], Result], indices: Sequence[int], workers: int) -> Iterator[Result]:
    """What ``job`` (picklable) makes of each index, in the order in which it is ready.

    workers 0: one a core; 1: in this process.
    """
    if workers == 1:
        yield from map(job, indices)
        return
    count = min(workers or os.cpu_count() or 1, max(len(indices), 1))
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_begin) as pool:
        jobs = [pool.submit(job, index) for index in indices]
        try:
            for ready in as_completed(jobs):
                yield ready.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """One thread a worker, behind everything else; it ends when its parent has been killed."""
    cv2.setNumThreads(1)
    os.nice(NICE)
    parent = parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
