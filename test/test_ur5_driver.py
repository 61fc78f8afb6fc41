"""The arm's driver once it is connected: commands, recovery and a lost link, against the simulated controller."""

from __future__ import annotations

import time

import numpy as np
import pytest
from ur_cell import DRIVER, Cell, Client, ask_client


def test_the_e_series_is_driven_by_the_same_driver():
    """5.12 at 500 Hz: the set-up is read back, a twist moves the TCP along it, and its end is a stop."""
    pytest.importorskip("rtde_control", reason="ur_rtde is not installed")
    code = """
        arm = Ur5(Ur5Settings(ip, arm="ur5e", payload_kg=1.0, watchdog_hz=1.0)); arm.connect()
        start, clock = arm.read().tcp, time.monotonic()
        while time.monotonic() < clock + 0.5: arm.speed([0, 0, 0.04, 0, 0, 0], 2.0); time.sleep(0.008)
        speed = arm.read().speed; arm.rest(3.0); time.sleep(0.02)
        say(arm.found, start, speed, arm.read().tcp, arm.read().speed); arm.close(); say("closed")
    """
    with Cell("--arm", "ur5e") as driven:
        client = Client(driven.address, code, DRIVER)
        found, start, speed, end, rest = client.hear()
        assert found == {"controller": "5.12.6", "TCP [m, rotation vector]": "[0.0, 0.0, 0.17, 0.0, 0.0, 0.0]",
                         "payload [kg]": "1.00"}  # fmt: skip
        np.testing.assert_allclose(speed, [0, 0, 0.04, 0, 0, 0], atol=1e-3)
        assert 0.002 < end[2] - start[2] < 0.025 and not any(rest)  # 20 mm where no cycle is late
        np.testing.assert_allclose(end[:2], start[:2], atol=1e-4)
        assert client.hear() == ["closed"] and driven.state()["runtime"] == "STOPPED"


@pytest.mark.slow
def test_watchdog_is_armed_and_armed_again_after_an_upload(driven):
    code = """
        arm = Ur5(Ur5Settings(ip, watchdog_hz=5.0)); arm.connect(); say(str(arm.version)); time.sleep(0.4)
        before = arm.read().trouble(); arm.recover()
        for _ in range(20): arm.kick(); time.sleep(0.02)
        say(before, arm.read().trouble()); time.sleep(1.0); say(arm.read().program_running)
        arm.close(); say("closed")
    """
    client = Client(driven.address, code, DRIVER)
    assert client.hear() == ["3.15.8"]
    assert client.hear() == ["the control program does not run on the controller", ""]
    assert client.hear() == [False]
    assert client.hear() == ["closed"]
    client.process.wait(timeout=5)


def test_commands_do_not_wait_for_acknowledgements(driven):
    """The library leaves the option off: a command would wait for the controller's answer to the one before."""
    code = """
        import socket
        from kovis_ros.drivers import ur_link
        def options():
            links = [link for link in ur_link._own_sockets() if link.getpeername() == (ip, 30004)]
            return [link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for link in links]
        arm = Ur5(Ur5Settings(ip)); arm.connect(); first = options(); arm.recover(); second = options()
        say(first, second); arm.close()
    """
    before, after = ask_client(driven.address, code, DRIVER)
    assert len(before) >= 2 and all(before) and len(after) >= 2 and all(after)


def test_recovery_does_not_carry_out_the_old_command(driven):
    code = """
        arm = Ur5(Ur5Settings(ip, watchdog_hz=1.0)); arm.connect()
        while arm.read().program_running:
            arm.speed([0, 0, 0.03, 0, 0, 0], 1.0); time.sleep(0.008)
            if arm.read().speed[2] > 0.029: say("moving"); break
        while arm.read().program_running: arm.speed([0, 0, 0.03, 0, 0, 0], 1.0); time.sleep(0.008)
        time.sleep(0.2); before = arm.read().tcp; arm.recover(); time.sleep(0.08)
        say(before, arm.read().tcp, arm.read().program_running)
        import os; os._exit(0)
    """
    client = Client(driven.address, code, DRIVER)
    client.hear()
    driven.fault("pendant_stop")
    before, after, running = client.hear()
    assert running
    np.testing.assert_allclose(after, before, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [{"do": "drop", "seconds": None}, {"do": "freeze", "seconds": 20.0}])
def test_a_lost_link_is_an_error_within_the_timeout(fault):
    pytest.importorskip("rtde_control", reason="ur_rtde is not installed")
    code = """
        arm = Ur5(Ur5Settings(ip)); arm.connect(); say("up")
        lost = None
        while lost is None:
            try: arm.read(); arm.kick()
            except LinkLostError as error: lost = str(error)
            time.sleep(0.008)
        say(lost, time.monotonic())
        import os; os._exit(4)
    """
    with Cell() as own:
        client = Client(own.address, code, DRIVER)
        client.hear()
        start = time.monotonic()
        own.fault(**fault)
        lost, at = client.hear()
        assert lost.startswith(f"link to the controller at {own.address} is ") and "check cable and controller" in lost
        assert at - start < 5.0  # a call that was under way may take 4 s of this; the node does not wait for it
        assert client.process.wait(timeout=3) == 4
