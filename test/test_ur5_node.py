"""The arm node: real rclpy, real ur_rtde, the simulated controller; commands and refusals, measured there."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
from ur_cell import HOME

pytest.importorskip("rclpy", reason="no ROS 2: run make setup")
pytest.importorskip("rtde_control", reason="ur_rtde is not installed: pip install 'kovis_ros[ur]'")
pytest.importorskip("kovis_msgs", reason="kovis_msgs is not built: run make setup")

from action_msgs.msg import GoalInfo, GoalStatus, GoalStatusArray  # noqa: E402
from arm_rig import AFTER_KILL_S, AFTER_STALE_S, STALE_S, TCP, TCP_READ, up  # noqa: E402
from geometry_msgs.msg import PoseStamped  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from unique_identifier_msgs.msg import UUID  # noqa: E402

from kovis_msgs.action import Gripper, MoveRelative  # noqa: E402
from kovis_msgs.msg import ServoStatus  # noqa: E402
from kovis_ros import conversions  # noqa: E402
from kovis_ros.method import geometry  # noqa: E402
from kovis_ros.method.kinematics import forward  # noqa: E402
from kovis_ros.nodes.arm_owner import ArmOwner  # noqa: E402

pytestmark = pytest.mark.ros


def test_twist_of_the_tool_moves_the_arm_and_its_end_stops_it(arm):
    start = arm.cell.shared.read_arm().q
    last = arm.stream(1.0, (0.0, 0.0, -0.03, 0, 0, 0))
    # 0.1 s stale limit, then at most 150 ms to zero
    assert 0.02 < arm.cell.stopped_after(last) < STALE_S + AFTER_STALE_S
    moved = geometry.inverse(forward(start)) @ forward(arm.cell.shared.read_arm().q)
    assert 0.02 < -moved[2, 3] < 0.04  # about 1.1 s of 30 mm/s, up, in the tool's own axes
    np.testing.assert_allclose(moved[:2, 3], 0.0, atol=1e-3)
    arm.spin(0.1)
    joints, pose = arm.last[JointState], arm.last[PoseStamped]
    assert joints.name[0] == "shoulder_pan_joint"
    np.testing.assert_allclose(joints.position, arm.cell.shared.read_arm().q, atol=1e-9)
    tcp = (forward(joints.position) @ geometry.pose((0, 0, TCP)))[:3, 3]
    p = pose.pose.position
    np.testing.assert_allclose([p.x, p.y, p.z], tcp, atol=1e-6)
    assert pose.header.frame_id == "base"


def test_zero_twists_stop_at_once(arm):
    arm.begin_moving()
    moment = arm.stream(0.02, [0.0] * 6)
    arm.stream(0.5, [0.0] * 6)
    assert arm.cell.stopped_after(moment) < AFTER_STALE_S


@pytest.mark.parametrize(
    ("twist", "how", "kind", "line"),
    [
        ((0, 0, -0.03, 0, 0, float("nan")), {}, "frame or value", r"twist is \[.*nan\]: six finite numbers are needed"),
        ((0, 0, -0.03, 0, 0, 0), {"frame": "base"}, "frame or value", "twist is in frame 'base': 'tool0' is needed"),
        ((0, 0, -0.03, 0, 0, 0), {"age_s": 0.5}, "stale", r"twist is \d{3} ms old"),
        ((0, 0, -0.03, 0, 0, 0), {"age_s": -0.5}, "future", r"twist is stamped \d{3} ms in the future"),
    ],
    ids=["nan", "frame", "stale", "future"],
)
def test_twists_that_are_no_good_move_nothing_are_counted_and_told(arm, twist, how, kind, line):
    arm.lines.clear()
    arm.stream(0.4, twist, **how)
    arm.told(f"twist rejected: {line}", twist, **how)
    arm.spin(0.2)
    assert arm.cell.speed() == 0.0
    assert arm.cell.stopped_after(time.monotonic() - 0.6) == 0.0
    assert int(arm.diagnosed()[f"twists rejected, {kind}"]) > 5


def test_a_fast_twist_is_shrunk_counted_and_told_and_the_set_up_is_told(arm):
    arm.lines.clear()
    arm.stream(0.5, (0, 0, -0.5, 0, 0, 0))
    fastest = max(v for _, v, _ in arm.cell.fault("trace", seconds=0.5)["trace"])
    assert 0.045 < fastest < 0.0505
    line = r"twist of 0.50 m/s and 0.00 rad/s shrunk to 0.05 m/s and 0.00 rad/s: slow its sender down, or raise"
    arm.told(line, (0, 0, -0.5, 0, 0, 0))
    values = arm.diagnosed()
    assert int(values["clamped"]) > 5
    assert (values["robot_mode"], values["safety_mode"]) == ("7", "1")
    assert arm.cell.state()["watchdog_s"] == pytest.approx(0.1)
    assert (values["controller"], values["payload [kg]"]) == ("3.15.8", "1.00") and "0.16" in values[TCP_READ]


def test_gripper_reaches_holds_and_refuses(arm):
    status, result = arm.run(arm.gripper, Gripper.Goal(position=0.04))
    assert (status, result.reached, result.holding) == (GoalStatus.STATUS_SUCCEEDED, True, False)
    arm.cell.shared.report(0.0, 0.031)
    status, result = arm.run(arm.gripper, Gripper.Goal(position=0.0, force=0.5))
    assert (status, result.reached, result.holding) == (GoalStatus.STATUS_SUCCEEDED, False, True)
    status, result = arm.run(arm.gripper, Gripper.Goal(position=0.2))
    assert status == GoalStatus.STATUS_ABORTED and "position is 0.2000: give 0 to 0.085" in result.message


def test_relative_move_arrives_stops_at_force_and_is_cancelled(arm):
    status, result = arm.run(arm.move, up(0.03))
    assert (status, result.stopped_by) == (GoalStatus.STATUS_SUCCEEDED, MoveRelative.Result.NOTHING)
    assert result.travelled == pytest.approx(0.03, abs=5e-4)
    moved = geometry.inverse(forward(HOME)) @ forward(arm.cell.shared.read_arm().q)
    np.testing.assert_allclose(moved[:3, 3], [0, 0, -0.03], atol=5e-4)

    handle = arm.goal(arm.move, up(0.05, 0.02, 10.0))
    arm.spin(0.5)
    arm.cell.shared.report(15.0)
    status, result = arm.result(handle)
    assert (status, result.stopped_by) == (GoalStatus.STATUS_SUCCEEDED, MoveRelative.Result.FORCE)
    assert "15.0 N reached the limit of 10.0 N" in result.message and 0.0 < result.travelled < 0.04
    arm.cell.shared.report(0.0)

    handle = arm.goal(arm.move, up(0.05, 0.02))
    arm.spin(0.5)
    other = arm.goal(arm.move, up())
    assert not other.accepted  # one at a time
    moment = time.monotonic()
    arm.until(handle.cancel_goal_async().done)
    status, result = arm.result(handle)
    assert (status, result.stopped_by) == (GoalStatus.STATUS_CANCELED, MoveRelative.Result.CANCELLED)
    assert arm.cell.stopped_after(moment) < AFTER_KILL_S


def test_relative_moves_that_cannot_be_are_refused(arm):
    for goal, text in (
        (up(3.0), "cannot put tool0 at"),
        (up(-0.1), "distance is -0.1"),
        (up(speed=0.0), "speed is 0.0"),
        (MoveRelative.Goal(distance=0.1, speed=0.1), "has no finite length"),
    ):
        status, result = arm.run(arm.move, goal)
        assert (status, result.stopped_by) == (GoalStatus.STATUS_ABORTED, MoveRelative.Result.REFUSED)
        assert text in result.message
    assert arm.cell.stopped_after(time.monotonic() - 0.6) == 0.0


def test_only_the_active_servo_goal_may_use_gripper_and_moves(arm):
    owner = bytes(range(16))
    active = GoalStatus(goal_info=GoalInfo(goal_id=UUID(uuid=list(owner))), status=GoalStatus.STATUS_EXECUTING)
    arm.owners.publish(GoalStatusArray(status_list=[active]))
    arm.spin(0.3)
    for client, goal in ((arm.move, up()), (arm.gripper, Gripper.Goal(position=0.05))):
        status, result = arm.run(client, goal)
        assert status == GoalStatus.STATUS_ABORTED and "belongs to an active servo goal" in result.message
    own = UUID(uuid=list(owner[:12]) + [0, 0, 0, 1])
    assert arm.run(arm.gripper, Gripper.Goal(position=0.05), own)[0] == GoalStatus.STATUS_SUCCEEDED
    arm.owners.publish(GoalStatusArray())
    arm.spin(0.3)
    assert arm.run(arm.gripper, Gripper.Goal(position=0.06))[0] == GoalStatus.STATUS_SUCCEEDED


def test_what_a_servo_goal_asked_for_is_refused_after_its_end():
    """It would pass for a stranger's, whose moves nobody watches."""

    def status(number, code):
        return GoalStatus(goal_info=GoalInfo(goal_id=UUID(uuid=[number] * 16)), status=code)

    def refusal(number):
        return owner.refusal(SimpleNamespace(goal_id=UUID(uuid=[number] * 12 + [0, 0, 0, 2])))

    owner = ArmOwner(SimpleNamespace(create_subscription=lambda *arguments: None), 0.4)
    owner.on_goals(GoalStatusArray(status_list=[status(1, GoalStatus.STATUS_EXECUTING)]))
    assert refusal(1) == "" and "belongs to an active servo goal" in refusal(2)
    owner.on_goals(GoalStatusArray(status_list=[status(1, GoalStatus.STATUS_ABORTED)]))
    assert "the servo goal that asked for it has ended" in refusal(1) and refusal(2) == ""
    owner.on_goals(GoalStatusArray(status_list=[status(2, GoalStatus.STATUS_EXECUTING)]))
    owner.on_status(ServoStatus(code=ServoStatus.IDLE, header=conversions.header(1, "")))  # another servo's
    assert "has ended" in refusal(1) and "has ended" in refusal(2) and refusal(3) == ""
    for number in range(3, 100):  # it does not remember for ever
        owner.on_goals(GoalStatusArray(status_list=[status(number, GoalStatus.STATUS_SUCCEEDED)]))
    assert refusal(1) == "" and "has ended" in refusal(99)


