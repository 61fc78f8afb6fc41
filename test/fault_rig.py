"""The whole graph in simulation, broken on purpose; one graph serves many faults and mends itself between them."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import rclpy
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from kovis_ros import bringup
from kovis_ros.bringup.graph import identity
from kovis_ros.bringup.supervisor import Supervisor
from kovis_ros.method import checkpoint
from kovis_ros.method.config import load_task
from kovis_ros.method.networks import Network
from kovis_ros.nodes.fault_trials import FaultTrials
from kovis_ros.nodes.trials import TrialError
from kovis_sim.breaker import FAULTS, Breaker
from kovis_sim.ur_controller.side_channel import SideChannel

TEST = Path(__file__).parent
PROGRAMS = {"servo": TEST / "oracle_servo.py", "keypoint": TEST / "breakable_keypoint.py"}
UNLOCK_S, RECOVERY_S = 0.3, 0.5
WATCH_S = 2.0
READY_S = 90.0
TRIES = 3
SEED = 2


class Measured(NamedTuple):
    """One fault, measured at the controller."""

    fault: str
    zero_s: float  # from the fault to zero speed of the tool
    late_s: float  # of that, beyond the limit after which what is missing is stale
    still_s: float  # from there to standstill of the simulated arm; NaN where the cell's node was killed, too
    watched_s: float
    message: str  # of the servo's result


class Graph:
    """Graph, client and breaker.  The arm really moves: the servo knows the truth (``oracle_servo``)."""

    def __init__(self, folder: Path) -> None:
        self.task = load_task("pick_mug")
        given = {"task": "pick_mug", "checkpoint": weights(self.task, folder)}
        self.channel = SideChannel(identity(bringup.settle(given))[1])
        self.supervisor = Supervisor([breakable(p) for p in bringup.graph(given)], folder / "logs")
        self.supervisor.__enter__()
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        try:
            self.client = FaultTrials(self.task, "/kovis", self.channel.speed, self.supervisor.check)
            self.networks = self.client.create_publisher(String, "test/broken_network", 1)
            self.breaker = Breaker(self.channel, self.signal_to, self.client.break_camera)
            self.supervisor.wait_ready(READY_S)
            self.client.wait_for_graph()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if hasattr(self, "client"):
            self.client.close()
        rclpy.try_shutdown()
        self.supervisor.stop()

    def signal_to(self, names, number):
        """To all of them at once, as far as they run."""
        for child in self.supervisor.children:
            if child.process.name in names and child.popen.poll() is None:
                child.popen.send_signal(number)

    def break_network(self, node):
        """The network of this node gives no numbers from now on; "none" mends it."""
        self.networks.publish(String(data=node))

    def under_way(self, complete=False, seed=SEED):
        """A goal whose arm moves; tried again, since a busy machine may leave the first goal without images."""
        self.mended()
        for attempt in range(TRIES):
            try:
                return self.client.under_way(seed, complete)
            except TrialError:
                if attempt == TRIES - 1:
                    raise
                self.mended()

    def mended(self):
        """Everything runs, nothing is broken."""
        self.client.break_camera("none")
        self.break_network("none")
        killed = not all(self.runs(child) for child in self.supervisor.children)
        self.client.until(lambda: all(map(self.runs, self.supervisor.children)), READY_S, "restart of the graph")
        self.client.pause(1.0 if killed else 0.1)  # until everybody has found the new ones
        if self.channel.ask("state")["safety_mode"] == "PROTECTIVE_STOP":
            self.client.pause(UNLOCK_S)
            self.channel.ask("unlock")
        self.channel.ask("slider", value=1.0)

    @staticmethod
    def runs(child):
        return child.look() is None and child.ready

    def measure(self, name, moment_s, stale_s=0.0):
        """Watch for a while and measure; ``stale_s`` counts from the last image of use if that is what goes stale."""
        self.client.pause(max(0.0, moment_s + stale_s + WATCH_S + 0.1 - time.monotonic()))
        stop = self.channel.stop_after(moment_s)
        due_s = moment_s + stale_s
        still_s = self.client.still_after(due_s)
        return Measured(name, stop.zero_s, max(0.0, stop.zero_s - (due_s - moment_s)), still_s, stop.watched_s, "")

    def ended(self, handle):
        """How the goal ended; it is cancelled if it has not."""
        if handle.status < 4:
            handle.cancel_goal_async()
        return self.client.result(handle)


def breakable(process):
    """The process as the tests need it: restarted when it is killed, quick to recover, with a network we can break."""
    process = replace(process, restart=process.name != "ur_controller", required=process.name == "ur_controller")
    if process.name in PROGRAMS:
        return replace(process, command=("python3", str(PROGRAMS[process.name])))
    if process.name == "ur_controller":
        return replace(process, command=(*process.command, "--unlock-after", str(UNLOCK_S)))
    if process.name == "ur5":
        return replace(process, parameters={**process.parameters, "recovery_s": RECOVERY_S})
    return process


def weights(task, folder):
    """Path of a checkpoint for the keypoint node: none where weights are shipped, else untrained ones."""
    if checkpoint.shipped(task.name):
        return ""
    path = folder / "untrained.safetensors"
    checkpoint.save(path, task, Network(task))
    return str(path)


def interrupt(graph):
    """Ctrl-C in the terminal of the whole graph; the robot's controller is no part of it."""
    names = [child.process.name for child in graph.supervisor.children if child.process.executable]
    moment = time.monotonic()
    graph.signal_to(names, signal.SIGINT)
    return moment


BY_NAME = {fault.name: fault for fault in FAULTS}
