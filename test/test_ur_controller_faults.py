"""The simulated controller when it is stopped, frozen, cut off or taken: as documents say that a real one behaves."""

from __future__ import annotations

import os
import signal
import socket
import time

import numpy as np
import pytest
from ur_cell import Cell, Client, ask_client

from kovis_ros.method.kinematics import forward

pytest.importorskip("rtde_control", reason="ur_rtde is not installed: pip install 'kovis_ros[ur]'")


def test_two_threads_commanding_motion_end_the_program(fresh):
    code = """
        c.speedL([0, 0, 0.02, 0, 0, 0], 0.5); time.sleep(0.2)
        p = r.getActualTCPPose()
        say(c.moveL(p, 0.1, 0.5), c.isProgramRunning())
    """
    assert ask_client(fresh.address, code) == [False, False]
    assert "another thread is already controlling" in fresh.state()["log"][-1]
    assert fresh.wait(lambda state: not any(state["qd"]))


@pytest.mark.parametrize("hz", [0, 10], ids=["without watchdog", "watchdog"])
def test_a_killed_client_stops_the_arm_only_through_the_watchdog(fresh, hz):
    code = f"""
        if {hz}: c.setWatchdog({hz})
        c.speedL([0, 0, 0.05, 0, 0, 0], 0.5)
        say("moving")
        while True:
            c.speedL([0, 0, 0.05, 0, 0, 0], 0.5); time.sleep(0.02)
    """
    client = Client(fresh.address, code)
    client.hear()
    time.sleep(0.3)
    assert fresh.speed() == pytest.approx(0.05, abs=2e-3)
    after = fresh.stopped_after(client.kill())
    assert after == float("inf") if not hz else 0.05 < after < 0.25


def test_a_frozen_controller_wakes_up_stopped(fresh):
    code = """
        c.setWatchdog(10)
        say("armed")
        while True:
            c.speedL([0, 0, 0.05, 0, 0, 0], 0.5); time.sleep(0.02)
    """
    client = Client(fresh.address, code)
    client.hear()
    time.sleep(0.3)
    os.kill(fresh.process.pid, signal.SIGSTOP)
    before = fresh.shared.read_arm()
    assert np.linalg.norm(before.qd) > 0.01
    time.sleep(0.5)
    os.kill(fresh.process.pid, signal.SIGCONT)
    state = fresh.wait(lambda now: now["cycle"] > before.cycle)
    assert state["runtime"] == "STOPPED" and "watchdog" in state["log"][-1]
    time.sleep(0.2)
    way = forward(fresh.shared.read_arm().q)[:3, 3] - forward(before.q)[:3, 3]
    assert np.linalg.norm(way) < 0.002  # braking from 50 mm/s at 2 m/s^2 takes 0.6 mm; half a second of it would be 25


def test_watchdog_counts_kicks_and_ends_with_the_program(fresh):
    code = """
        c.setWatchdog(2)
        p = r.getActualTCPPose(); p[2] += 0.03
        c.moveL(p, 0.05, 0.5, True)
        while c.getAsyncOperationProgress() >= 0 or abs(r.getActualTCPPose()[2] - p[2]) > 1e-6:
            c.kickWatchdog(); time.sleep(0.02)
        say(abs(r.getActualTCPPose()[2] - p[2]), c.isProgramRunning())
        time.sleep(1.2)
        say(c.isProgramRunning(), c.speedL([0, 0, 0.02, 0, 0, 0], 0.5))
        c.reuploadScript(); until(c.isProgramRunning); time.sleep(0.3)
        say(c.isProgramRunning())
    """
    client = Client(fresh.address, code)
    error, running = client.hear()
    assert error < 1e-6 and running
    assert client.hear() == [False, False]
    assert client.hear() == [True]  # the new program has no watchdog until it is armed again


def test_protective_stop_pauses_and_refuses_an_early_unlock(fresh):
    code = """
        import dashboard_client
        d = dashboard_client.DashboardClient(ip); d.connect()
        c.speedL([0, 0, 0.05, 0, 0, 0], 0.5); time.sleep(0.3)
        c.triggerProtectiveStop(); until(lambda: not c.isProgramRunning()); until(r.isProtectiveStopped)
        try: d.unlockProtectiveStop(); early = True
        except Exception: early = False
        say(r.isProtectiveStopped(), r.getSafetyMode(), r.getRuntimeState(), early, c.speedL([0] * 6))
        time.sleep(0.4); d.unlockProtectiveStop(); time.sleep(0.1)
        still = r.getActualTCPSpeed()
        d.play(); time.sleep(0.3); say(still, r.getActualTCPSpeed())
    """
    client = Client(fresh.address, code)
    assert client.hear() == [True, 3, 4, False, False]
    still, played = client.hear()
    assert np.linalg.norm(still) == 0.0
    assert played[2] == pytest.approx(0.05, abs=2e-3)  # the trap: "play" resumes the old speed


