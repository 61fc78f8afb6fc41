"""What is measured at the simulated controller, on made-up series and on a real one."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import pytest
from ur_cell import Cell

from kovis_sim.breaker import FAULTS, Breaker
from kovis_sim.ur_controller.side_channel import SideChannel, SideChannelError, late_share, measure, standstill

STEP = 0.008


def series(speeds):
    return [(10.0 + STEP * i, v, 0.0) for i, v in enumerate(speeds)]


def test_zero_is_after_the_last_cycle_that_moved():
    # moves in cycles 0..4, the moment is between 1 and 2: zero from cycle 5, at 40 ms, 30 ms after the moment
    stop = measure(series([0.02] * 5 + [0.0] * 20), 10.010)
    assert stop.zero_s == pytest.approx(0.030) and stop.top_mps == 0.02
    assert stop.watched_s == pytest.approx(24 * STEP - 0.010)


def test_an_arm_that_moves_again_or_to_the_end_is_told():
    again = measure(series([0.02] * 5 + [0.0] * 20 + [0.001] + [0.0] * 3), 10.0)
    assert again.zero_s == pytest.approx(26 * STEP)
    assert measure(series([0.02] * 30), 10.0).zero_s == float("inf")
    assert measure([], 10.0).zero_s == float("inf")
    assert measure([(10.0, 0.0, 0.2), (10.1, 0.0, 0.0)], 10.0).zero_s == pytest.approx(STEP)  # turning is motion


def test_motion_after_a_rest_is_told_from_a_slow_stop():
    # 24 cycles of rest are 0.192 s, 27 are 0.216 s; the time before the first motion counts as well
    assert not measure(series([0.02] * 5 + [0.0] * 24 + [0.01] * 3 + [0.0] * 3), 10.0).again
    assert measure(series([0.02] * 5 + [0.0] * 27 + [0.01] * 3 + [0.0] * 3), 10.0).again
    assert measure(series([0.0] * 30 + [0.01]), 10.0).again and not measure(series([0.02] * 90), 10.0).again
    stalled = [(10.0, 0.02, 0.0), (10.5, 0.02, 0.0)]  # the controller had no turn: nobody saw a rest
    assert not measure(stalled, 10.0).again


def test_standstill_is_where_the_joints_stay():
    def series(angles):
        return [(10.0 + STEP * i, 0.5, angle, 0.1, 0.1, 0.1, 0.1) for i, angle in enumerate(angles)]

    # the second joint ends at 1 rad and is within 0.2 mrad of it from cycle 4, 32 ms, on: 22 ms after the moment
    stopping = [0.9, 0.95, 0.99, 0.9997, 0.9999, 1.0, 1.0, 1.0]
    assert standstill(series(stopping), 10.010) == pytest.approx(0.022)
    assert standstill(series([1.0] * 5), 10.0) == 0.0
    assert standstill(series([0.01 * i for i in range(100)]), 10.0) > 0.7  # to the end
    assert standstill(series([1.0] * 5), 11.0) == float("inf") and standstill([], 10.0) == float("inf")


def test_share_of_late_periods():
    # periods of 8, 8, 13 and 8 ms: one of four is more than 4 ms late
    assert late_share([0.0, 0.008, 0.016, 0.029, 0.037], 0.008, 0.004) == 0.25
    assert late_share([1.0], 0.008, 0.004) == 0.0


def test_channel_and_breaker_reach_a_real_controller():
    sent = []
    with Cell("--unlock-after", "0.0") as cell:
        channel = SideChannel(cell.address)
        breaker = Breaker(channel, lambda names, number: sent.append((names, number)), sent.append)
        by_name = {fault.name: fault for fault in FAULTS}
        assert channel.speed() == 0.0 and channel.commands(1.0) == []
        moment = breaker.inject(by_name["protective stop"])
        assert channel.ask("state")["safety_mode"] == "PROTECTIVE_STOP"
        breaker.heal(by_name["protective stop"])
        assert channel.ask("state")["safety_mode"] == "NORMAL"
        breaker.inject(by_name["speed slider to 0"])
        breaker.heal(by_name["speed slider to 0"])
        assert channel.ask("state")["slider"] == 1.0
        time.sleep(0.1)
        assert channel.stop_after(moment).zero_s == channel.still_after(moment) == 0.0
        breaker.inject(by_name["all nodes killed at once"])
        breaker.inject(by_name["camera black"])
        breaker.heal(by_name["camera black"])
        assert sent == [(("sim", "keypoint", "servo", "ur5"), 9), "black", "none"]
        with pytest.raises(SideChannelError, match="refused .*known actions"):
            channel.ask("dance")
    with pytest.raises(SideChannelError, match="does not answer"):
        channel.ask("state")


def test_a_silent_controller_does_not_spin_on_a_client_that_calls():
    def sleeps(pid):
        status = Path(f"/proc/{pid}/status").read_text()
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)[1])

    with Cell() as cell:
        cell.fault("freeze", seconds=5.0)
        with socket.create_connection((cell.address, 29999)):
            before = sleeps(cell.process.pid)
            time.sleep(1.0)
            assert sleeps(cell.process.pid) - before > 50  # one that spins never gives up its core
