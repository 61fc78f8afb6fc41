"""The servo node on a domain of its own: what it sends, and what it does with bad input."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")

from builtin_interfaces.msg import Duration  # noqa: E402
from servo_rig import ABORTED, AHEAD, CANCELED, SUCCEEDED  # noqa: E402

from kovis_msgs.action import Servo  # noqa: E402
from kovis_msgs.msg import ArmStatus  # noqa: E402
from kovis_ros.drivers.arm_loop import JOINED, STARTED  # noqa: E402
from kovis_ros.method.loop import State  # noqa: E402
from kovis_ros.method.motion import Motion  # noqa: E402

pytestmark = pytest.mark.ros


def test_nothing_moves_without_a_goal(rig):
    r = rig()
    r.spin(0.6)
    assert r.twists == [] and r.states[-1] == State.IDLE


def test_a_goal_is_servoed_to_convergence(rig):
    r = rig()
    handle = r.servoing()
    r.spin(0.2)
    assert r.twists[-1][1] == pytest.approx([0.02, 0, 0, 0, 0, 0], abs=1e-3)
    r.policy.answer = Motion(AHEAD, 0.02, 0.9)
    status, result = r.result(handle)
    assert status == SUCCEEDED and result.success and result.error_code == Servo.Result.NONE
    assert result.images > 8 and result.final_speed < 0.12
    assert r.stays_zero()
    assert [r.states.count(code) > 0 for code in (State.SERVOING, State.CONVERGING, State.CONVERGED)] == [True] * 3


def test_no_more_keypoints_is_zero_within_the_image_timeout(rig):
    r = rig()
    handle = r.servoing()
    r.camera = False
    r.until(lambda: r.speed() == 0.0, 2.0)
    last = max(at for at, (_, twist) in zip(r.sent_s, r.twists, strict=True) if twist.any())
    assert last - r.shot_s < 0.25 + 0.005  # image_timeout: on a stale image nothing but zero was sent
    status, result = r.result(handle)
    assert status == ABORTED and result.error_code == Servo.Result.STALE_IMAGE
    assert "no usable keypoints" in result.error_msg and r.stays_zero()


@pytest.mark.parametrize(("offset_s", "cause"), [(-0.5, "stale"), (0.2, "stamp in the future")])
def test_old_and_future_stamps_are_no_images(rig, offset_s, cause):
    r = rig()
    handle = r.servoing()
    loop = r.servo.alignment.loop
    r.stamp_offset_s = offset_s
    status, result = r.result(handle)
    assert status == ABORTED and result.error_code == Servo.Result.STALE_IMAGE
    assert loop.rejected[cause] > 3 and r.stays_zero()


def test_nan_from_the_network_is_no_motion(rig):
    r = rig()
    handle = r.servoing()
    loop = r.servo.alignment.loop
    r.policy.answer = Motion(np.array([np.nan, 0, 0, 0], np.float32), 0.5, 0.9)
    status, result = r.result(handle)
    assert status == ABORTED and not result.success and r.stays_zero()
    assert loop.rejected["not finite"] > 3
    assert all(np.isfinite(twist).all() for _, twist in r.twists)


def test_low_confidence_halts_and_ends_the_goal(rig):
    r = rig()
    handle = r.servoing()
    r.policy.answer = Motion(AHEAD, 1.0, 0.05)
    r.until(lambda: r.speed() == 0.0, 1.0)
    status, result = r.result(handle)
    assert status == ABORTED and result.error_code == Servo.Result.LOST_TARGET and "not seen" in result.error_msg
    assert State.HALT_LOW_CONFIDENCE in r.states


def test_cancel_is_zero_then_canceled(rig):
    r = rig()
    handle = r.servoing()
    r.answer(handle.cancel_goal_async())
    status, result = r.result(handle)
    assert status == CANCELED and result.error_code == Servo.Result.CANCELLED
    assert r.stays_zero()
    assert len([1 for _, twist in r.twists[-5:] if not twist.any()]) == 5  # zero more than once


def test_one_node_ends_a_goal_well_and_the_next_one_badly(rig):
    r = rig()
    handle, moving = r.servoing(), r.policy.answer
    r.policy.answer = Motion(AHEAD, 0.02, 0.9)
    assert r.result(handle)[1].error_code == Servo.Result.NONE
    r.policy.answer = moving
    handle = r.servoing()
    r.answer(handle.cancel_goal_async())
    status, result = r.result(handle)
    assert status == CANCELED and result.error_code == Servo.Result.CANCELLED


def test_a_second_goal_is_rejected_and_the_first_goes_on(rig):
    r = rig()
    r.servoing()
    assert not r.send().accepted
    r.spin(0.1)
    assert r.speed() > 0.015


def test_pause_holds_the_goal_and_resume_goes_on(rig):
    r = rig()
    r.servoing()
    assert r.answer(r.pausing.call_async(_flag(True))).success
    r.until(lambda: r.speed() == 0.0, 1.0)
    r.spin(2.3)  # longer than halt_timeout: a pause is no fault
    assert r.servo.state == State.PAUSED and r.speed() == 0.0
    assert r.answer(r.pausing.call_async(_flag(False))).success
    r.until(lambda: r.speed() > 0.015)


def test_stop_service_ends_the_goal(rig):
    r = rig()
    handle = r.servoing()
    from std_srvs.srv import Trigger

    assert r.answer(r.stopping.call_async(Trigger.Request())).success
    status, result = r.result(handle)
    assert status == ABORTED and result.error_code == Servo.Result.CANCELLED and r.stays_zero()


def test_the_edge_of_the_workspace_ends_the_goal(rig):
    r = rig()
    handle = r.servoing()
    r.pose = r.pose.copy()
    r.pose[0, 3] += 0.119  # tool x is base x: 1 mm from the edge
    status, result = r.result(handle)
    assert status == ABORTED and result.error_code == Servo.Result.WORKSPACE_LIMIT
    assert "edge of 0.12 m" in result.error_msg and r.stays_zero()


def test_a_protective_stop_ends_the_goal_at_once(rig):
    r = rig()
    handle = r.servoing()
    r.ready, r.safety = False, ArmStatus.SAFETY_PROTECTIVE_STOP
    begun = time.monotonic()
    status, result = r.result(handle)
    assert status == ABORTED and result.error_code == Servo.Result.ROBOT_NOT_READY and "arm says no" in result.error_msg
    assert time.monotonic() - begun < 0.5 and r.stays_zero()


def test_a_stop_of_the_arm_ends_the_goal_however_short_it_was(rig):
    """As the service arm/stop: ready again after a pause of the twists, which the halted goal itself would make."""
    r = rig(halt_timeout=30.0)
    handle = r.servoing()
    r.ready = False
    r.report()
    r.ready = True
    r.report()  # both before the servo's next turn
    status, result = r.result(handle, 1.0)
    assert (status, result.error_code) == (ABORTED, Servo.Result.ROBOT_NOT_READY) and "arm says no" in result.error_msg
    assert r.stays_zero()
    r.servoing()  # a new goal moves it


def test_a_goal_waits_for_an_arm_that_was_not_ready_before_it_but_not_beyond_a_stop(rig):
    """As right after the start of the arm's node, which wants a pause of the twists."""
    r = rig()
    r.ready = False
    r.spin(0.2)
    handle = r.send()
    r.spin(0.4)
    assert r.speed() == 0.0
    r.ready = True
    r.until(lambda: r.speed() > 0.015)
    r.answer(handle.cancel_goal_async())
    r.result(handle)
    r.ready = False
    r.spin(0.2)
    handle = r.send()
    r.spin(0.2)
    r.trouble = "a person stopped it"
    r.report()
    r.ready = True
    status, result = r.result(handle, 1.0)
    assert (status, result.error_msg) == (ABORTED, "a person stopped it") and r.stays_zero()


