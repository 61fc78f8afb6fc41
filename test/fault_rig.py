"""The real graph with an arm that really moves: the servo knows the truth, and both networks can be broken."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import rclpy
import small
from breakable_keypoint import FAINT
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from std_srvs.srv import Trigger

from kovis_msgs.msg import Keypoints
from kovis_ros import bringup
from kovis_ros.breaking import BreakableGraph
from kovis_ros.bringup.graph import identity
from kovis_ros.method import checkpoint
from kovis_ros.method.config import load_task
from kovis_ros.method.networks import Network

TEST = Path(__file__).parent
PROGRAMS = {"servo": TEST / "oracle_servo.py", "keypoint": TEST / "breakable_keypoint.py"}


class Rig(BreakableGraph):
    """A breakable graph whose networks can be told to give no numbers."""

    def __enter__(self):
        self.networks = self.client.create_publisher(String, "test/broken_network", 1)
        self.stopping = self.client.create_client(Trigger, "arm/stop")
        self.measured_s = 0.0
        self.faint: list[float] = []  # when keypoints came that say nothing
        self.client.create_subscription(Keypoints, "keypoints", self.look, 5)
        return super().__enter__()

    def break_network(self, node):
        """The network of this node gives no numbers from now on; "none" mends it."""
        moment = time.monotonic()
        self.networks.publish(String(data=node))
        return moment

    def look(self, message):
        """Remember when keypoints come in which the network has no confidence."""
        if max(point.confidence for point in message.left) <= FAINT:
            self.faint.append(time.monotonic())

    def lose_confidence(self):
        """Have the keypoint node's network lose its confidence; when that was first heard."""
        self.faint.clear()
        self.break_network("faint")
        self.client.until(lambda: bool(self.faint), 5.0, "keypoints without confidence")
        return self.faint[0]

    def stop_arm(self):
        """Call the stop service of the arm's node, which any other node may do, too."""
        moment = time.monotonic()
        self.stopping.call_async(Trigger.Request())
        return moment

    def measure(self, *arguments, **named):
        """As every breakable graph; remembers up to when the arm was watched."""
        measured = super().measure(*arguments, **named)
        self.measured_s = time.monotonic()
        return measured

    def rests(self):
        """Has the arm been at rest since it was measured, now that all is mended and it would follow twists?"""
        self.mend()
        self.client.until(lambda: self.client.arm_ready, 30.0, "arm that is ready")
        self.client.pause(0.2)
        return self.channel.stop_after(self.measured_s).zero_s == 0.0

    def interrupt(self):
        """Ctrl-C in the terminal of the whole graph; the robot's controller is no part of it."""
        moment = time.monotonic()
        self.signal_to([p.name for p in self.supervisor.processes if p.executable], signal.SIGINT)
        return moment


@contextmanager
def running(folder: Path) -> Iterator[Rig]:
    """The graph of pick_mug: shipped weights for the keypoint node, untrained ones as long as there are none."""
    task = load_task("pick_mug")
    given = {"task": task.name, "checkpoint": "" if checkpoint.shipped(task.name) else untrained(folder)}
    processes = [played(process) for process in bringup.graph(given)]
    address = identity(bringup.settle(given))[1]
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        with Rig(task, "/kovis", address, processes, folder / "logs") as rig:
            yield rig
    finally:
        rclpy.try_shutdown()


def played(process):
    """The servo and keypoint nodes with the tests' networks in them."""
    program = PROGRAMS.get(process.name)
    return replace(process, command=("python3", str(program))) if program else process


def untrained(folder: Path) -> str:
    """Path of a checkpoint of random weights, of a small network: what it sees is of no use, so it may be quick."""
    path, task = folder / "untrained.safetensors", small.task()
    checkpoint.save(path, task, Network(task))
    return str(path)
