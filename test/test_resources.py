"""What a process holds and gained."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
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


def life(mb_per_s, seconds=60.0, step_s=5.0):
    """Looks at a process that gains 50 MB in its warm-up."""
    grown = [Holding(WARM_UP_S + at, 100.0 + mb_per_s * at, 9, 20) for at in np.arange(0.0, seconds + 1.0, step_s)]
    return [Holding(0.0, 50.0, 3, 10), *grown]


def test_growth_leaves_the_warm_up_out_and_names_what_leaks():
    looks = [Holding(0.0, 50.0, 3, 10)]
    looks += [Holding(WARM_UP_S + 60.0 * i, 100.0 + 2.0 * i, 9, 20 + 2 * i) for i in range(11)]
    found = growth([looks])
    # 2 MB a minute for ten minutes: 20 MB, where 10 * 1 + 2 may be; files 20, 22 ... 40, of which 30 is the median
    assert found == (600.0, 600.0, pytest.approx(2.0), 120.0, 0, 10)
    assert found.leaks() == "memory +2.0 MB/min, files +10"
    assert found.leaks(fills_mb=121.0) == "files +10"  # a cache that is known to fill
    steady = growth([[each._replace(memory_mb=100.0, files=20) for each in looks]])
    assert steady.leaks() == ""
    assert growth([looks[:2]]) is None and growth([]) is None


def test_a_leak_shows_over_lives_that_are_all_short():
    """0.3 MB a second: 9 MB in the 30 s that a life goes on after its warm-up."""
    found = growth([life(0.3, 30.0)] * 5 + [life(0.0, 0.0)])
    assert (found.seconds, found.longest_s, found.memory_mb_per_min) == (150.0, 30.0, pytest.approx(18.0))
    assert found.leaks() == "memory +18.0 MB/min"


def test_a_life_that_begins_while_a_link_is_made_anew_leaks_no_files():
    late = [each._replace(files=10) if each.at_s < WARM_UP_S + 6.0 else each for each in life(0.0)]
    assert growth([life(0.0), late]).leaks() == ""


def test_what_dds_still_knows_of_the_dead_at_the_end_of_one_life_is_no_leak():
    last = life(0.0)
    last[-1] = last[-1]._replace(files=30)
    assert growth([life(0.0), last, life(0.0)]).leaks() == ""
    assert growth([last]).leaks() == "files +10"


def test_noise_and_a_late_step_are_no_leak(rng):
    noisy = [each._replace(memory_mb=each.memory_mb + rng.normal(0.0, 1.0)) for each in life(0.0, 1800.0)]
    assert growth([noisy]).leaks() == ""
    late = [each._replace(memory_mb=each.memory_mb + 8.0 * (each.at_s > 80.0)) for each in life(0.0)]
    assert growth([life(0.0), late, life(0.0)]).leaks() == ""
    assert growth([life(0.03)]).leaks() == ""  # 1.8 MB in a minute: a life may still gain a little after its warm-up
