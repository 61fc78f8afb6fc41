"""The arm's driver: how it connects and what it refuses, against the simulated controller."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from ur_cell import DRIVER, ROOT, Cell, Client, ask_client, new_address

from kovis_ros.drivers import ur5
from kovis_ros.drivers.ur_link import ArmError, Version, dashboard, probe
from kovis_ros.drivers.ur_setup import Ur5Settings, check_model, check_remote, check_tcp


def refusal(driven, settings="", call="connect"):
    code = f"""
        try: Ur5(Ur5Settings(ip, {settings})).{call}(); say("accepted")
        except ArmError as error: say(str(error))
        import os; os._exit(0)
    """
    return ask_client(driven.address, code, DRIVER)[0]


def test_nobody_there_is_said_in_seconds():
    start = time.monotonic()
    address = new_address()
    with pytest.raises(ArmError, match=rf"cannot connect to {address}:29999 .*check robot_ip"):
        probe(address)
    with socket.socket() as silent:  # accepts connections and says nothing
        silent.bind((address, 29999))
        silent.listen()
        with pytest.raises(ArmError, match="does not answer 'stop'"):
            dashboard(address, "stop", timeout_s=0.2)
    with socket.socket() as full:  # a full queue answers nobody, like an address where nothing is
        full.bind((address, 29999))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex((address, 29999))
        with pytest.raises(ArmError, match=rf"no answer from {address}:29999 .*check robot_ip, the network cable"):
            probe(address, timeout_s=0.5)
        for client in waiting:
            client.close()
    assert time.monotonic() - start < 5.0


def test_a_silent_rtde_port_does_not_hang():
    address = new_address()
    servers = [socket.create_server((address, port)) for port in (29999, 30003, 30004)]
    with pytest.raises(ArmError, match="does not speak RTDE"):
        probe(address, timeout_s=0.3)
    for server in servers:
        server.close()


def test_what_does_not_fit_is_refused_with_the_remedy(driven):
    assert "active TCP of the controller is [0.0, 0.0, 0.17" in (text := refusal(driven, "tcp_offset_m=0.16"))
    assert "correct tcp_offset_m" in text
    assert "payload of the controller is 1.00 kg, payload_kg asks for 2.50" in refusal(driven, "payload_kg=2.5")
    driven.fault("claim", value=True)
    assert "registers" in (text := refusal(driven)) and "another ur5 node, ur_robot_driver" in text
    driven.fault("claim", value=False)
    driven.fault("power", value="off")
    assert "robot mode is power off: power the arm on" in refusal(driven)
    driven.fault("power", value="on")
    assert refusal(driven, "payload_kg=1.0") == "accepted"


def test_a_controller_in_local_control_is_named():
    """Before the vendor library is asked, which does not look at every address."""
    pytest.importorskip("rtde_control", reason="ur_rtde is not installed")
    with Cell("--arm", "ur5e", "--local-control") as local:
        assert "is not in remote control: switch it to remote" in refusal(local, "arm='ur5e'", "probe")
        assert "is not in remote control: switch it to remote" in refusal(local, "arm='ur5e'")
        local.fault("remote_control", value=True)
        assert refusal(local, "arm='ur5e'", "probe") == "accepted"


def test_a_controller_that_freezes_while_connecting_ends_the_process_with_a_line():
    """The vendor's constructors would wait for ever, with the interpreter held."""
    pytest.importorskip("rtde_control", reason="ur_rtde is not installed")
    with Cell() as frozen:
        code = f"""
            import os, signal
            from kovis_ros.drivers import ur5
            ur5.CONNECT_LIMIT_S = 1.0
            arm = Ur5(Ur5Settings(ip))
            arm.probe()
            os.kill({frozen.process.pid}, signal.SIGSTOP)
            arm.connect()
        """
        program = textwrap.dedent(DRIVER) + textwrap.dedent(code)
        command = [sys.executable, "-c", program, frozen.address]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert answer.returncode == -signal.SIGKILL, answer
    (line,) = answer.stderr.strip().splitlines()
    assert line.startswith(f"error: the controller at {frozen.address} stopped answering while connecting: look at")


class Vendor:
    """Stands for both of the vendor's modules and their interfaces; notes what is called while nothing limits it."""

    def __init__(self):
        self.limits, self.unlimited = 0, []
        self.RTDEControlInterface = self.RTDEReceiveInterface = self.made
        self.answers = {
            "getTCPOffset": [0, 0, 0.17, 0, 0, 0],
            "setWatchdog": True,
            "getRobotMode": 7,
            "isConnected": True,
        }

    def made(self, *arguments):
        self.called("constructor")
        return SimpleNamespace(**{name: self.call(name) for name in CALLS})

    def call(self, name):
        return lambda *arguments: self.called(name)

    def called(self, name):
        if not self.limits:
            self.unlimited.append(name)
        return self.answers.get(name, 2 if name == "getRuntimeState" else 1)

    @contextmanager
    def limited(self, address, patience_s):
        self.limits += 1
        try:
            yield
        finally:
            self.limits -= 1


CALLS = (
    "getTimestamp", "getActualQ", "getActualQd", "getActualTCPPose", "getActualTCPSpeed", "getActualTCPForce",
    "getRobotMode", "getSafetyMode", "getRuntimeState", "getSpeedScaling", "getTargetSpeedFraction", "getPayload",
    "isConnected", "getTCPOffset", "setWatchdog", "stopScript", "disconnect",
)  # fmt: skip