def test_a_new_upload_carries_out_the_command_left_in_the_register(fresh):
    code = """
        c.speedL([0, 0, 0.03, 0, 0, 0], 0.5); say(1); until(lambda: r.getRuntimeState() == 1); time.sleep(0.2)
        c.reuploadScript(); until(c.isProgramRunning); time.sleep(0.3); say(r.getActualTCPSpeed())
    """
    client = Client(fresh.address, code)
    client.hear()
    time.sleep(0.1)
    fresh.fault("pendant_stop")
    assert client.hear()[0][2] == pytest.approx(0.03, abs=1e-3)  # the trap our driver must not fall into


def test_emergency_stop_needs_power_and_brakes_again(fresh):
    code = """
        say("ready"); until(r.isEmergencyStopped); until(lambda: not c.isProgramRunning())
        say(r.getRobotMode(), r.getSafetyMode(), r.getRuntimeState(), c.speedL([0] * 6))
        until(lambda: r.getRobotMode() == 7); c.reuploadScript(); until(c.isProgramRunning); say(c.isProgramRunning())
    """
    client = Client(fresh.address, code)
    client.hear()
    fresh.fault("emergency_stop")
    assert client.hear() == [3, 7, 1, False]
    fresh.fault("release")
    assert fresh.state()["robot_mode"] == "POWER_OFF"
    fresh.fault("power", value="on")
    assert client.hear() == [True]


def test_contact_force_and_slider_and_pendant(fresh):
    code = """
        c.speedL([0, 0, 0.04, 0, 0, 0], 0.5); time.sleep(0.3); say(r.getActualTCPSpeed()[2])
        until(lambda: r.getTargetSpeedFraction() < 0.6); time.sleep(0.2); say(r.getActualTCPSpeed()[2])
        until(lambda: r.getTargetSpeedFraction() == 0); time.sleep(0.2); say(r.getActualTCPSpeed()[2])
        until(lambda: r.getRuntimeState() == 1); until(lambda: not c.isProgramRunning()); say(False)
        until(lambda: r.getActualTCPForce()[2] != 0); say(r.getActualTCPForce())
        until(r.isProtectiveStopped); say(True)
    """
    client = Client(fresh.address, code)
    assert client.hear()[0] == pytest.approx(0.04, abs=1e-3)
    fresh.fault("slider", value=0.5)
    assert client.hear()[0] == pytest.approx(0.02, abs=1e-3)
    fresh.fault("slider", value=0.0)
    assert client.hear()[0] == 0.0
    fresh.fault("pendant_stop")
    assert client.hear() == [False]
    fresh.shared.report(30.0)
    force = client.hear()[0]
    approach = np.array(fresh.state()["base_T_tcp"])[:3, 2]
    np.testing.assert_allclose(force[:3], -30.0 * approach, atol=1e-6)
    fresh.shared.report(200.0)
    assert client.hear() == [True]
    assert "contact force 200 N above 150 N" in fresh.state()["log"][-1]


def test_registers_in_use_and_local_control(fresh):
    prelude = """
        import json, sys, rtde_control
        def attempt():
            try: rtde_control.RTDEControlInterface(sys.argv[1]); return "connected"
            except Exception as error: return str(error)
        print("@" + json.dumps([attempt()]), flush=True)
    """
    first = Client(fresh.address, "say(1); time.sleep(20)")
    first.hear()
    assert "in use" in ask_client(fresh.address, "", prelude)[0]  # they belong to the first one
    first.kill()
    fresh.fault("claim", value=True)
    assert "in use" in ask_client(fresh.address, "", prelude)[0]
    fresh.fault("claim", value=False)
    assert ask_client(fresh.address, "", prelude) == ["connected"]
    with Cell("--arm", "ur5e", "--local-control") as local:
        assert "remote control" in ask_client(local.address, "", prelude)[0]


def test_dropped_link_is_seen_and_the_port_comes_back(fresh):
    code = """
        say(1); until(lambda: not r.isConnected()); say(2)
        def again():
            try: return r.reconnect()
            except RuntimeError: time.sleep(0.05)
        until(again); say(r.isConnected())
    """
    client = Client(fresh.address, code, Client.PRELUDE.replace("c = rtde", "pass # c = rtde"))
    client.hear()
    fresh.fault("drop", seconds=0.3)
    assert client.hear() == [2]
    with pytest.raises(OSError):
        socket.create_connection((fresh.address, 30004), 0.2)
    assert client.hear() == [True]
