"""What the servo node knows of the arm: its pose and its status, as far as they are fresh."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node

from kovis_msgs.msg import ArmStatus
from kovis_ros import conversions
from kovis_ros.drivers.arm_loop import JOINED
from kovis_ros.nodes.alignment import SAFETY_STOPS, ArmView

STATUS_TIMEOUT_S = 1.0  # it comes at 10 Hz
STATUSES = 20  # kept while this node is busy: not one of `STATUS_TIMEOUT_S` may be missed
GONE = f"no arm_status for {STATUS_TIMEOUT_S} s: check the arm node"
UNREADY = "the arm is not ready: look at arm_status"


class ArmWatch:
    """Subscribes to ``tcp_pose`` and ``arm_status``; ages are by the time of receipt on ``now``."""

    def __init__(self, node: Node, now: Callable[[], float], pose_timeout_s: float, required: bool) -> None:
        self.node, self.now, self.pose_timeout_s, self.required = node, now, pose_timeout_s, required
        self._pose: tuple[Any, float] | None = None
        self._status: tuple[ArmStatus, float] | None = None
        self._stop = ""
        node.create_subscription(PoseStamped, "tcp_pose", self._on_pose, 1)
        node.create_subscription(ArmStatus, "arm_status", self._on_status, STATUSES)

    def begin(self) -> None:
        """A goal begins: what the arm is not ready for by now, as at its start, the goal may wait for.

        So it may for the first word of a node in the place of one that is gone.
        """
        self._stop = ""
        if self._status and self.now() - self._status[1] > STATUS_TIMEOUT_S:
            self._status = None

    def view(self) -> ArmView:
        """Pose and readiness now; without ``required`` the arm is never at fault.

        An arm that ceased to be ready since ``begin``, for however short a time, a safety stop, a control program that
        was stopped and an arm node that is gone count as ``stopped``: all of them mend without a word from whoever sent
        the goal, so the goal must not outlive them.
        """
        now = self.now()
        if self.required and self._status and now - self._status[1] > STATUS_TIMEOUT_S:
            return ArmView(None, GONE, stopped=True)
        pose = self._pose[0] if self._pose and now - self._pose[1] <= self.pose_timeout_s else None
        if not self.required:
            return ArmView(pose, "")
        if self._stop:
            return ArmView(pose, self._stop, stopped=True)
        if pose is None:
            return ArmView(None, f"no tcp_pose for {self.pose_timeout_s} s: check the arm node")
        if self._status is None:
            return ArmView(pose, "no arm_status yet: check the arm node")
        status = self._status[0]
        stopped = status.safety_mode in SAFETY_STOPS or not status.program_running
        fault = "" if status.ready and not stopped else (status.message or UNREADY)
        return ArmView(pose, fault, stopped)

    def _on_pose(self, message: PoseStamped) -> None:
        try:
            self._pose = conversions.pose_from_msg(message, "base"), self.now()
        except ValueError as error:
            self.node.get_logger().warning(f"tcp_pose rejected: {error}", throttle_duration_sec=5.0)

    def _on_status(self, message: ArmStatus) -> None:
        """Remember a new reason not to move until the next ``begin``: the arm may be ready again at the next look.

        That the arm's node has just found a sender of twists, perhaps this one, is no reason: then nothing moves yet.
        """
        before, now = self._status, self.now()
        self._status = message, now
        if before is None:
            return
        new = before[0].ready or message.message != before[0].message
        if now - before[1] > STATUS_TIMEOUT_S:
            self._stop = GONE
        elif new and not message.ready and message.message != JOINED:
            self._stop = message.message or UNREADY
