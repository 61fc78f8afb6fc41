"""The arm's driver: its loop against a pretended arm, its connection against the simulated controller."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from ur_cell import ROOT, Cell, Client, ask_client, new_address

from kovis_ros.drivers.arm import Reading
from kovis_ros.drivers.arm_limits import Limits
from kovis_ros.drivers.arm_loop import ArmLoop, Mode
from kovis_ros.drivers.relative_move import Outcome, RelativeMove
from kovis_ros.drivers.robotiq import GripperError, Robotiq
from kovis_ros.drivers.ur_link import ArmError, Version, dashboard, probe
from kovis_ros.drivers.ur_setup import Ur5Settings, check_model, check_tcp
from kovis_ros.method import geometry

PERIOD = 0.008
LIMITS = Limits(quiet_s=0.3, recovery_s=0.5)


class PretendedArm:
    """Integrates the commanded twist at once; notes the calls."""

    def __init__(self):
        self.pose = geometry.pose((-0.5, 0.1, 0.3), geometry.rotation((np.pi, 0.0, 0.0)))  # tool0 z down, y to -y
        self.twist = np.zeros(6)
        self.robot_mode, self.safety_mode, self.runtime, self.scaling = 7, 1, 2, 1.0
        self.force = np.zeros(6)
        self.calls = []

    def read(self):
        step = PERIOD * self.twist * self.scaling
        self.pose = geometry.pose(self.pose[:3, 3] + step[:3], geometry.rotation(step[3:]) @ self.pose[:3, :3])
        tcp = [*self.pose[:3, 3], *geometry.rotvec(self.pose[:3, :3])]
        return Reading(0.0, [0.0] * 6, [0.0] * 6, tcp, self.twist.tolist(), self.force.tolist(), self.robot_mode,
                       self.safety_mode, self.runtime, self.scaling)  # fmt: skip

    def speed(self, twist, acceleration_mps2):
        self.calls.append("speed")
        self.twist = np.asarray(twist, float)

    def rest(self, deceleration_mps2):
        self.calls.append("rest")
        self.twist = np.zeros(6)

    def kick(self):
        self.calls.append("kick")

    def end_program(self):
        self.calls.append("end_program")
        self.runtime = 1
        return "Stopped"

    def recover(self):
        self.calls.append("recover")
        self.runtime = 2


class Stage:
    """A loop, its arm, and a clock that only `run` moves."""

    def __init__(self):
        self.arm, self.now = PretendedArm(), 100.0
        self.loop = ArmLoop(self.arm, LIMITS)
        self.run(LIMITS.quiet_s + 2 * PERIOD)  # held until then

    def run(self, seconds, twist=None):
        """Tick for so long; with a twist, a setpoint every 20 ms."""
        sent = -1.0
        for _ in range(round(seconds / PERIOD)):
            if twist is not None and self.now - sent >= 0.02:
                self.loop.follow(twist, self.now)
                sent = self.now
            self.loop.tick(self.now)
            self.now += PERIOD


@pytest.fixture
def stage():
    return Stage()


def test_a_twist_of_the_tool_is_turned_into_base(stage):
    # tool0 is turned by pi about x: its x is base's x, its y and z are base's -y and -z
    stage.run(0.1, [0.01, 0.02, 0.03, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(stage.arm.twist[3:], [0.1, -0.1, -0.1], atol=0.02)
    np.testing.assert_allclose(stage.arm.twist[:3], [0.01, -0.02, -0.03], atol=0.001)


def test_twists_that_were_there_before_the_loop_move_nothing_until_they_pause():
    """A restarted node must not carry on where the one before it was lost."""
    stage = Stage()
    stage.loop = ArmLoop(stage.arm, LIMITS)
    stage.arm.calls.clear()
    stage.run(1.0, [0, 0, 0.02, 0, 0, 0])
    assert set(stage.arm.calls) == {"kick"} and "has just started: pause the twists" in stage.loop.trouble
    stage.run(0.4)
    assert not stage.loop.trouble
    stage.run(0.1, [0, 0, 0.02, 0, 0, 0])
    assert stage.arm.twist.any()


def test_a_sender_that_was_found_late_moves_nothing_until_it_pauses(stage):
    """The time until DDS finds a sender of twists is no pause of the twists."""
    assert not stage.loop.trouble
    stage.loop.meet()
    stage.arm.calls.clear()
    stage.run(1.0, [0, 0, 0.02, 0, 0, 0])
    assert set(stage.arm.calls) == {"kick"} and "has just been found: pause the twists" in stage.loop.trouble
    stage.run(0.4)
    stage.run(0.1, [0, 0, 0.02, 0, 0, 0])
    assert stage.arm.twist.any()
    stage.loop.meet()  # one more sender does not stop a motion that another commands
    stage.run(0.1, [0, 0, 0.02, 0, 0, 0])
    assert stage.arm.twist.any() and not stage.loop.trouble


def test_without_setpoints_the_arm_rests_within_the_timeout(stage):
    stage.run(0.1, [0.0, 0.0, 0.02, 0, 0, 0])
    assert stage.loop.mode == Mode.FOLLOWING and stage.arm.twist.any()
    stage.run(LIMITS.setpoint_timeout_s + 2 * PERIOD)
    assert stage.loop.mode == Mode.STANDING and not stage.arm.twist.any()
    assert stage.loop.counts["timeouts"] == 1
    stage.arm.calls.clear()
    stage.run(1.0)
    assert set(stage.arm.calls) == {"kick"}  # the watchdog is fed, nothing else is said


def test_a_kick_never_follows_a_speed_directly(stage):
    for _ in range(3):
        stage.run(0.05, [0, 0, 0.02, 0, 0, 0])
        stage.run(0.3)
    calls = stage.arm.calls
    assert "kick" in calls and "speed" in calls
    assert not any(pair == ("speed", "kick") for pair in zip(calls[:-1], calls[1:], strict=True))


def test_twists_are_shrunk_with_their_direction_kept(stage):
    wanted = np.array([0.3, 0.0, 0.4, 0.0, 0.0, 0.6])
    got = stage.loop.follow(wanted, stage.now)
    np.testing.assert_allclose(np.linalg.norm(got[:3]), LIMITS.linear_mps)  # 0.5 m/s to 0.05: everything a tenth
    np.testing.assert_allclose(got, wanted / 10)
    np.testing.assert_allclose(stage.loop.follow([0, 0, 0, 0, 0, 3.0], stage.now), [0, 0, 0, 0, 0, 0.3])
    assert stage.loop.counts["clamped"] == 2
    for bad in ([np.nan] * 6, [0.0] * 3, [0, 0, np.inf, 0, 0, 0]):
        with pytest.raises(ValueError, match="not six finite numbers"):
            stage.loop.follow(bad, stage.now)


def test_nothing_moves_by_itself_after_a_protective_stop(stage):
    twist = [0, 0, 0.02, 0, 0, 0]
    stage.run(0.2, twist)
    stage.arm.safety_mode, stage.arm.runtime = 3, 4
    stage.arm.twist = np.zeros(6)
    stage.arm.calls.clear()
    stage.run(1.0, twist)
    assert stage.arm.calls == ["end_program"]  # so that "play" cannot resume the old speed
    assert "protective stop" in stage.loop.trouble
    stage.arm.safety_mode = 1  # a person unlocked it
    stage.run(1.0, twist)
    assert stage.arm.calls.count("recover") == 1 and "speed" not in stage.arm.calls
    assert stage.loop.trouble  # held: the twists never paused
    stage.run(0.5, [0.0] * 6)
    assert not stage.loop.trouble
    stage.run(0.1, twist)
    assert stage.arm.twist.any()


def test_recovery_is_tried_a_few_times_only(stage):
    def fails():
        stage.arm.calls.append("recover")
        raise ArmError("the control program did not start")

    stage.arm.recover = fails
    stage.arm.runtime = 1
    stage.run(10.0)
    assert stage.arm.calls.count("recover") == 5
    assert "did not start" in stage.loop.held


def test_program_that_comes_back_by_itself_is_brought_to_rest(stage):
    stage.run(0.2, [0, 0, 0.02, 0, 0, 0])
    stage.arm.runtime = 4
    stage.arm.end_program = lambda: (_ for _ in ()).throw(ArmError("dashboard does not answer"))
    stage.run(0.1)
    stage.arm.runtime, stage.arm.twist = 2, np.array([0, 0, 0.02, 0, 0, 0])
    stage.run(2 * PERIOD)
    assert not stage.arm.twist.any() and "rest" in stage.arm.calls


def test_stop_holds_until_the_twists_pause(stage):
    twist = [0, 0, 0.02, 0, 0, 0]
    stage.run(0.2, twist)
    stage.loop.halt("stopped by a person")
    stage.run(1.0, twist)
    assert not stage.arm.twist.any() and stage.loop.trouble == "stopped by a person"
    stage.run(0.4)
    stage.run(0.1, twist)
    assert stage.arm.twist.any()


def test_slider_at_zero_is_said(stage):
    stage.arm.scaling = 0.0
    stage.run(0.1)
    assert "speed slider is at 0" in stage.loop.trouble


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ([0, 0, 1, 0, 0, 0], [0, 0, 0.04, 0, 0, 0]),
        ([3, 4, 0, 0, 0, 0], [0.024, 0.032, 0, 0, 0, 0]),
        ([0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0.2]),  # 0.04 m at 0.2 m/rad
        # a screw: (0.6, 0.8 / 0.2 rad/m) of a unit path
        ([0, 0, 0.6, 0, 0, 4.0], [0, 0, 0.024, 0, 0, 0.16]),
    ],
)
def test_relative_move_goes_where_it_should(stage, direction, expected):
    start = stage.arm.pose
    move = RelativeMove(direction, 0.04, 0.05, 10.0)
    stage.loop.move(move, stage.now)
    stage.run(3.0)
    assert move.outcome == Outcome.NOTHING and move.message == ""
    np.testing.assert_allclose(geometry.log(geometry.inverse(start) @ stage.arm.pose), expected, atol=6e-4)
    assert move.travelled_m == pytest.approx(0.04, abs=2e-4)
    assert stage.arm.calls[-1] == "kick" and not stage.arm.twist.any()


def test_relative_move_faster_than_allowed_is_slowed_and_still_arrives(stage):
    """0.3 m at 1 m/s would be late after 3.6 s; at the limit of 0.05 m/s it takes 6."""
    move = RelativeMove([0, 0, 1, 0, 0, 0], 0.3, 1.0, 0.0)
    stage.loop.move(move, stage.now)
    stage.run(8.0)
    assert move.outcome == Outcome.NOTHING and move.speed_mps == pytest.approx(LIMITS.linear_mps)
    assert stage.loop.counts["clamped"] == 1


def test_relative_move_stops_at_a_change_of_force(stage):
    stage.arm.force[:3] = [0, 0, 12.0]  # what the sensor reads before the move counts as nothing
    move = RelativeMove([0, 0, 1, 0, 0, 0], 0.05, 0.05, 10.0)
    stage.loop.move(move, stage.now)
    stage.run(0.4)
    assert move.outcome is None
    stage.arm.force[:3] = [0, 0, 25.0]
    stage.run(3 * PERIOD)
    assert move.outcome == Outcome.FORCE and not stage.arm.twist.any()
    assert "13.0 N reached the limit of 10.0 N" in move.message
    assert 0.0 < move.travelled_m < 0.03


def test_relative_move_ends_by_cancel_fault_and_timeout(stage):
    for end, outcome in (
        (lambda: stage.loop.cancel(), Outcome.CANCELLED),
        (lambda: stage.loop.halt("stopped"), Outcome.CANCELLED),
        (lambda: setattr(stage.arm, "runtime", 1), Outcome.ROBOT),
    ):
        move = RelativeMove([0, 0, 1, 0, 0, 0], 0.05, 0.05, 0.0)
        stage.loop.move(move, stage.now)
        stage.run(0.2)
        end()
        stage.run(0.1)
        assert move.outcome == outcome
        stage.run(2.0)
        assert not stage.arm.twist.any()
    move = RelativeMove([0, 0, 1, 0, 0, 0], 0.05, 0.05, 0.0)
    stage.loop.move(move, stage.now)
    stage.arm.scaling = 0.01
    stage.run(6.0)
    assert move.outcome == Outcome.TIMEOUT and "still to go" in move.message


def test_relative_move_is_refused_while_the_arm_is_not_free(stage):
    def ask():
        stage.loop.move(RelativeMove([0, 0, 1, 0, 0, 0], 0.05, 0.05, 0.0), stage.now)

    stage.run(0.1, [0, 0, 0.02, 0, 0, 0])
    with pytest.raises(ArmError, match="the arm follows twists"):
        ask()
    stage.run(0.3, [0.0] * 6)
    ask()
    with pytest.raises(ArmError, match="another relative move"):
        ask()
    assert not stage.loop.follow([0, 0, 0.02, 0, 0, 0], stage.now).any()  # twists do not mix with a move
    stage.run(3.0)
    stage.arm.safety_mode = 3
    stage.run(0.1)
    with pytest.raises(ArmError, match="not ready: protective stop"):
        ask()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([0] * 6, 0.1, 0.1, 0.0), "direction .* has no finite length"),
        (([0, 0, 1, 0, 0, 0], 0.0, 0.1, 0.0), "distance is 0.0"),
        (([0, 0, 1, 0, 0, 0], 0.1, np.nan, 0.0), "speed is nan"),
        (([0, 0, 1, 0, 0, 0], 0.1, 0.1, -1.0), "force_limit is -1.0"),
    ],
)
def test_bad_relative_moves_are_named(arguments, text):
    with pytest.raises(ValueError, match=text):
        RelativeMove(*arguments)


# against the simulated controller


DRIVER = """
    import json, sys, time
    from kovis_ros.drivers.ur5 import Ur5
    from kovis_ros.drivers.ur_link import ArmError, LinkLostError
    from kovis_ros.drivers.ur_setup import Ur5Settings
    def say(*values): print("@" + json.dumps(values), flush=True)
    ip = sys.argv[1]
