"""The arm node when something goes wrong: stops, signals, lost links; every stop measured at the controller."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
from ur_cell import new_address

pytest.importorskip("rclpy", reason="no ROS 2: run make setup")
pytest.importorskip("rtde_control", reason="ur_rtde is not installed: pip install 'kovis_ros[ur]'")
pytest.importorskip("kovis_msgs", reason="kovis_msgs is not built: run make setup")

from action_msgs.msg import GoalStatus  # noqa: E402
from arm_rig import AFTER_KILL_S, ended, error_lines, start_node, up  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from kovis_msgs.action import MoveRelative  # noqa: E402
from kovis_msgs.msg import ArmStatus  # noqa: E402
from kovis_ros.method.kinematics import forward  # noqa: E402

pytestmark = pytest.mark.ros


def test_stop_service_stops_and_holds(arm):
    arm.begin_moving()
    moment = time.monotonic()
    future = arm.stop_service.call_async(Trigger.Request())
    arm.stream(0.6)
    assert future.done() and future.result().success
    assert arm.cell.stopped_after(moment) < AFTER_KILL_S
    assert not arm.ready and "arm/stop" in arm.last[ArmStatus].message
    first = arm.last[ArmStatus].message
    arm.until(lambda: arm.ready)
    arm.stop_service.call_async(Trigger.Request())
    arm.until(lambda: not arm.ready)
    assert arm.last[ArmStatus].message != first  # a servo must see that it was called once more


@pytest.mark.parametrize("fault", ["protective_stop", "pendant_stop", "slider"])
def test_a_stop_at_the_robot_stops_and_nothing_resumes_by_itself(arm, fault):
    arm.begin_moving()
    moment = time.monotonic()
    arm.cell.fault(fault, **({"value": 0.0} if fault == "slider" else {}))
    arm.stream(1.0)
    assert arm.cell.stopped_after(moment) < AFTER_KILL_S
    status = arm.last[ArmStatus]
    assert not status.ready and status.message
    if fault == "slider":
        return
    if fault == "protective_stop":
        assert status.safety_mode == ArmStatus.SAFETY_PROTECTIVE_STOP and "unlock it on the pendant" in status.message
        arm.cell.fault("unlock")
    moment = time.monotonic()
    while not arm.last[ArmStatus].program_running:
        assert time.monotonic() < moment + 20.0, arm.story()
        arm.stream(0.2)
    arm.stream(0.5)  # the program was uploaded again and the twists go on, yet nothing may move
    assert not arm.ready and arm.cell.state()["watchdog_s"] == pytest.approx(0.1)
    assert arm.cell.stopped_after(moment, time.monotonic() - moment) == 0.0
    arm.begin_moving()


def test_a_relative_move_ends_with_a_protective_stop(arm):
    handle = arm.goal(arm.move, up(0.05, 0.02))
    arm.spin(0.5)
    arm.cell.shared.report(200.0)
    status, result = arm.result(handle)
    assert (status, result.stopped_by) == (GoalStatus.STATUS_ABORTED, MoveRelative.Result.ROBOT)
    assert "protective stop" in result.message


def test_emergency_stop_is_reported(arm):
    arm.begin_moving()
    moment = time.monotonic()
    arm.cell.fault("emergency_stop")
    arm.stream(0.6)
    assert arm.cell.stopped_after(moment) < AFTER_KILL_S
    assert arm.last[ArmStatus].safety_mode == ArmStatus.SAFETY_ROBOT_EMERGENCY_STOP
    values = arm.diagnosed()
    assert (values["robot_mode"], values["safety_mode"]) == ("3", "7")
    arm.cell.fault("release")
    arm.cell.fault("power", value="on")
    arm.until(lambda: arm.ready, 10.0)


@pytest.mark.slow
def test_killed_node_is_stopped_by_the_controllers_watchdog(arm):
    arm.begin_moving()
    moment = time.monotonic()
    arm.node.kill()
    assert 0.05 < arm.cell.stopped_after(moment) < AFTER_KILL_S
    arm.node.wait()


@pytest.mark.slow
def test_signals_leave_the_arm_standing(arm):
    for number in (signal.SIGINT, signal.SIGTERM):
        if arm.node.poll() is not None:
            arm.start()
        arm.begin_moving()
        moment = time.monotonic()
        arm.node.send_signal(number)
        code, errors = ended(arm.node)
        assert code == 0, errors
        assert arm.cell.stopped_after(moment) < AFTER_KILL_S
        assert arm.cell.state()["runtime"] == "STOPPED"  # the control program is gone, not just quiet


@pytest.mark.slow
def test_a_lost_link_ends_the_node_and_the_arm_stands(arm):
    arm.begin_moving()
    moment = time.monotonic()
    arm.cell.fault("drop", seconds=0.0)
    code, errors = ended(arm.node)
    assert code == 4 and time.monotonic() - moment < 3.0
    assert len(lines := error_lines(errors)) == 1 and "check cable and controller" in lines[0]
    assert arm.cell.stopped_after(moment) < AFTER_KILL_S


@pytest.mark.slow
def test_a_frozen_controller_ends_the_node_and_wakes_up_standing(arm):
    arm.begin_moving()
    before = arm.cell.shared.read_arm()
    os.kill(arm.cell.process.pid, signal.SIGSTOP)
    try:
        code, errors = ended(arm.node)
    finally:
        os.kill(arm.cell.process.pid, signal.SIGCONT)
    assert code == 4 and len(lines := error_lines(errors)) == 1
    assert "silent for" in lines[0] or "no answer" in lines[0]
    time.sleep(0.3)
    after = arm.cell.shared.read_arm()
    assert not any(after.qd)
    assert np.linalg.norm(forward(after.q)[:3, 3] - forward(before.q)[:3, 3]) < 0.003


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ([], "check robot_ip"),
        (["-p", "arm:=ur7"], "choose from ur3, ur5"),
        (["-p", "robot_port:=3"], "parameter 'robot_port' is unknown: known are robot_ip"),
        (["-p", "max_linear_mps:=3.0"], "out of range: give 0.001 to 0.25"),
    ],
)
def test_what_is_wrong_at_the_start_is_one_line_within_seconds(parameters, text):
    start = time.monotonic()
    code, errors = ended(start_node(new_address(), *parameters), 60.0)
    assert code == 2 and time.monotonic() - start < 30.0  # nearly all of it is loading ROS on a busy machine
    assert len(lines := error_lines(errors)) == 1 and text in lines[0]