def test_a_goal_outlives_that_the_arms_node_finds_its_sender_late(rig):
    r = rig()
    handle = r.send()
    r.ready, r.trouble = False, JOINED
    r.until(lambda: r.servo.state == State.HALT_ROBOT_NOT_READY)
    r.spin(0.2)
    r.ready = True
    r.until(lambda: r.speed() > 0.015)
    r.trouble, r.ready = STARTED, False  # another arm's node in its place is one
    status, result = r.result(handle, 1.0)
    assert (status, result.error_msg) == (ABORTED, STARTED)


def test_a_program_stopped_on_the_pendant_ends_the_goal_and_its_return_moves_nothing(rig):
    r = rig()
    handle = r.servoing()
    r.program = r.ready = False
    status, result = r.result(handle, 1.0)
    assert (status, result.error_code) == (ABORTED, Servo.Result.ROBOT_NOT_READY)
    r.program = r.ready = True
    assert r.stays_zero()


def test_an_arm_node_that_was_gone_does_not_move_the_old_goal_when_it_is_back(rig):
    r = rig(halt_timeout=30.0)
    handle = r.servoing()
    r.arm = False
    r.until(lambda: r.speed() == 0.0, 1.0)  # no tcp_pose for 0.2 s
    status, result = r.result(handle, 2.0)
    assert status == ABORTED and "no arm_status for 1.0 s" in result.error_msg
    r.arm = True
    assert r.stays_zero()


