"""What the servo node publishes: twist, motion, status and feedback."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from numpy.typing import ArrayLike, NDArray
from rclpy.action.server import ServerGoalHandle
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from kovis_msgs.action import Servo
from kovis_msgs.msg import Motion as MotionMessage
from kovis_msgs.msg import ServoStatus
from kovis_ros import conversions
from kovis_ros.method.config import Task
from kovis_ros.method.loop import ServoLoop, State
from kovis_ros.method.motion import Motion, distance

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
ZERO = (0.0,) * 6
STATUS_PERIOD_S = 0.1
LONGEST_AGE_S = 1e6  # before the first image the age is infinite
FEEDBACK = {
    State.CONVERGING: Servo.Feedback.CONVERGING,
    State.PAUSED: Servo.Feedback.PAUSED,
    State.COMPLETING: Servo.Feedback.COMPLETING,
}


class ServoOutput:
    """Publishers of one servo node; ``frame``, tool0 or base, is that of twists."""

    def __init__(self, node: Node, task: Task, frame: str) -> None:
        self.node, self.task, self.frame = node, task, frame
        self.twists = node.create_publisher(TwistStamped, "twist", 1)
        self.motions = node.create_publisher(MotionMessage, "motion", 1)
        self.statuses = node.create_publisher(ServoStatus, "status", LATCHED)
        self._last_status: tuple[float, State] = (0.0, State.INVALID)

    def twist(self, twist: ArrayLike = ZERO, base_T_tcp: NDArray[np.float64] | None = None) -> None:
        """Send a twist (6,) of tool0 about the tcp, m/s and rad/s, stamped now; zero when left out.

        With ``frame`` base it is turned into those axes by the pose (4, 4); without a pose zero is sent.
        """
        sent = np.asarray(twist, float)
        if self.frame == "base":
            turn = np.zeros((3, 3)) if base_T_tcp is None else base_T_tcp[:3, :3]
            sent = np.concatenate([turn @ sent[:3], turn @ sent[3:]])
        self.twists.publish(conversions.twist_to_msg(sent, self._stamp(), self.frame))

    def motion(self, motion: Motion, stamp_ns: int) -> None:
        """Send the prediction for the image with this stamp."""
        left = distance(motion.speed, self.task.servo.label_slope)
        self.motions.publish(conversions.motion_to_msg(motion, self.task.axes, stamp_ns, left))

    def status(
        self, now: float, state: State, reason: str, loop: ServoLoop | None, goal: ServerGoalHandle | None, begun: float
    ) -> None:
        """Send status and feedback if the state has changed, and at 10 Hz."""
        if state == self._last_status[1] and 0.0 <= now - self._last_status[0] < STATUS_PERIOD_S:
            return
        self._last_status = now, state
        seen: dict[str, Any] = {"image_age": conversions.duration_to_msg(0.0)}
        if loop is not None:
            seen = {"speed": float(loop.speed), "confidence": float(loop.confidence)}
            seen["image_age"] = conversions.duration_to_msg(min(loop.age(now), LONGEST_AGE_S))
        header = conversions.header(self._stamp(), "tool0")
        self.statuses.publish(ServoStatus(header=header, code=int(state), message=reason, task=self.task.name, **seen))
        if goal is not None and loop is not None:
            first = Servo.Feedback.SERVOING if loop.images else Servo.Feedback.INITIAL_PERCEPTION
            elapsed = conversions.duration_to_msg(now - begun)
            goal.publish_feedback(Servo.Feedback(state=FEEDBACK.get(state, first), elapsed=elapsed, **seen))

    def flush(self) -> None:
        """Wait until the last twist has left; at most 0.2 s."""
        self.twists.wait_for_all_acked(Duration(seconds=0.2))

    def _stamp(self) -> int:
        return int(self.node.get_clock().now().nanoseconds)
