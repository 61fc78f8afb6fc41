"""The arm node: real rclpy, real ur_rtde, the simulated controller; every fault measured at the controller."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ur_cell import HOME, ROOT, Cell, new_address

pytest.importorskip("rclpy", reason="no ROS 2: run make setup")
pytest.importorskip("rtde_control", reason="ur_rtde is not installed: pip install 'kovis_ros[ur]'")
pytest.importorskip("kovis_msgs", reason="kovis_msgs is not built: run make setup")

import rclpy  # noqa: E402
from action_msgs.msg import GoalInfo, GoalStatus, GoalStatusArray  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from geometry_msgs.msg import PoseStamped, TwistStamped  # noqa: E402
from rcl_interfaces.msg import Log  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from unique_identifier_msgs.msg import UUID  # noqa: E402

from kovis_msgs.action import Gripper, MoveRelative  # noqa: E402
from kovis_msgs.msg import ArmStatus, ServoStatus  # noqa: E402
from kovis_ros import conversions  # noqa: E402
from kovis_ros.method import geometry  # noqa: E402
from kovis_ros.method.kinematics import forward  # noqa: E402

pytestmark = pytest.mark.ros
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


@pytest.fixture(scope="module")
def running():
    arm = Arm()
    yield arm
    arm.close()


@pytest.fixture
def arm(running):
    """Node and controller as they were at the start."""
    cell = running.cell
    cell.shared.report(0.0)
    cell.fault("slider", value=1.0)
    if cell.state()["safety_mode"] == "PROTECTIVE_STOP":
        time.sleep(0.25)
        cell.fault("unlock")
    if running.node.poll() is not None:
        running.start()
    running.spin(0.1)
    running.last.pop(ArmStatus, None)  # it may be from before
    running.until(lambda: running.ready, 30.0)
    cell.shared.reset(HOME, 0.085)
    running.spin(0.1)
    return running


def up(distance=0.03, speed=0.05, force_limit=0.0):
    goal = MoveRelative.Goal(distance=distance, speed=speed, force_limit=force_limit)
    goal.direction.linear.z = -1.0  # tool0 looks down
    return goal


def test_twist_of_the_tool_moves_the_arm_and_its_end_stops_it(arm):
    start = arm.cell.shared.read_arm().q
    last = arm.stream(1.0, (0.0, 0.0, -0.03, 0, 0, 0))
    # 0.1 s stale limit, then at most 150 ms to zero
    assert 0.02 < arm.cell.stopped_after(last) < STALE_S + AFTER_STALE_S
    moved = geometry.inverse(forward(start)) @ forward(arm.cell.shared.read_arm().q)
    assert 0.02 < -moved[2, 3] < 0.04  # about 1.1 s of 30 mm/s, up, in the tool's own axes
    np.testing.assert_allclose(moved[:2, 3], 0.0, atol=1e-3)
    arm.spin(0.1)
    joints, pose = arm.last[JointState], arm.last[PoseStamped]
    assert joints.name[0] == "shoulder_pan_joint"
    np.testing.assert_allclose(joints.position, arm.cell.shared.read_arm().q, atol=1e-9)
    tcp = (forward(joints.position) @ geometry.pose((0, 0, TCP)))[:3, 3]
    p = pose.pose.position
    np.testing.assert_allclose([p.x, p.y, p.z], tcp, atol=1e-6)
    assert pose.header.frame_id == "base"


def test_zero_twists_stop_at_once(arm):
    arm.begin_moving()
    moment = arm.stream(0.02, [0.0] * 6)
    arm.stream(0.5, [0.0] * 6)
    assert arm.cell.stopped_after(moment) < AFTER_STALE_S


@pytest.mark.parametrize(
    ("twist", "how", "kind", "line"),
    [
        ((0, 0, -0.03, 0, 0, float("nan")), {}, "frame or value", r"twist is \[.*nan\]: six finite numbers are needed"),
        ((0, 0, -0.03, 0, 0, 0), {"frame": "base"}, "frame or value", "twist is in frame 'base': 'tool0' is needed"),
        ((0, 0, -0.03, 0, 0, 0), {"age_s": 0.5}, "stale", r"twist is \d{3} ms old"),
        ((0, 0, -0.03, 0, 0, 0), {"age_s": -0.5}, "future", r"twist is stamped \d{3} ms in the future"),
    ],
    ids=["nan", "frame", "stale", "future"],
)
def test_twists_that_are_no_good_move_nothing_are_counted_and_told(arm, twist, how, kind, line):
    arm.lines.clear()
    arm.stream(0.4, twist, **how)
    arm.told(f"twist rejected: {line}", twist, **how)
    arm.spin(0.2)
    assert arm.cell.speed() == 0.0
    assert arm.cell.stopped_after(time.monotonic() - 0.6) == 0.0
    assert int(arm.diagnosed()[f"twists rejected, {kind}"]) > 5


def test_a_fast_twist_is_shrunk_counted_and_told_and_the_set_up_is_told(arm):
    arm.lines.clear()
    arm.stream(0.5, (0, 0, -0.5, 0, 0, 0))
    fastest = max(v for _, v, _ in arm.cell.fault("trace", seconds=0.5)["trace"])
    assert 0.045 < fastest < 0.0505
    line = r"twist of 0.50 m/s and 0.00 rad/s shrunk to 0.05 m/s and 0.00 rad/s: slow its sender down, or raise"
    arm.told(line, (0, 0, -0.5, 0, 0, 0))
    values = arm.diagnosed()
    assert int(values["clamped"]) > 5
    assert (values["robot_mode"], values["safety_mode"]) == ("7", "1")
    assert arm.cell.state()["watchdog_s"] == pytest.approx(0.1)
    assert (values["controller"], values["payload [kg]"]) == ("3.15.8", "1.00") and "0.16" in values[TCP_READ]


def test_gripper_reaches_holds_and_refuses(arm):
    status, result = arm.run(arm.gripper, Gripper.Goal(position=0.04))
    assert (status, result.reached, result.holding) == (GoalStatus.STATUS_SUCCEEDED, True, False)
    arm.cell.shared.report(0.0, 0.031)
    status, result = arm.run(arm.gripper, Gripper.Goal(position=0.0, force=0.5))
    assert (status, result.reached, result.holding) == (GoalStatus.STATUS_SUCCEEDED, False, True)
    status, result = arm.run(arm.gripper, Gripper.Goal(position=0.2))
    assert status == GoalStatus.STATUS_ABORTED and "position is 0.2000: give 0 to 0.085" in result.message


def test_relative_move_arrives_stops_at_force_and_is_cancelled(arm):
    status, result = arm.run(arm.move, up(0.03))
    assert (status, result.stopped_by) == (GoalStatus.STATUS_SUCCEEDED, MoveRelative.Result.NOTHING)
    assert result.travelled == pytest.approx(0.03, abs=5e-4)
    moved = geometry.inverse(forward(HOME)) @ forward(arm.cell.shared.read_arm().q)
    np.testing.assert_allclose(moved[:3, 3], [0, 0, -0.03], atol=5e-4)

    handle = arm.goal(arm.move, up(0.05, 0.02, 10.0))
    arm.spin(0.5)
    arm.cell.shared.report(15.0)
    status, result = arm.result(handle)
    assert (status, result.stopped_by) == (GoalStatus.STATUS_SUCCEEDED, MoveRelative.Result.FORCE)
    assert "15.0 N reached the limit of 10.0 N" in result.message and 0.0 < result.travelled < 0.04
    arm.cell.shared.report(0.0)

    handle = arm.goal(arm.move, up(0.05, 0.02))
    arm.spin(0.5)
    other = arm.goal(arm.move, up())
    assert not other.accepted  # one at a time
    moment = time.monotonic()
    arm.until(handle.cancel_goal_async().done)
    status, result = arm.result(handle)
    assert (status, result.stopped_by) == (GoalStatus.STATUS_CANCELED, MoveRelative.Result.CANCELLED)
    assert arm.cell.stopped_after(moment) < AFTER_KILL_S


def test_relative_moves_that_cannot_be_are_refused(arm):
    for goal, text in (
        (up(3.0), "cannot put tool0 at"),
        (up(-0.1), "distance is -0.1"),
        (up(speed=0.0), "speed is 0.0"),
        (MoveRelative.Goal(distance=0.1, speed=0.1), "has no finite length"),
    ):
        status, result = arm.run(arm.move, goal)
        assert (status, result.stopped_by) == (GoalStatus.STATUS_ABORTED, MoveRelative.Result.REFUSED)
        assert text in result.message
    assert arm.cell.stopped_after(time.monotonic() - 0.6) == 0.0


def test_only_the_active_servo_goal_may_use_gripper_and_moves(arm):
    owner = bytes(range(16))
    active = GoalStatus(goal_info=GoalInfo(goal_id=UUID(uuid=list(owner))), status=GoalStatus.STATUS_EXECUTING)
    arm.owners.publish(GoalStatusArray(status_list=[active]))
    arm.spin(0.3)
    for client, goal in ((arm.move, up()), (arm.gripper, Gripper.Goal(position=0.05))):
        status, result = arm.run(client, goal)
        assert status == GoalStatus.STATUS_ABORTED and "belongs to an active servo goal" in result.message
    own = UUID(uuid=list(owner[:12]) + [0, 0, 0, 1])
    assert arm.run(arm.gripper, Gripper.Goal(position=0.05), own)[0] == GoalStatus.STATUS_SUCCEEDED
    arm.owners.publish(GoalStatusArray())
    arm.spin(0.3)
    assert arm.run(arm.gripper, Gripper.Goal(position=0.06))[0] == GoalStatus.STATUS_SUCCEEDED


def test_a_servo_that_was_started_again_frees_the_arm(arm):
    """That before was killed with a goal, and nobody tells that it is over; a status from before the goal does not."""
    goal, before = UUID(uuid=[7] * 16), arm.probe.get_clock().now().to_msg()
    accepted = arm.probe.get_clock().now().to_msg()
    active = GoalStatus(goal_info=GoalInfo(goal_id=goal, stamp=accepted), status=GoalStatus.STATUS_EXECUTING)
    arm.owners.publish(GoalStatusArray(status_list=[active]))
    for written, free in ((before, False), (arm.probe.get_clock().now().to_msg(), True)):
        arm.spin(0.2)
        status = ServoStatus(code=ServoStatus.IDLE)
        status.header.stamp = written
        arm.servo.publish(status)
        arm.spin(0.2)
        for client, goal in ((arm.gripper, Gripper.Goal(position=0.05)), (arm.move, up(0.01))):
            assert (arm.run(client, goal)[0] == GoalStatus.STATUS_SUCCEEDED) == free
    arm.owners.publish(GoalStatusArray())


def test_a_servos_relative_move_ends_when_the_servo_falls_silent(arm):
    owner = list(range(16))
    active = GoalStatus(goal_info=GoalInfo(goal_id=UUID(uuid=owner)), status=GoalStatus.STATUS_EXECUTING)
    arm.owners.publish(GoalStatusArray(status_list=[active]))
    arm.servo.publish(ServoStatus(code=ServoStatus.COMPLETING))
    arm.spin(0.2)
    handle = arm.goal(arm.move, up(0.09, 0.02), UUID(uuid=[*owner[:12], 0, 0, 0, 2]))
    for _ in range(10):
        last = time.monotonic()
        arm.servo.publish(ServoStatus(code=ServoStatus.COMPLETING))
        arm.spin(0.1)
    assert arm.cell.speed() > 0.015  # a servo that speaks is let be
    arm.servo.publish(ServoStatus(code=ServoStatus.IDLE))  # a new one, which knows nothing of the move
    status, result = arm.result(handle)
    arm.owners.publish(GoalStatusArray())
    assert (status, result.stopped_by) == (GoalStatus.STATUS_ABORTED, MoveRelative.Result.CANCELLED)
    assert "servo that asked for the move is silent" in result.message
    assert arm.cell.stopped_after(last) < 0.4 + AFTER_STALE_S  # owner_timeout_s


def test_stop_service_stops_and_holds(arm):
    arm.begin_moving()
    moment = time.monotonic()
    future = arm.stop_service.call_async(Trigger.Request())
    arm.stream(0.6)
    assert future.done() and future.result().success
    assert arm.cell.stopped_after(moment) < AFTER_KILL_S
    assert not arm.ready and "arm/stop" in arm.last[ArmStatus].message
    first = arm.last[ArmStatus].message
    arm.until(lambda: arm.ready)
    arm.stop_service.call_async(Trigger.Request())
    arm.until(lambda: not arm.ready)
    assert arm.last[ArmStatus].message != first  # a servo must see that it was called once more


@pytest.mark.parametrize("fault", ["protective_stop", "pendant_stop", "slider"])
def test_a_stop_at_the_robot_stops_and_nothing_resumes_by_itself(arm, fault):
    arm.begin_moving()
    moment = time.monotonic()
    arm.cell.fault(fault, **({"value": 0.0} if fault == "slider" else {}))
    arm.stream(1.0)
    assert arm.cell.stopped_after(moment) < AFTER_KILL_S
    status = arm.last[ArmStatus]
    assert not status.ready and status.message
    if fault == "slider":
        return
    if fault == "protective_stop":
        assert status.safety_mode == ArmStatus.SAFETY_PROTECTIVE_STOP and "unlock it on the pendant" in status.message
        arm.cell.fault("unlock")
    moment = time.monotonic()
    while not arm.last[ArmStatus].program_running:
        assert time.monotonic() < moment + 20.0, arm.story()
        arm.stream(0.2)
    arm.stream(0.5)  # the program was uploaded again and the twists go on, yet nothing may move
    assert not arm.ready and arm.cell.state()["watchdog_s"] == pytest.approx(0.1)
    assert arm.cell.stopped_after(moment, time.monotonic() - moment) == 0.0
    arm.begin_moving()


def test_a_relative_move_ends_with_a_protective_stop(arm):
    handle = arm.goal(arm.move, up(0.05, 0.02))
    arm.spin(0.5)
    arm.cell.shared.report(200.0)
    status, result = arm.result(handle)
    assert (status, result.stopped_by) == (GoalStatus.STATUS_ABORTED, MoveRelative.Result.ROBOT)
    assert "protective stop" in result.message


def test_emergency_stop_is_reported(arm):
    arm.begin_moving()
    moment = time.monotonic()
    arm.cell.fault("emergency_stop")
    arm.stream(0.6)
    assert arm.cell.stopped_after(moment) < AFTER_KILL_S
    assert arm.last[ArmStatus].safety_mode == ArmStatus.SAFETY_ROBOT_EMERGENCY_STOP
    values = arm.diagnosed()
    assert (values["robot_mode"], values["safety_mode"]) == ("3", "7")
    arm.cell.fault("release")
    arm.cell.fault("power", value="on")
    arm.until(lambda: arm.ready, 10.0)


def test_killed_node_is_stopped_by_the_controllers_watchdog(arm):
    arm.begin_moving()
    moment = time.monotonic()
    arm.node.kill()
    assert 0.05 < arm.cell.stopped_after(moment) < AFTER_KILL_S
    arm.node.wait()


def test_signals_leave_the_arm_standing(arm):
    for number in (signal.SIGINT, signal.SIGTERM):
        if arm.node.poll() is not None:
            arm.start()
        arm.begin_moving()
        moment = time.monotonic()
        arm.node.send_signal(number)
        code, errors = ended(arm.node)
        assert code == 0, errors
        assert arm.cell.stopped_after(moment) < AFTER_KILL_S
        assert arm.cell.state()["runtime"] == "STOPPED"  # the control program is gone, not just quiet


def test_a_lost_link_ends_the_node_and_the_arm_stands(arm):
    arm.begin_moving()
    moment = time.monotonic()
    arm.cell.fault("drop", seconds=0.0)
    code, errors = ended(arm.node)
    assert code == 4 and time.monotonic() - moment < 3.0
    assert len(lines := error_lines(errors)) == 1 and "check cable and controller" in lines[0]
    assert arm.cell.stopped_after(moment) < AFTER_KILL_S


def test_a_frozen_controller_ends_the_node_and_wakes_up_standing(arm):
    arm.begin_moving()
    before = arm.cell.shared.read_arm()
    os.kill(arm.cell.process.pid, signal.SIGSTOP)
    try:
        code, errors = ended(arm.node)
    finally:
        os.kill(arm.cell.process.pid, signal.SIGCONT)
    assert code == 4 and len(lines := error_lines(errors)) == 1
    assert "silent for" in lines[0] or "no answer" in lines[0]
    time.sleep(0.3)
    after = arm.cell.shared.read_arm()
    assert not any(after.qd)
    assert np.linalg.norm(forward(after.q)[:3, 3] - forward(before.q)[:3, 3]) < 0.003


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ([], "check robot_ip"),
        (["-p", "arm:=ur7"], "choose from ur3, ur5"),
        (["-p", "robot_port:=3"], "parameter 'robot_port' is unknown: known are robot_ip"),
        (["-p", "max_linear_mps:=3.0"], "out of range: give 0.001 to 0.25"),
    ],
)
def test_what_is_wrong_at_the_start_is_one_line_within_seconds(parameters, text):
    start = time.monotonic()
    code, errors = ended(start_node(new_address(), *parameters), 60.0)
    assert code == 2 and time.monotonic() - start < 30.0  # nearly all of it is loading ROS on a busy machine
    assert len(lines := error_lines(errors)) == 1 and text in lines[0]
