"""How the arm node starts: what is wrong with the robot is one line, and bring-up starts it again after a lost link."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from ur_cell import ROOT, Cell, SideChannel, new_address

pytest.importorskip("rclpy", reason="no ROS 2: run make setup")
pytest.importorskip("rtde_control", reason="ur_rtde is not installed: pip install 'kovis_ros[ur]'")
pytest.importorskip("kovis_msgs", reason="kovis_msgs is not built: run make setup")

from geometry_msgs.msg import TwistStamped  # noqa: E402

from kovis_ros.bringup import graph  # noqa: E402
from kovis_ros.bringup.supervisor import Supervisor  # noqa: E402

pytestmark = pytest.mark.ros


@pytest.mark.parametrize(
    ("options", "fault", "parameters", "text"),
    [
        (["--power-off"], {}, [], "robot mode is power off: power the arm on and release its brakes"),
        (["--firmware", "3.3.4"], {}, [], "has version 3.3.4: 3.4 or newer (CB3) or 5.4 or newer is needed"),
        (["--payload", "3.0"], {}, [], "payload of the controller is 3.00 kg, payload_kg asks for 1.00"),
        ([], {"do": "claim", "value": True}, [], "are in use: stop who holds them, likely another ur5 node"),
        ([], {"do": "protective_stop"}, [], "protective stop: look for the cause, then unlock it on the pendant"),
        (["--arm", "ur5e"], {}, [], "5.12.6 (e-Series), and arm is ur5 (CB3): correct the parameter arm or robot_ip"),
        (
            ["--arm", "ur5e", "--local-control"],
            {},
            ["-p", "arm:=ur5e"],
            "is not in remote control: switch it to remote",
        ),
    ],
    ids=["power", "version", "payload", "registers", "stop", "series", "local"],
)
def test_what_is_wrong_with_the_robot_is_one_line_and_moves_nothing(ros_domain, options, fault, parameters, text):
    command = [sys.executable, "-m", "kovis_ros.nodes.ur5", "--ros-args", "-r", "__ns:=/kovis", *parameters]
    with Cell(*options) as cell:
        if fault:
            cell.fault(**fault)
        asked = ["-p", f"robot_ip:={cell.address}"]
        answer = subprocess.run([*command, *asked], cwd=ROOT, capture_output=True, text=True, timeout=100)
        assert answer.returncode == 2, answer.stderr
        (line,) = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
        assert text in line and "Traceback" not in answer.stderr
        state = cell.state()
        assert state["runtime"] == "STOPPED" and not any(state["qd"])


class Twists:
    """Sends a twist at 50 Hz from a thread while `sending`."""

    def __init__(self, node):
        self.node, self.sending, self.ended = node, threading.Event(), threading.Event()
        self.publisher = node.create_publisher(TwistStamped, "/kovis/twist", 1)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        message = TwistStamped()
        message.header.frame_id, message.twist.linear.z = "tool0", -0.02
        while not self.ended.wait(0.02):
            if self.sending.is_set():
                message.header.stamp = self.node.get_clock().now().to_msg()
                self.publisher.publish(message)

    def close(self):
        self.ended.set()
        self.thread.join()


@pytest.mark.slow
def test_bringup_starts_the_arm_again_after_a_lost_link_and_nothing_moves_by_itself(ros_domain, ros_node, tmp_path):
    cell, twists = SideChannel(new_address()), Twists(ros_node)
    processes = [p for p in graph({"robot_ip": cell.address}) if p.name in ("ur_controller", "ur5")]

    def until(what, seconds=100.0):
        deadline = time.monotonic() + seconds
        while not what():
            supervisor.check()
            assert time.monotonic() < deadline, supervisor.children[1].tail()
            time.sleep(0.02)

    def pause_until_it_moves():
        """A pause counts from when the arm's node has found the sender, which it may do in the middle of one."""
        for _ in range(20):
            twists.sending.clear()
            time.sleep(0.6)
            twists.sending.set()
            deadline = time.monotonic() + 1.0
            while time.monotonic() < deadline:
                supervisor.check()
                if cell.speed() > 0.015:
                    return
                time.sleep(0.02)
        raise AssertionError(supervisor.children[1].tail())

    try:
        with Supervisor(processes, tmp_path) as supervisor:
            supervisor.wait_ready(100.0)
            arm = supervisor.children[1]
            pause_until_it_moves()
            moment = time.monotonic()
            cell.fault("drop", seconds=0.5)
            until(lambda: arm.popen.poll() is not None, 10.0)
            assert arm.popen.returncode == 4 and cell.stopped_after(moment) < 0.25
            until(lambda: arm.restarts >= 1 and arm.ready)
            assert "check cable and controller" in arm.log.read_text()
            moment = time.monotonic()
            time.sleep(1.0)  # the twists never paused
            assert cell.stopped_after(moment, 1.0) == 0.0
            pause_until_it_moves()
    finally:
        twists.close()
