"""What a process holds and gained."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kovis_ros.bringup.resources import WARM_UP_S, Holding, growth, look

GROWS = """
import threading
print("small", flush=True)
input()
kept = [bytearray(b"x" * 30_000_000), open("/dev/null")]
threading.Thread(target=input, daemon=True).start()
print("grown", flush=True)
threading.Event().wait()
"""


def test_a_process_is_seen_with_its_memory_threads_and_files():
    """Of a process of its own: in this one other tests' threads come and go."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", GROWS], text=True, **pipes) as child:
        child.stdout.readline()
        before = look(child.pid, 0.0)
        child.stdin.write("\n")
        child.stdin.flush()
        child.stdout.readline()
        after = look(child.pid, 1.0)
        child.kill()
    assert after.threads == before.threads + 1 and after.files == before.files + 1
    assert after.memory_mb > before.memory_mb + 20.0


def test_an_ended_process_holds_nothing():
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
    assert look(pid, 0.0) is None


def test_growth_leaves_the_warm_up_out_and_names_what_leaks():
    looks = [Holding(0.0, 50.0, 3, 10)]
    looks += [Holding(WARM_UP_S + 60.0 * i, 100.0 + 2.0 * i, 9, 20 + i) for i in range(11)]
    found = growth(looks)
    # 2 MB a minute for ten minutes: 20 MB, 120 MB/h
    assert found.memory_mb == 20.0 and found.memory_mb_per_h == pytest.approx(120.0)
    assert (found.seconds, found.threads, found.files) == (600.0, 0, 10)
    assert found.leaks == "memory +20.0 MB (120 MB/h), files +10"
    steady = growth([each._replace(memory_mb=100.0, files=20) for each in looks])
    assert steady.leaks == ""
    assert growth(looks[:3]) is None