def test_a_new_goal_waits_for_an_arm_node_that_comes_back(rig):
    r = rig()
    r.until(lambda: not r.servo.arm.view().fault)
    r.arm = False
    r.spin(1.3)
    r.send()
    r.until(lambda: r.servo.state == State.HALT_ROBOT_NOT_READY)
    assert r.stays_zero()
    r.arm = True
    r.until(lambda: r.speed() > 0.015)


@pytest.mark.parametrize(
    ("goal", "code", "text"),
    [
        ({"task": "make_tea"}, Servo.Result.MODEL_ERROR, "'make_tea' is not loaded: this servo knows pick_mug"),
        ({"speed_scale": 3.0}, Servo.Result.MODEL_ERROR, "speed_scale 3.0 is out of range"),
        ({"timeout": Duration(sec=-1)}, Servo.Result.MODEL_ERROR, "negative"),
        ({"timeout": Duration(nanosec=400_000_000)}, Servo.Result.TIMEOUT, "not converged in 0.4 s"),
    ],
)
def test_bad_goals_end_with_a_line(rig, goal, code, text):
    r = rig()
    status, result = r.result(r.send(**goal))
    assert status == ABORTED and result.error_code == code and text in result.error_msg
    assert not r.twists or not r.twists[-1][1].any()


def test_diagnostics_tell_a_halt(rig):
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

    r = rig(halt_timeout=10.0)
    heard = []
    r.node.create_subscription(DiagnosticArray, "/diagnostics", heard.append, 10)
    r.servoing()
    r.camera = False
    r.until(lambda: heard and heard[-1].status[0].level == DiagnosticStatus.ERROR, 4.0)
    status = heard[-1].status[0]
    assert (
        status.name == "servo: control" and status.hardware_id == "pick_mug" and "no usable keypoints" in status.message
    )
    assert {value.key: value.value for value in status.values}["state"].startswith("HALT_STALE")


def test_sigint_sends_zeros_on_the_way_out(rig, ros_domain):
    """A servo process of its own, interrupted at speed: the last twists are zero and the exit code is 0."""
    r = rig(servo=False)
    script = Path(__file__).with_name("played_servo.py")
    process = subprocess.Popen([sys.executable, str(script)], env=os.environ | {"ROS_DOMAIN_ID": str(ros_domain)})
    try:
        r.until(r.client.server_is_ready, 30.0)
        r.servoing()
        process.send_signal(signal.SIGINT)
        r.until(lambda: process.poll() is not None, 10.0)
        assert process.returncode == 0 and r.stays_zero()
        assert sum(not twist.any() for _, twist in r.twists[-3:]) == 3
    finally:
        process.kill()


def _flag(value):
    from std_srvs.srv import SetBool

    return SetBool.Request(data=value)
