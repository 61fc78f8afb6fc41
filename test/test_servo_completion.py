"""The servo node's completion motion: its steps as goals of the arm, and what ends it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")

from rclpy.task import Future  # noqa: E402
from servo_rig import ABORTED, AHEAD, SUCCEEDED  # noqa: E402

from kovis_msgs.action import Servo  # noqa: E402
from kovis_ros.method.config import CompletionStep  # noqa: E402
from kovis_ros.method.loop import State  # noqa: E402
from kovis_ros.method.motion import Motion  # noqa: E402
from kovis_ros.nodes.completion import SILENCE_S, Completion  # noqa: E402

pytestmark = pytest.mark.ros


def test_completion_runs_the_steps_as_the_goal(rig):
    r = rig()
    r.serve_arm()
    r.policy.answer = Motion(AHEAD, 0.02, 0.9)
    handle = r.send(complete=True)
    status, result = r.result(handle)
    assert status == SUCCEEDED and result.success
    close, lift = r.policy.task.completion
    assert [move[:2] for move in r.moves] == [("gripper", close.gripper_m), ("move", np.linalg.norm(lift.move_m))]
    assert all(move[2][:12] == bytes(handle.goal_id.uuid)[:12] for move in r.moves)
    assert State.COMPLETING in r.states and r.stays_zero()


def test_a_failed_completion_aborts(rig):
    r = rig()
    r.serve_arm(reached=False)
    r.policy.answer = Motion(AHEAD, 0.02, 0.9)
    status, result = r.result(r.send(complete=True))
    assert status == ABORTED and result.error_code == Servo.Result.COMPLETION_FAILED
    assert "step 1: fingers are stuck" in result.error_msg and [m[0] for m in r.moves] == ["gripper"]


def test_a_stop_of_the_arm_between_two_steps_ends_the_completion(rig):
    r = rig()
    r.serve_arm()
    r.policy.answer = Motion(AHEAD, 0.02, 0.9)
    handle = r.send(complete=True)
    r.until(lambda: r.moves, 8.0)
    r.spin(0.1)  # the fingers settle for 0.5 s
    r.ready = False
    r.report()
    r.ready = True
    status, result = r.result(handle)
    assert (status, result.error_code) == (ABORTED, Servo.Result.COMPLETION_FAILED)
    assert "arm says no" in result.error_msg and [move[0] for move in r.moves] == ["gripper"]


def test_completion_without_an_arm_aborts(rig):
    r = rig()
    r.policy.answer = Motion(AHEAD, 0.02, 0.9)
    status, result = r.result(r.send(complete=True))
    assert status == ABORTED and "start the arm node" in result.error_msg


class PlayedArm:
    """Takes goals as the arm's actions do; the test says what is heard of them."""

    def __init__(self):
        self.now_s, self.heard, self.sent = 0.0, None, []

    def now(self):
        return self.now_s

    def goal(self, step):
        return self, step

    def server_is_ready(self):
        return True

    def send_goal_async(self, goal, feedback_callback, goal_uuid):
        self.sent.append(goal)
        self.heard = feedback_callback
        return Future()


def test_a_slow_step_lasts_as_long_as_the_arm_speaks_of_it():
    """How long a move may take is the arm's affair, which knows its limits and the slider."""
    arm = PlayedArm()
    step = CompletionStep(move_m=(0.0, 0.0, -0.09))
    completion = Completion(arm, [step], bytes(16), 0.0)
    for arm.now_s in np.arange(0.0, 30.0, 0.5):
        completion.poll(arm.now_s)
        arm.heard("feedback")
    assert arm.sent == [step] and not completion.done
    arm.now_s += SILENCE_S
    completion.poll(arm.now_s)
    assert completion.done and completion.fault == "step 1: the arm said nothing for 4 s: look at its log"


def test_a_completion_step_is_a_grip_or_a_move(rig):
    clients = rig().servo.arm_clients
    client, goal = clients.goal(CompletionStep(gripper_m=0.01, force_n=127.5))
    assert client is clients.gripper and (goal.position, goal.force) == pytest.approx((0.01, 0.5))
    client, goal = clients.goal(CompletionStep(move_m=(0.0, 0.03, -0.04), speed_mps=0.02))
    assert client is clients.move and (goal.distance, goal.speed, goal.force_limit) == pytest.approx((0.05, 0.02, 60.0))
    assert (goal.direction.linear.y, goal.direction.linear.z) == pytest.approx((0.6, -0.8))
    for step in (CompletionStep(), CompletionStep(gripper_m=0.0, move_m=(0.0, 0.0, 0.1))):
        with pytest.raises(ValueError, match="give either gripper_m or move_m"):
            clients.goal(step)
