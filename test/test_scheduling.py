"""The request to Linux for short slices, read back where the kernel shows what it granted."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS 2: run make setup")

from kovis_ros.nodes import scheduling  # noqa: E402


def slice_ns() -> int:
    lines = Path("/proc/thread-self/sched").read_text().splitlines()
    return next((int(line.split()[-1]) for line in lines if line.startswith("se.slice")), 0)


def test_a_thread_and_those_it_starts_get_short_slices_and_others_keep_theirs() -> None:
    if not Path("/proc/thread-self/sched").exists() or not slice_ns():
        pytest.skip("this kernel shows no slices: it is older than 6.12 or was built without CONFIG_SCHED_DEBUG")
    before, seen, niceness = slice_ns(), {}, os.getpriority(os.PRIO_PROCESS, 0) + 1

    def first() -> None:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
        seen["granted"] = scheduling.run_soon(200_000)
        seen["first"], seen["nice"] = slice_ns(), os.getpriority(os.PRIO_PROCESS, 0)
        second = threading.Thread(target=lambda: seen.update(second=slice_ns()))
        second.start()
        second.join()

    thread = threading.Thread(target=first)
    thread.start()
    thread.join()
    assert before != 200_000
    assert seen == {"granted": True, "first": 200_000, "second": 200_000, "nice": niceness}
    assert slice_ns() == before


def test_an_unknown_machine_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling.platform, "machine", lambda: "riscv64")
    assert not scheduling.run_soon()


def test_who_gives_way_is_batch_work_and_so_are_its_threads_but_not_others() -> None:
    seen = []

    def first() -> None:
        scheduling.give_way()
        second = threading.Thread(target=lambda: seen.append(os.sched_getscheduler(0)))
        second.start()
        second.join()

    thread = threading.Thread(target=first)
    thread.start()
    thread.join()
    assert seen == [os.SCHED_BATCH] and os.sched_getscheduler(0) == os.SCHED_OTHER
