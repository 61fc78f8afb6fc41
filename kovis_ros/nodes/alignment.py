"""One goal of the servo action: the loop, how long it may halt, and how it ends. No ROS entities in here."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kovis_msgs.action import Servo
from kovis_msgs.msg import ArmStatus
from kovis_ros import conversions
from kovis_ros.method.config import ConfigError, Task
from kovis_ros.method.loop import ServoLoop, State

Array = NDArray[np.float64]
HALTS = {  # a halt that lasts ends the goal with this code
    State.HALT_STALE_IMAGE: (Servo.Result.STALE_IMAGE, "images are too old: check camera and processor load"),
    State.HALT_STALE_KEYPOINTS: (Servo.Result.STALE_IMAGE, "no usable keypoints: check camera and keypoint node"),
    State.HALT_LOW_CONFIDENCE: (Servo.Result.LOST_TARGET, "the target is not seen: check view and light"),
    State.HALT_ROBOT_NOT_READY: (Servo.Result.ROBOT_NOT_READY, "the arm is not ready"),
    State.HALT_BACKEND: (Servo.Result.BACKEND_HALT, "a node below halts: look at its status"),
}
SAFETY_STOPS = (
    ArmStatus.SAFETY_PROTECTIVE_STOP, ArmStatus.SAFETY_SAFEGUARD_STOP, ArmStatus.SAFETY_SYSTEM_EMERGENCY_STOP,
    ArmStatus.SAFETY_ROBOT_EMERGENCY_STOP, ArmStatus.SAFETY_VIOLATION, ArmStatus.SAFETY_FAULT,
)  # fmt: skip


class Ending(NamedTuple):
    """How a goal ends: a code of ``Servo.Result`` (NONE is success) and one line for a person."""

    code: int
    message: str


class ArmView(NamedTuple):
    """What is known of the arm now."""

    pose: Array | None  # base_T_tcp, None when there is no fresh one
    fault: str  # why it cannot be moved, empty when it can
    stopped: bool = False  # a person, a safety stop or a lost node stopped it: no motion resumes by itself


class Alignment:
    """Drives the loop of one goal and says when the goal is over.

    initial_s: wait for the first keypoints; halt_s: how long any other halt may last.
    """

    def __init__(self, loop: ServoLoop, begun: float, initial_s: float, halt_s: float) -> None:
        self.loop, self.begun, self.initial_s, self.halt_s = loop, begun, initial_s, halt_s
        self.reason = ""
        self._halted_since: float | None = None

    def step(self, now: float, arm: ArmView, paused: bool) -> tuple[Array, Ending | None]:
        """Twist (6,) to send now, and the ending once there is one."""
        hold = State.HALT_ROBOT_NOT_READY if arm.fault else State.PAUSED if paused else None
        twist = self.loop.command(now, arm.pose, hold)
        self.reason = arm.fault if arm.fault else HALTS[self.loop.state][1] if self.loop.state in HALTS else ""
        return twist, self._ending(now, arm)

    def _ending(self, now: float, arm: ArmView) -> Ending | None:
        loop = self.loop
        if loop.converged:
            return Ending(Servo.Result.NONE, "")
        if arm.stopped:
            return Ending(Servo.Result.ROBOT_NOT_READY, arm.fault)
        if loop.timed_out:
            message = f"not converged in {loop.timeout_s:g} s (speed is still {loop.speed:.2f}): look at the view"
            return Ending(Servo.Result.TIMEOUT, message)
        if loop.state == State.HALT_WORKSPACE_LIMIT:
            return Ending(
                Servo.Result.WORKSPACE_LIMIT,
                f"the tcp is at the edge of {loop.config.workspace_m} m around its start: start nearer to the target",
            )
        return self._lasting_halt(now)

    def _lasting_halt(self, now: float) -> Ending | None:
        if self.loop.state not in HALTS:
            self._halted_since = None
            return None
        if self._halted_since is None:
            self._halted_since = now
        allowed = self.halt_s if self.loop.images else max(self.initial_s, self.halt_s)
        if now - self._halted_since < allowed:
            return None
        code, message = HALTS[self.loop.state]
        return Ending(code, self.reason or message)


def loop_for(request: Servo.Goal, task: Task, delay_s: float, default_timeout_s: float) -> ServoLoop:
    """Loop for a goal of this task; ConfigError when the goal asks for what this servo cannot do."""
    if request.task not in ("", task.name):
        raise ConfigError(f"task {request.task!r} is not loaded: this servo knows {task.name}")
    timeout_s = conversions.stamp_from_msg(request.timeout) * 1e-9 or default_timeout_s
    if timeout_s < 0.0:
        raise ConfigError(f"timeout {timeout_s} s is negative: give more than 0, or 0 for the task's")
    scale = float(request.speed_scale) or 1.0
    return ServoLoop(task.servo, task.axes, delay_s, scale, timeout_s or None)