"""


@pytest.fixture(scope="module")
def cell():
    pytest.importorskip("rtde_control", reason="ur_rtde is not installed: pip install 'kovis_ros[ur]'")
    with Cell("--unlock-after", "0.2") as running:
        yield running
        for client in list(Client.running):
            client.kill()


def refusal(cell, settings=""):
    code = f"""
        try: Ur5(Ur5Settings(ip, {settings})).connect(); say("connected")
        except ArmError as error: say(str(error))
        import os; os._exit(0)
    """
    return ask_client(cell.address, code, DRIVER)[0]


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


def test_what_does_not_fit_is_refused_with_the_remedy(cell):
    assert "active TCP of the controller is [0.0, 0.0, 0.17" in (text := refusal(cell, "tcp_offset_m=0.16"))
    assert "correct tcp_offset_m" in text
    assert "payload of the controller is 1.00 kg, payload_kg asks for 2.50" in refusal(cell, "payload_kg=2.5")
    cell.fault("claim", value=True)
    assert "registers" in (text := refusal(cell)) and "another ur5 node, ur_robot_driver" in text
    cell.fault("claim", value=False)
    cell.fault("power", value="off")
    assert "robot mode is power off: power the arm on" in refusal(cell)
    cell.fault("power", value="on")
    assert refusal(cell, "payload_kg=1.0") == "connected"


def test_a_controller_in_local_control_is_named():
    pytest.importorskip("rtde_control", reason="ur_rtde is not installed")
    with Cell("--arm", "ur5e", "--local-control") as local:
        assert "is not in remote control: switch it to remote" in refusal(local, "arm='ur5e'")


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
    with Cell("--arm", "ur5e") as cell:
        client = Client(cell.address, code, DRIVER)
        found, start, speed, end, rest = client.hear()
        assert found == {"controller": "5.12.6", "TCP [m, rotation vector]": "[0.0, 0.0, 0.17, 0.0, 0.0, 0.0]",
                         "payload [kg]": "1.00"}  # fmt: skip
        np.testing.assert_allclose(speed, [0, 0, 0.04, 0, 0, 0], atol=1e-3)
        assert 0.002 < end[2] - start[2] < 0.025 and not any(rest)  # 20 mm where no cycle is late
        np.testing.assert_allclose(end[:2], start[:2], atol=1e-4)
        assert client.hear() == ["closed"] and cell.state()["runtime"] == "STOPPED"


def test_a_refused_set_up_leaves_no_program_behind(cell):
    code = """
        try: Ur5(Ur5Settings(ip, tcp_offset_m=0.1)).connect()
        except ArmError as error: say(str(error))
        time.sleep(20)
    """
    client = Client(cell.address, code, DRIVER)
    assert "correct tcp_offset_m" in client.hear()[0]
    cell.wait(lambda state: state["runtime"] == "STOPPED", 2.0)
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


def test_a_second_driver_is_told_who_holds_the_registers(cell):
    code = """
        arm = Ur5(Ur5Settings(ip, watchdog_hz=0.1)); arm.connect(); say("up")
        while True: arm.read(); arm.kick(); time.sleep(0.008)
    """
    client = Client(cell.address, code, DRIVER)
    client.hear()
    assert "are in use: stop who holds them, likely another ur5 node" in refusal(cell)
    assert cell.state()["runtime"] == "PLAYING"  # the first one was not disturbed
    client.kill()


def test_watchdog_is_armed_and_armed_again_after_an_upload(cell):
    code = """
        arm = Ur5(Ur5Settings(ip, watchdog_hz=5.0)); arm.connect(); say(str(arm.version)); time.sleep(0.4)
        before = arm.read().trouble(); arm.recover()
        for _ in range(20): arm.kick(); time.sleep(0.02)
        say(before, arm.read().trouble()); time.sleep(1.0); say(arm.read().program_running)
        arm.close(); say("closed")
    """
    client = Client(cell.address, code, DRIVER)
    assert client.hear() == ["3.15.8"]
    assert client.hear() == ["the control program does not run on the controller", ""]
    assert client.hear() == [False]
    assert client.hear() == ["closed"]
    client.process.wait(timeout=5)


def test_recovery_does_not_carry_out_the_old_command(cell):
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
    client = Client(cell.address, code, DRIVER)
    client.hear()
    cell.fault("pendant_stop")
    before, after, running = client.hear()
    assert running
    np.testing.assert_allclose(after, before, atol=1e-9)


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


def test_gripper_opens_and_holds(cell):
    cell.shared.reset(cell.shared.read_arm().q, 0.085)
    gripper = Robotiq(cell.address)
    with pytest.raises(GripperError, match="call connect first"):
        gripper.state()
    gripper.connect()
    gripper.move(0.030, 0.5)
    deadline = time.monotonic() + 3.0
    while (state := gripper.state()).moving:
        cell.shared.report(0.0, 0.045)
        assert time.monotonic() < deadline
    assert state.holding and not state.reached and state.opening_m == pytest.approx(0.045, abs=0.001)
    cell.shared.report(0.0)
    gripper.move(0.060, 0.5)
    time.sleep(0.4)
    assert gripper.state().reached and not gripper.state().holding
    gripper.close()
    gripper.move(0.050, 0.5)  # a closed socket is opened anew
    time.sleep(0.4)
    assert gripper.state().reached
    gripper.close()
    with pytest.raises(GripperError, match="start with gripper:=none"):
        Robotiq(new_address()).connect()