def test_a_servo_that_was_started_again_frees_the_arm(arm):
    """That before was killed with a goal, and nobody tells that it is over; a status from before the goal does not."""
    goal, before = UUID(uuid=[7] * 16), arm.probe.get_clock().now().to_msg()
    accepted = arm.probe.get_clock().now().to_msg()
    active = GoalStatus(goal_info=GoalInfo(goal_id=goal, stamp=accepted), status=GoalStatus.STATUS_EXECUTING)
    arm.owners.publish(GoalStatusArray(status_list=[active]))
    for written, free in ((before, False), (arm.probe.get_clock().now().to_msg(), True)):
        arm.spin(0.2)
        status = ServoStatus(code=ServoStatus.IDLE)
        status.header.stamp = written
        arm.servo.publish(status)
        arm.spin(0.2)
        for client, goal in ((arm.gripper, Gripper.Goal(position=0.05)), (arm.move, up(0.01))):
            assert (arm.run(client, goal)[0] == GoalStatus.STATUS_SUCCEEDED) == free
    arm.owners.publish(GoalStatusArray())


def test_a_servos_relative_move_ends_when_the_servo_falls_silent(arm):
    owner = list(range(16))
    active = GoalStatus(goal_info=GoalInfo(goal_id=UUID(uuid=owner)), status=GoalStatus.STATUS_EXECUTING)
    arm.owners.publish(GoalStatusArray(status_list=[active]))
    arm.servo.publish(ServoStatus(code=ServoStatus.COMPLETING))
    arm.spin(0.2)
    handle = arm.goal(arm.move, up(0.09, 0.02), UUID(uuid=[*owner[:12], 0, 0, 0, 2]))
    for _ in range(10):
        last = time.monotonic()
        arm.servo.publish(ServoStatus(code=ServoStatus.COMPLETING))
        arm.spin(0.1)
    assert arm.cell.speed() > 0.015  # a servo that speaks is let be
    arm.servo.publish(ServoStatus(code=ServoStatus.IDLE))  # a new one, which knows nothing of the move
    status, result = arm.result(handle)
    arm.owners.publish(GoalStatusArray())
    assert (status, result.stopped_by) == (GoalStatus.STATUS_ABORTED, MoveRelative.Result.CANCELLED)
    assert "servo that asked for the move is silent" in result.message
    assert arm.cell.stopped_after(last) < 0.4 + AFTER_STALE_S  # owner_timeout_s
