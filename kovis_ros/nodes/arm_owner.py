"""Who may use the arm: while a goal of the servo is active, its own goals only."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable

from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node

from kovis_msgs.msg import ServoStatus
from kovis_ros import conversions
from kovis_ros.nodes.arm_output import LATCHED

REMEMBERED = 64  # goals of the servo that have ended
ACTIVE = (GoalStatus.STATUS_ACCEPTED, GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_CANCELING)


class ArmOwner:
    """Watches the servo's goals and its status."""

    def __init__(self, node: Node, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._goals: dict[bytes, int] = {}  # when each was accepted, by the servo's clock [ns]
        self._ended: deque[bytes] = deque(maxlen=REMEMBERED)
        self._seen_s = -1e9
        node.create_subscription(GoalStatusArray, "servo/_action/status", self.on_goals, LATCHED)
        node.create_subscription(ServoStatus, "status", self.on_status, 1)

    def on_goals(self, message: GoalStatusArray) -> None:
        """Remember which goals of the servo are active: they own gripper and relative moves."""
        active = [status.goal_info for status in message.status_list if status.status in ACTIVE]
        self._keep({bytes(goal.goal_id.uuid): conversions.stamp_from_msg(goal.stamp) for goal in active})
        told = [bytes(status.goal_info.goal_id.uuid) for status in message.status_list]
        self._end(goal for goal in told if goal not in self._goals)

    def on_status(self, message: ServoStatus) -> None:
        """The servo lives and watches over its completion motion; or it has no goal any more.

        A servo that was killed and started again says nothing about the goals of the one before, only that it is idle.
        A status that was written before a goal was accepted says nothing about this goal.
        """
        if message.code == ServoStatus.COMPLETING:
            self._seen_s = time.monotonic()
        elif message.code == ServoStatus.IDLE:
            written = conversions.stamp_from_msg(message.header.stamp)
            self._keep({goal: accepted for goal, accepted in self._goals.items() if accepted >= written})

    def _keep(self, goals: dict[bytes, int]) -> None:
        """From now on these are active; the others have ended."""
        before, self._goals = self._goals, goals
        self._end(goal for goal in before if goal not in goals)

    def _end(self, goals: Iterable[bytes]) -> None:
        """Goals that have ended: what still comes of theirs was asked for by nobody who would watch it."""
        self._ended.extend(goal for goal in goals if goal not in self._ended)

    def silent(self) -> bool:
        """Is the servo silent about its completion motion, so that nobody would stop it."""
        return time.monotonic() - self._seen_s > self.timeout_s

    def owns(self, handle: ServerGoalHandle) -> bool:
        """Does a goal belong to an active servo goal, told by the first 12 bytes of their ids."""
        return of_one(handle, self._goals)

    def refusal(self, handle: ServerGoalHandle) -> str:
        """Why a goal's sender may not use the arm now; empty if it may."""
        if self.owns(handle):
            return ""
        if of_one(handle, self._ended):
            return "the servo goal that asked for it has ended: send another servo goal"
        if self._goals:
            return "the arm belongs to an active servo goal: wait for its end or cancel it"
        return ""


def of_one(handle: ServerGoalHandle, goals: Iterable[bytes]) -> bool:
    """Was a goal sent by one of the servo's goals (16 bytes each)."""
    return bytes(handle.goal_id.uuid)[:12] in [goal[:12] for goal in goals]
