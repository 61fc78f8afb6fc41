"""What the arm node publishes: joint states, pose of the tcp, status; from a thread of its own.

Beside a network on the same cores publishing took 2.2 ms (90th percentile), a quarter of the arm's period.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState

from kovis_msgs.msg import ArmStatus
from kovis_ros import conversions
from kovis_ros.drivers.arm import Reading
from kovis_ros.method.kinematics import JOINT_NAMES

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
PERIODS = 2  # of the arm for each message: 62.5 Hz
STATUS_PERIOD_S = 0.1


class Seen(NamedTuple):
    """What the arm's thread found out in one period."""

    reading: Reading
    trouble: str  # why a twist would not move the arm; empty if it would
    now_s: float  # when, monotonic


class ArmOutput:
    """Publishers and their thread. A reading is published once: where readings end, so do poses."""

    def __init__(self, node: Node, before_status: Callable[[], None], failed: Callable[[str], object]) -> None:
        self.node, self.before_status, self.failed = node, before_status, failed
        self.joint_states = node.create_publisher(JointState, "/joint_states", 1)
        self.poses = node.create_publisher(PoseStamped, "tcp_pose", 1)
        self.statuses = node.create_publisher(ArmStatus, "arm_status", LATCHED)
        self._joints = JointState(name=list(JOINT_NAMES))
        self._status: tuple[Any, ...] = ()
        self._status_s, self._count = 0.0, 0
        self._seen: Seen | None = None
        self._fresh, self._stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="publish", daemon=True)

    def start(self) -> None:
        """Publish from now on."""
        self._thread.start()

    def show(self, seen: Seen) -> None:
        """Hand over one period; does not wait."""
        self._count += 1
        if self._count % PERIODS == 0:
            self._seen = seen
            self._fresh.set()

    def stop(self) -> None:
        """Publish nothing any more."""
        self._stopping = True
        self._fresh.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _run(self) -> None:
        try:
            while self._fresh.wait() and not self._stopping:
                self._fresh.clear()
                if self._seen is not None:
                    self._publish(self._seen)
        except Exception as error:
            self.failed(f"cannot publish the arm's state: {type(error).__name__}: {error}")

    def _publish(self, seen: Seen) -> None:
        reading, age_s = seen.reading, time.monotonic() - seen.now_s
        stamp_ns = self.node.get_clock().now().nanoseconds - int(1e9 * age_s)
        pose = conversions.pose_to_msg(reading.pose(), stamp_ns, "base")
        joints = self._joints
        joints.header.stamp, joints.position, joints.velocity = pose.header.stamp, reading.q, reading.qd
        self.joint_states.publish(joints)
        self.poses.publish(pose)
        moving = any(abs(value) > 1e-4 for value in reading.speed)
        status = (reading.robot_mode, reading.safety_mode, reading.program_running, seen.trouble, moving)
        if status != self._status or seen.now_s - self._status_s > STATUS_PERIOD_S:
            self._status, self._status_s = status, seen.now_s
            self.before_status()
            self.statuses.publish(_status_message(seen, moving, pose.header.stamp))


def _status_message(seen: Seen, moving: bool, stamp: Any) -> ArmStatus:
    reading = seen.reading
    message = ArmStatus(robot_mode=reading.robot_mode, safety_mode=reading.safety_mode, ready=not seen.trouble)
    message.header.stamp, message.header.frame_id = stamp, "base"
    message.moving, message.program_running = moving, reading.program_running
    message.speed_scaling, message.message = float(reading.speed_scaling), seen.trouble
    return message
