"""Who may use the arm: while a goal of the servo is active, its own goals only."""

from __future__ import annotations

import time

from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node

from kovis_msgs.msg import ServoStatus
from kovis_ros import conversions
from kovis_ros.nodes.arm_output import LATCHED

ACTIVE = (GoalStatus.STATUS_ACCEPTED, GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_CANCELING)


class ArmOwner:
    """Watches the servo's goals and its status."""

    def __init__(self, node: Node, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._goals: dict[bytes, int] = {}  # when each was accepted, by the servo's clock [ns]
        self._seen_s = -1e9
        node.create_subscription(GoalStatusArray, "servo/_action/status", self.on_goals, LATCHED)
        node.create_subscription(ServoStatus, "status", self.on_status, 1)

    def on_goals(self, message: GoalStatusArray) -> None:
        """Remember which goals of the servo are active: they own gripper and relative moves."""
        active = [status.goal_info for status in message.status_list if status.status in ACTIVE]
        self._goals = {bytes(goal.goal_id.uuid): conversions.stamp_from_msg(goal.stamp) for goal in active}

    def on_status(self, message: ServoStatus) -> None:
        """The servo lives and watches over its completion motion; or it has no goal any more.

        A servo that was killed and started again says nothing about the goals of the one before, only that it is idle.
        A status that was written before a goal was accepted says nothing about this goal.
        """
        if message.code == ServoStatus.COMPLETING:
            self._seen_s = time.monotonic()
        elif message.code == ServoStatus.IDLE:
            written = conversions.stamp_from_msg(message.header.stamp)
            self._goals = {goal: accepted for goal, accepted in self._goals.items() if accepted >= written}

    def silent(self) -> bool:
        """Is the servo silent about its completion motion, so that nobody would stop it."""
        return time.monotonic() - self._seen_s > self.timeout_s

    def owns(self, handle: ServerGoalHandle) -> bool:
        """Does a goal belong to an active servo goal, told by the first 12 bytes of their ids."""
        return bytes(handle.goal_id.uuid)[:12] in [goal[:12] for goal in self._goals]

    def refusal(self, handle: ServerGoalHandle) -> str:
        """Why a goal's sender may not use the arm now; empty if it may."""
        if not self._goals or self.owns(handle):
            return ""
        return "the arm belongs to an active servo goal: wait for its end or cancel it"
