"""Who may use the arm: while a goal of the servo is active, its own goals only."""

from __future__ import annotations

import time

from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node

from kovis_msgs.msg import ServoStatus
from kovis_ros.nodes.arm_output import LATCHED

ACTIVE = (GoalStatus.STATUS_ACCEPTED, GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_CANCELING)


class ArmOwner:
    """Watches the servo's goals and its status."""

    def __init__(self, node: Node, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._goals: list[bytes] = []
        self._seen_s = -1e9
        node.create_subscription(GoalStatusArray, "servo/_action/status", self.on_goals, LATCHED)
        node.create_subscription(ServoStatus, "status", self.on_status, 1)

    def on_goals(self, message: GoalStatusArray) -> None:
        """Remember which goals of the servo are active: they own gripper and relative moves."""
        self._goals = [bytes(s.goal_info.goal_id.uuid) for s in message.status_list if s.status in ACTIVE]

    def on_status(self, message: ServoStatus) -> None:
        """The servo lives and watches over its completion motion."""
        if message.code == ServoStatus.COMPLETING:
            self._seen_s = time.monotonic()

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
