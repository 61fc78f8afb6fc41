"""The arm node on a simulated controller of its own, and a client of both, for the tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest
from ur_cell import HOME, ROOT, Cell

pytest.importorskip("rclpy", reason="no ROS 2: run make setup")
pytest.importorskip("rtde_control", reason="ur_rtde is not installed: pip install 'kovis_ros[ur]'")
pytest.importorskip("kovis_msgs", reason="kovis_msgs is not built: run make setup")

import rclpy  # noqa: E402
from action_msgs.msg import GoalStatusArray  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from geometry_msgs.msg import PoseStamped, TwistStamped  # noqa: E402
from rcl_interfaces.msg import Log  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from kovis_msgs.action import Gripper, MoveRelative  # noqa: E402
from kovis_msgs.msg import ArmStatus, ServoStatus  # noqa: E402
from kovis_ros import conversions  # noqa: E402

DOMAIN = 1 + (os.getpid() * 7) % 100
TCP, TCP_READ = 0.16, "TCP [m, rotation vector]"
STALE_S, AFTER_STALE_S, AFTER_KILL_S = 0.1, 0.15, 0.25
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Arm:
    """A cell, its arm node, and a client of both."""

    def __init__(self):
        self.cell = Cell("--tcp-offset", str(TCP), "--unlock-after", "0.2", "--q", *map(str, HOME))
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=DOMAIN)
        self.probe = rclpy.create_node("probe", context=self.context, namespace="kovis")
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.probe)
        self.last = {}
        topics = {JointState: "/joint_states", PoseStamped: "tcp_pose", DiagnosticArray: "/diagnostics"}
        for kind, topic in topics.items():
            self.probe.create_subscription(kind, topic, lambda m, k=kind: self.last.update({k: m}), 1)
        self.probe.create_subscription(ArmStatus, "arm_status", lambda m: self.last.update({ArmStatus: m}), LATCHED)
        self.lines = []
        self.probe.create_subscription(Log, "/rosout", lambda m: self.lines.append(m.msg), 50)
        self.twists = self.probe.create_publisher(TwistStamped, "twist", 1)
        self.owners = self.probe.create_publisher(GoalStatusArray, "servo/_action/status", LATCHED)
        self.servo = self.probe.create_publisher(ServoStatus, "status", 1)
        self.gripper = ActionClient(self.probe, Gripper, "gripper")
        self.move = ActionClient(self.probe, MoveRelative, "move_relative")
        self.stop_service = self.probe.create_client(Trigger, "arm/stop")
        self.node = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        self.last.clear()
        self.begun_ns = time.time_ns()
        self.node = start_node(self.cell.address, "-p", f"tcp_offset_m:={TCP}", "-p", "recovery_s:=0.5")
        self.until(lambda: self.ready, 60.0)
        self.send([0.0] * 6)  # a sender that was heard need not be waited for
        self.until(lambda: self.twists.get_subscription_count() > 0 and self.move.server_is_ready(), 30.0)
        self.until(lambda: int(self.diagnosed()["senders of twists at the start"]) > 0, 40.0)
        self.stream(0.2, [0.0] * 6)  # it holds when it finds this sender, until it hears it pause
        self.until(lambda: self.ready, 30.0)

    def restore(self):
        """Node and controller as they were at the start."""
        self.cell.shared.report(0.0)
        self.cell.fault("slider", value=1.0)
        if self.cell.state()["safety_mode"] == "PROTECTIVE_STOP":
            time.sleep(0.25)
            self.cell.fault("unlock")
        if self.node.poll() is not None:
            self.start()
        self.spin(0.1)
        self.last.pop(ArmStatus, None)  # it may be from before
        self.until(lambda: self.ready, 30.0)
        self.cell.shared.reset(HOME, 0.085)
        self.spin(0.1)

    def heard(self, kind):
        """The last message of a kind; not one that the node before this one left in the queue."""
        message = self.last.get(kind)
        return message if message and conversions.stamp_from_msg(message.header.stamp) > self.begun_ns else None

    @property
    def ready(self):
        status = self.heard(ArmStatus)
        return status is not None and status.ready

    def close(self):
        if self.node.poll() is None:
            self.node.kill()
        self.node.wait()
        self.executor.shutdown()
        rclpy.try_shutdown(context=self.context)
        self.cell.__exit__()

    def spin(self, seconds):
        self.until(lambda: False, seconds, fail=False)

    def until(self, what, seconds=10.0, fail=True):
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                assert not fail, f"never came: {self.story()}"
                return
            self.executor.spin_once(timeout_sec=0.005)

    def diagnosed(self):
        """Values by name of the next report."""
        self.last.pop(DiagnosticArray, None)
        self.until(lambda: self.heard(DiagnosticArray) is not None, 30.0)
        return {v.key: v.value for s in self.last[DiagnosticArray].status for v in s.values}

    def story(self):
        """What there is to know when something did not happen."""
        died = "" if self.node.poll() is None else f"node ended with {self.node.returncode}: {self.node.stderr.read()}"
        return f"{died} last status {self.last.get(ArmStatus)}, controller {self.cell.state()}"

    def send(self, twist, frame="tool0", age_s=0.0):
        message = TwistStamped()
        stamp = self.probe.get_clock().now() - rclpy.duration.Duration(seconds=age_s)
        message.header.stamp, message.header.frame_id = stamp.to_msg(), frame
        v, w = message.twist.linear, message.twist.angular
        v.x, v.y, v.z, w.x, w.y, w.z = map(float, twist)
        self.twists.publish(message)
        return time.monotonic()

    def stream(self, seconds, twist=(0, 0, -0.03, 0, 0, 0), **how):
        """Send at 50 Hz; the moment of the last one."""
        deadline, last = time.monotonic() + seconds, 0.0
        while time.monotonic() < deadline:
            last = self.send(twist, **how)
            self.spin(0.02)
        return last

    def told(self, pattern, twist, **how):
        """Stream until the node's log has such a line, which it may hold back for a second."""
        deadline = time.monotonic() + 10.0
        while not any(re.match(pattern, line) for line in self.lines):
            assert time.monotonic() < deadline, (pattern, self.lines)
            self.stream(0.1, twist, **how)

    def begin_moving(self):
        """Stream until the arm moves; pause when the node asks for it, as when it finds this sender only now."""
        deadline = time.monotonic() + 45.0
        while self.cell.speed() < 0.025:
            assert time.monotonic() < deadline, self.story()
            self.until(lambda: self.ready, 30.0)
            self.stream(0.1)

    def goal(self, client, goal, uuid=None):
        """Handle of an accepted goal."""
        future = client.send_goal_async(goal, goal_uuid=uuid)
        self.until(future.done)
        return future.result()

    def result(self, handle):
        future = handle.get_result_async()
        self.until(future.done, 20.0)
        return future.result().status, future.result().result

    def run(self, client, goal, uuid=None):
        return self.result(self.goal(client, goal, uuid))


def start_node(address, *parameters):
    command = [sys.executable, "-m", "kovis_ros.nodes.ur5", "--ros-args", "-r", "__ns:=/kovis"]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)}
    return subprocess.Popen(
        [*command, "-p", f"robot_ip:={address}", *parameters],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(node, timeout_s=10.0):
    """Exit code and what was written to stderr."""
    _, errors = node.communicate(timeout=timeout_s)
    return node.returncode, errors


def error_lines(errors):
    return [line for line in errors.splitlines() if line.startswith("error: ")]


def up(distance=0.03, speed=0.05, force_limit=0.0):
    goal = MoveRelative.Goal(distance=distance, speed=speed, force_limit=force_limit)
    goal.direction.linear.z = -1.0  # tool0 looks down
    return goal
