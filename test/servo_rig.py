"""A servo node in this process, with a policy, an arm and a camera that the test plays."""

from __future__ import annotations

import time

import numpy as np
import rclpy
from action_msgs.msg import GoalStatus
from geometry_msgs.msg import TwistStamped
from rclpy.action import ActionClient, ActionServer
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import SetBool, Trigger

from kovis_msgs.action import Gripper, MoveRelative, Servo
from kovis_msgs.msg import ArmStatus, Keypoints, ServoStatus
from kovis_ros import conversions
from kovis_ros.method import geometry
from kovis_ros.method.config import load_task
from kovis_ros.method.images import Crop, StereoKeypoints
from kovis_ros.method.motion import Motion
from kovis_ros.nodes.servo import ServoNode

POSE = geometry.pose((0.5, 0.0, 0.3), geometry.rotation((np.pi, 0, 0)))
POINTS = np.column_stack([np.linspace(10, 100, 10), np.linspace(20, 90, 10), np.full(10, 0.9)]).astype(np.float32)


class PlayedPolicy:
    """A policy whose answer the test sets."""

    def __init__(self, *_):
        self.task = load_task("pick_mug")
        self.answer = Motion(AHEAD, 1.0, 0.9)

    def expect(self, task):
        assert task.name == self.task.name

    def motion(self, keypoints):
        return self.answer


class Rig:
    """Spins the servo node and its surroundings together; images come at 30 Hz while ``camera`` is on."""

    def __init__(self, domain, servo=True, **parameters):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.servo = self.policy = None
        if servo:
            self.servo = ServoNode(load=PlayedPolicy, context=self.context, parameter_overrides=overrides)
            self.policy = self.servo.policy
        self.node = rclpy.create_node("surroundings", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes = [node for node in (self.servo, self.node) if node]
        for node in self.nodes:
            self.executor.add_node(node)
        self.camera, self.arm = True, True
        self.stamp_offset_s, self.points, self.pose = 0.0, POINTS, POSE
        self.safety, self.ready, self.program = ArmStatus.SAFETY_NORMAL, True, True
        self.trouble = "arm says no"
        self.twists, self.states, self.moves = [], [], []
        self.sent_s, self.shot_s = [], 0.0  # by their stamps: every twist, and the last image
        self._wire()

    def _wire(self):
        node = self.node
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.keypoints = node.create_publisher(Keypoints, "keypoints", 1)
        self.poses = node.create_publisher(conversions.pose_to_msg(POSE, 0, "base").__class__, "tcp_pose", 1)
        self.statuses = node.create_publisher(ArmStatus, "arm_status", 1)
        node.create_subscription(TwistStamped, "twist", self._on_twist, 10)
        node.create_subscription(ServoStatus, "status", lambda m: self.states.append(m.code), latched)
        node.create_timer(1 / 30, self._shoot)
        node.create_timer(1 / 50, self.report)
        self.client = ActionClient(node, Servo, "servo")
        self.pausing = node.create_client(SetBool, "servo/pause")
        self.stopping = node.create_client(Trigger, "servo/stop")

    def serve_arm(self, reached=True):
        """The arm's two actions; every goal is remembered."""

        def gripper(handle):
            self.moves.append(("gripper", round(handle.request.position, 3), bytes(handle.goal_id.uuid)))
            handle.succeed()
            return Gripper.Result(reached=reached, message="" if reached else "fingers are stuck")

        def move(handle):
            self.moves.append(("move", round(handle.request.distance, 3), bytes(handle.goal_id.uuid)))
            handle.succeed()
            return MoveRelative.Result(travelled=handle.request.distance)

        self.servers = (
            ActionServer(self.node, Gripper, "gripper", gripper),
            ActionServer(self.node, MoveRelative, "move_relative", move),
        )

    def _on_twist(self, message):
        self.twists.append((time.monotonic(), conversions.twist_from_msg(message)))
        self.sent_s.append(conversions.stamp_from_msg(message.header.stamp) * 1e-9)

    def _shoot(self):
        if self.camera:
            now = self.node.get_clock().now().nanoseconds
            stamp = now + round(self.stamp_offset_s * 1e9)
            self.shot_s = stamp * 1e-9
            points = StereoKeypoints(self.points, self.points - [8, 0, 0], (128, 128), Crop(-0.5, -0.5, 128.0))
            header = conversions.header(stamp, "camera")
            self.keypoints.publish(conversions.keypoints_to_msg(points, header, "pick_mug", now))

    def report(self):
        """What the arm says of itself, also between the periods."""
        if self.arm:
            now = self.node.get_clock().now().nanoseconds
            self.poses.publish(conversions.pose_to_msg(self.pose, now, "base"))
            status = ArmStatus(ready=self.ready, safety_mode=self.safety, message="" if self.ready else self.trouble)
            status.program_running = self.program
            self.statuses.publish(status)

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.01)

    def until(self, condition, seconds=5.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "condition never came true"
            self.executor.spin_once(timeout_sec=0.01)

    def answer(self, future, seconds=5.0):
        self.until(future.done, seconds)
        return future.result()

    def send(self, **goal):
        """An accepted or rejected goal handle."""
        self.until(self.client.server_is_ready)
        return self.answer(self.client.send_goal_async(Servo.Goal(**goal)))

    def result(self, handle, seconds=8.0):
        """(status, result) of a goal."""
        found = self.answer(handle.get_result_async(), seconds)
        return found.status, found.result

    def speed(self):
        """Length of the newest twist's translation in m/s."""
        return float(np.linalg.norm(self.twists[-1][1][:3])) if self.twists else 0.0

    def servoing(self, **goal):
        """A goal under way at speed."""
        handle = self.send(**goal)
        assert handle.accepted
        self.until(lambda: self.speed() > 0.015)
        return handle

    def stays_zero(self, seconds=0.3):
        """From now on nothing but zeros, and at least one of them was the last word."""
        self.spin(0.05)
        count = len(self.twists)
        self.spin(seconds)
        return not self.twists[-1][1].any() and not any(twist.any() for _, twist in self.twists[count:])

    def close(self):
        if self.servo:
            self.servo.stop()
        self.spin(0.05)
        self.executor.shutdown(timeout_sec=0.5)
        for node in self.nodes:
            node.destroy_node()
        rclpy.try_shutdown(context=self.context)


ABORTED, CANCELED, SUCCEEDED = GoalStatus.STATUS_ABORTED, GoalStatus.STATUS_CANCELED, GoalStatus.STATUS_SUCCEEDED
AHEAD = np.array([1, 0, 0, 0], np.float32)  # direction of x, y, z, rz