def test_all_that_may_block_while_connecting_is_limited(monkeypatch):
    """A link that is lost just after the constructors would keep the next calls for minutes."""
    vendor = Vendor()
    monkeypatch.setattr(ur5, "_library", lambda: (vendor, vendor))
    monkeypatch.setattr(ur5, "limited", vendor.limited)
    monkeypatch.setattr(ur5, "send_at_once", lambda address: None)
    arm = ur5.Ur5(Ur5Settings("1.2.3.4"))
    arm.version = Version(3, 15, 8)
    for call in (arm.connect, arm.recover):
        call()
        assert vendor.unlimited == [] and not vendor.limits
    vendor.answers["setWatchdog"] = False
    with pytest.raises(ArmError, match="refused the watchdog"):
        arm.recover()
    assert vendor.unlimited == []


def test_a_dashboard_that_knows_no_remote_control_is_let_be():
    check_remote("1.2.3.4", "could not understand: is in remote control")  # before 5.6
    with pytest.raises(ArmError, match=r"1.2.3.4 is not in remote control"):
        check_remote("1.2.3.4", "False")


@pytest.mark.parametrize(
    ("version", "arm", "model", "text"),
    [
        ((3, 15, 8), "ur5", "UR5", ""),
        ((5, 12, 6), "ur5e", "UR5", ""),
        ((5, 12, 6), "ur5e", "UR5e", ""),
        ((3, 4, 0), "ur5", "could not understand: get robot model", ""),  # an old dashboard
        ((5, 12, 6), "", "UR10", ""),  # not asked for
        (
            (5, 12, 6),
            "ur5",
            "UR5",
            r"has version 5.12.6 \(e-Series\), and arm is ur5 \(CB3\): correct the parameter arm",
        ),
        ((3, 15, 8), "ur5e", "UR5", r"has version 3.15.8 \(CB3\), and arm is ur5e \(e-Series\)"),
        ((3, 15, 8), "ur5", "UR10", "drives a UR10, and arm is ur5: correct the parameter arm or robot_ip"),
        ((5, 12, 6), "ur5e", "UR16", "drives a UR16, and arm is ur5e"),
    ],
)
def test_another_arm_than_expected_is_named(version, arm, model, text):
    settings = Ur5Settings("1.2.3.4", arm=arm)
    if not text:
        check_model(settings, Version(*version), model)
        return
    with pytest.raises(ArmError, match=text):
        check_model(settings, Version(*version), model)


def test_a_tcp_that_was_not_told_is_no_tcp():
    with pytest.raises(ArmError, match=r"1.2.3.4 did not tell its TCP: look at the pendant"):
        check_tcp(Ur5Settings("1.2.3.4"), [])


@pytest.mark.parametrize(("firmware", "found"), [("3.3.4", "3.3.4"), ("5.3.1", "5.3.1"), ("10.7.0", "10.7.0")])
def test_controllers_that_the_library_cannot_drive_are_refused(firmware, found):
    with Cell("--firmware", firmware) as old, pytest.raises(ArmError, match=f"has version {found}: 3.4 or newer"):
        probe(old.address)


def test_a_controller_that_does_not_tell_its_payload_is_used_all_the_same():
    pytest.importorskip("rtde_control", reason="ur_rtde is not installed")
    code = """
        arm = Ur5(Ur5Settings(ip, arm="ur5", payload_kg=5.0)); arm.connect(); say(arm.read().trouble(), arm.found)
        import os; os._exit(0)
    """
    with Cell("--firmware", "3.8.0") as old:
        trouble, found = ask_client(old.address, code, DRIVER)
    assert trouble == "" and found["payload [kg]"] == "not told by this version" and found["controller"] == "3.8.0"


def test_a_refused_set_up_leaves_no_program_behind(driven):
    code = """
        try: Ur5(Ur5Settings(ip, tcp_offset_m=0.1)).connect()
        except ArmError as error: say(str(error))
        time.sleep(20)
    """
    client = Client(driven.address, code, DRIVER)
    assert "correct tcp_offset_m" in client.hear()[0]
    driven.wait(lambda state: state["runtime"] == "STOPPED", 2.0)
    client.kill()


def test_a_tcp_that_was_changed_is_refused_after_a_stop():
    pytest.importorskip("rtde_control", reason="ur_rtde is not installed")
    code = """
        arm = Ur5(Ur5Settings(ip, watchdog_hz=0.1)); arm.connect(); arm._call("setTcp", [0, 0, 0.2, 0, 0, 0])
        try: arm.recover(); say("recovered")
        except ArmError as error: say(str(error))
        time.sleep(20)
    """
    with Cell() as own:
        client = Client(own.address, code, DRIVER)
        assert "active TCP of the controller is [0.0, 0.0, 0.2" in client.hear()[0]
        own.wait(lambda state: state["runtime"] == "STOPPED", 2.0)  # it has no watchdog: it must not run on
        client.kill()


def test_a_second_driver_is_told_who_holds_the_registers(driven):
    code = """
        arm = Ur5(Ur5Settings(ip, watchdog_hz=0.1)); arm.connect(); say("up")
        while True: arm.read(); arm.kick(); time.sleep(0.008)
    """
    client = Client(driven.address, code, DRIVER)
    client.hear()
    assert "are in use: stop who holds them, likely another ur5 node" in refusal(driven)
    assert driven.state()["runtime"] == "PLAYING"  # the first one was not disturbed
    client.kill()


def test_missing_library_gives_the_install_line():
    code = textwrap.dedent("""
        import sys
        sys.modules["rtde_control"] = None
        from kovis_ros.drivers.ur5 import Ur5
        from kovis_ros.drivers.ur_setup import Ur5Settings
        Ur5(Ur5Settings("127.0.0.1")).connect()
    """)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert "rtde_control is not installed: pip install 'kovis_ros[ur]'" in done.stderr
