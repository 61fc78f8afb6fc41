"""The arm node's two actions: move the fingers, move the TCP along a twist of the tool frame."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from rclpy.action.server import ServerGoalHandle

from kovis_msgs.action import Gripper, MoveRelative
from kovis_ros.drivers.arm_loop import ArmLoop
from kovis_ros.drivers.relative_move import Outcome, RelativeMove
from kovis_ros.drivers.robotiq import GripperError, GripperState, Robotiq
from kovis_ros.drivers.ur_link import ArmError
from kovis_ros.method import geometry
from kovis_ros.method.kinematics import Arm, nearest
from kovis_ros.method.robotiq_2f85 import STROKE_M
from kovis_ros.nodes.goals import TimedActionServer

if TYPE_CHECKING:
    from kovis_ros.nodes.ur5 import Ur5Node

GRIPPER_PERIOD_S, MOVE_PERIOD_S = 0.05, 0.02
GRIPPER_LIMIT_S = 5.0
SETTLE_S = 0.1  # a gripper's object flag is that of the move before for a moment
REACH_CHECKS = 5  # poses along a move that must have joint angles


class GripperAction:
    """Action ``gripper``: ends when the fingers stand, at the position or at an object."""

    def __init__(self, node: Ur5Node, gripper: Robotiq | None, default_force: float) -> None:
        self.node, self.gripper, self.default_force = node, gripper, default_force
        self.server = TimedActionServer(node, Gripper, "gripper", self.begin)
        self.timer = node.create_timer(GRIPPER_PERIOD_S, self.poll, autostart=False)
        self._begun = 0.0

    def begin(self, handle: ServerGoalHandle) -> None:
        """Check the goal and start the fingers."""
        goal, self._begun = handle.request, time.monotonic()
        reason = self.node.owner.refusal(handle) or self._refusal(goal)
        if reason:
            self._end("abort", reason)
            return
        try:
            self._fingers.move(goal.position, goal.force or self.default_force)
            self.timer.reset()
        except GripperError as error:
            self._end("abort", str(error))

    def poll(self) -> None:
        """Feedback, and the end."""
        handle = self.server.active
        if handle is None:
            self.timer.cancel()
            return
        try:
            self._judge(handle, self._fingers.state())
        except GripperError as error:
            self._end("abort", str(error))

    def hold(self) -> None:
        """The stop service: fingers stay where they are."""
        if self.server.active is not None:
            try:
                self._fingers.hold()
                self._end("abort", "stopped by the service arm/stop")
            except GripperError as error:
                self._end("abort", str(error))

    def _judge(self, handle: ServerGoalHandle, state: GripperState) -> None:
        handle.publish_feedback(Gripper.Feedback(position=state.opening_m))
        passed = time.monotonic() - self._begun
        if handle.is_cancel_requested:
            self._fingers.hold()
            self._end("canceled", "cancelled")
        elif passed > SETTLE_S and not state.moving and abs(state.target_m - handle.request.position) < 0.001:
            result = Gripper.Result(reached=state.reached, holding=state.holding)
            self.timer.cancel()
            self.server.finish("succeed", result)
        elif passed > GRIPPER_LIMIT_S:
            self._fingers.hold()
            where = f"{1e3 * state.opening_m:.0f} mm"
            self._end("abort", f"fingers still at {where} after {passed:.0f} s: check the gripper")

    @property
    def _fingers(self) -> Robotiq:
        if self.gripper is None:
            raise GripperError("the node was started with gripper:=none")
        return self.gripper

    def _refusal(self, goal: Gripper.Goal) -> str:
        if not 0.0 <= goal.position <= STROKE_M + 1e-3:
            return f"position is {goal.position:.4f}: give 0 to {STROKE_M} m"
        if not 0.0 <= goal.force <= 1.0:
            return f"force is {goal.force:.3f}: give a share of 0 to 1"
        return ""

    def _end(self, outcome: str, reason: str) -> None:
        self.timer.cancel()
        self.server.finish(outcome, Gripper.Result(message=reason))


class MoveRelativeAction:
    """Action ``move_relative``: carried out by the arm's thread, watched here."""

    def __init__(self, node: Ur5Node, loop: ArmLoop, arm: Arm, tcp_offset_m: float) -> None:
        self.node, self.loop, self.arm = node, loop, arm
        self.tool0_T_tcp = geometry.pose((0.0, 0.0, tcp_offset_m))
        self.move: RelativeMove | None = None
        self.owned, self.orphan = False, ""
        self.server = TimedActionServer(node, MoveRelative, "move_relative", self.begin)
        self.timer = node.create_timer(MOVE_PERIOD_S, self.poll, autostart=False)

    def begin(self, handle: ServerGoalHandle) -> None:
        """Check the goal and hand it to the arm's thread."""
        goal, self.move = handle.request, None
        direction = goal.direction
        v, w = direction.linear, direction.angular
        try:
            if reason := self.node.owner.refusal(handle):
                raise ArmError(reason)
            move = RelativeMove([v.x, v.y, v.z, w.x, w.y, w.z], goal.distance, goal.speed, goal.force_limit)
            self._check_reach(move)
            self.loop.move(move, time.monotonic())
        except (ArmError, ValueError) as error:
            self._end("abort", Outcome.REFUSED, str(error))
            return
        self.move, self.owned, self.orphan = move, self.node.owner.owns(handle), ""
        self.timer.reset()

    def poll(self) -> None:
        """Feedback, cancellation, and the end."""
        handle, move = self.server.active, self.move
        if handle is None or move is None:
            self.timer.cancel()
        elif move.outcome is None:
            handle.publish_feedback(MoveRelative.Feedback(travelled=move.travelled_m, force=move.force_n))
            if self.owned and self.node.owner.silent():
                self.orphan = "the servo that asked for the move is silent: look at its log"
            if handle.is_cancel_requested or self.orphan:
                self.loop.cancel()
        elif move.outcome == Outcome.CANCELLED and handle.is_cancel_requested:
            self._end("canceled", move.outcome, move.message)
        else:
            done = move.outcome in (Outcome.NOTHING, Outcome.FORCE)
            self._end("succeed" if done else "abort", move.outcome, self.orphan or move.message)

    def _check_reach(self, move: RelativeMove) -> None:
        """Unreachable names the first pose of the path without joint angles."""
        reading = self.loop.reading
        if reading is None:
            raise ArmError("no state of the arm yet: wait for arm_status")
        q = np.array(reading.q)
        start = reading.pose()
        for share in np.linspace(0.0, 1.0, REACH_CHECKS + 1)[1:]:
            pose = start @ geometry.exp(move.twist * move.distance_m * share)
            q = nearest(pose @ geometry.inverse(self.tool0_T_tcp), q, self.arm)

    def _end(self, outcome: str, stopped_by: Outcome, message: str) -> None:
        self.timer.cancel()
        travelled = self.move.travelled_m if self.move is not None else 0.0
        result = MoveRelative.Result(travelled=travelled, stopped_by=int(stopped_by), message=message)
        self.move = None
        self.server.finish(outcome, result)
