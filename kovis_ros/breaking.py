"""The whole graph in simulation, broken on purpose; it mends itself between faults. For tests and ``kovis soak``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rclpy.action.client import ClientGoalHandle

from kovis_msgs.action import Servo
from kovis_ros.bringup.graph import Process
from kovis_ros.bringup.supervisor import Child, Supervisor
from kovis_ros.method.config import Task
from kovis_ros.nodes.fault_trials import MOVING_MPS, FaultTrials
from kovis_ros.nodes.trials import TrialError
from kovis_sim.breaker import STALE_S, Breaker, Fault
from kovis_sim.ur_controller.side_channel import SideChannel

READY_S = 90.0
UNLOCK_S = 0.3  # how long the cell's controller refuses to unlock a protective stop; a real one 5 s
SETTLE_S = 1.0  # until everybody has found a process that was started again
FREE_EVERY_S = 10.0  # an arm that is unlocked and still presses against something stops again
TRIES = 6
CONTROLLER = "ur_controller"


class Measured(NamedTuple):
    """How the arm stopped after one fault."""

    fault: str
    zero_s: float  # from the fault, or the last good image, to zero speed of the tool at the controller, for good
    late_s: float  # the part of it after what is missing had become stale
    still_s: float  # from when what is missing had become stale to standstill of the joints at the controller
    watched_s: float  # for so long it was watched
    again: bool = False  # it had stood, and moved once more


class BreakableGraph:
    """Processes, a client and a breaker; a context manager that leaves nothing running.

    rclpy must be initialised. The processes are those of `bringup.graph`; all but the controller are started again
    when they are killed.
    """

    def __init__(self, task: Task, namespace: str, address: str, processes: Sequence[Process], logs: Path) -> None:
        self.task = task
        self.channel = SideChannel(address)
        self.supervisor = Supervisor([breakable(process) for process in processes], logs)
        self.client = FaultTrials(task, namespace, self.channel.speed, self.supervisor.check)
        self.breaker = Breaker(self.channel, self.signal_to, self.client.break_camera)

    def __enter__(self) -> BreakableGraph:
        self.supervisor.__enter__()
        try:
            self.supervisor.wait_ready(READY_S)
            self.client.wait_for_graph()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.supervisor.stop()
        self.client.close()

    def signal_to(self, names: Sequence[str], number: int) -> None:
        """Send a signal to these processes, as far as they run."""
        for child in self.supervisor.children:
            if child.process.name in names and child.popen.poll() is None:
                child.popen.send_signal(number)

    def mend(self) -> None:
        """Wait until every process runs and works, and undo what was broken."""
        self.client.break_camera("none")
        killed = not all(map(runs, self.supervisor.children))
        self._restart()
        self.client.pause(SETTLE_S if killed else 0.1)
        self._free()
        self.channel.ask("slider", value=1.0)

    def _restart(self) -> None:
        """Wait until every process runs. The arm's node does not start while the arm is in a protective stop."""
        latest_s = time.monotonic() + READY_S
        while True:
            try:
                self._free()
                self.client.until(
                    lambda: all(map(runs, self.supervisor.children)), FREE_EVERY_S, "restart of the graph"
                )
                return
            except TrialError:
                if time.monotonic() > latest_s:
                    raise

    def _free(self) -> None:
        """As a person would do where the arm is in a protective stop: take it from what it presses against, unlock."""
        if self.channel.ask("state")["safety_mode"] == "PROTECTIVE_STOP":
            self.client.place(seed=0)
            self.client.pause(UNLOCK_S)
            self.channel.ask("unlock")

    def under_way(self, seed: int, complete: bool = False, speed_mps: float = MOVING_MPS) -> ClientGoalHandle:
        """A goal whose arm moves so fast; tried again, since a busy machine may leave a goal without images."""
        for _ in range(TRIES - 1):
            self.mend()
            try:
                return self.client.under_way(seed, complete, speed_mps)
            except TrialError:
                continue
        self.mend()
        return self.client.under_way(seed, complete, speed_mps)

    def stop_at(self, fault: Fault, watch_s: float) -> Measured:
        """Inject the fault, watch the arm, and measure: from the fault, or from the last good image before it."""
        since_s = self.breaker.inject(fault)
        if fault.stale == "image":
            since_s = self.last_good_s(since_s)
        return self.measure(fault.name, since_s, STALE_S[fault.stale], watch_s)

    def last_good_s(self, moment_s: float) -> float:
        """When the last image was exposed that a fault at this moment left untouched."""
        self.client.pause(0.5)
        return self.client.last_good_s(moment_s)

    def measure(self, name: str, since_s: float, stale_s: float = 0.0, watch_s: float = 2.0) -> Measured:
        """Watch until ``watch_s`` after what is missing is stale, which it is ``stale_s`` after ``since_s``."""
        self.client.pause(max(0.0, since_s + stale_s + watch_s + 0.1 - time.monotonic()))
        stop = self.channel.stop_after(since_s)
        still_s = self.channel.still_after(since_s + stale_s)
        late_s = max(0.0, stop.zero_s - stale_s)
        return Measured(name, stop.zero_s, late_s, still_s, stop.watched_s - stale_s, stop.again)

    def ended(self, handle: ClientGoalHandle) -> Servo.Result:
        """Result of a goal, which is cancelled."""
        handle.cancel_goal_async()
        return self.client.result(handle)


def breakable(process: Process) -> Process:
    """The process as it is needed here: restarted when it is killed, and quick to recover."""
    robot = process.name == CONTROLLER
    more: dict[str, Any] = {"restart": not robot, "required": robot}
    if robot:
        more["command"] = (*process.command, "--unlock-after", str(UNLOCK_S))
    if process.name == "ur5":
        more["parameters"] = {**process.parameters, "recovery_s": 0.5}
    return replace(process, **more)


def runs(child: Child) -> bool:
    """Is a process alive, and did it say that it is ready?"""
    return child.look() is None and child.ready
