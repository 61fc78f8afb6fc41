"""Runs trials in the simulated cell as any user of the graph would: reset, send a goal, watch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.node import Node
from sensor_msgs.msg import Image

from kovis_msgs.action import Servo
from kovis_msgs.msg import ArmStatus, Motion, ServoStatus, SimTrial
from kovis_msgs.srv import SimReset
from kovis_ros import conversions
from kovis_ros.method.config import Task
from kovis_ros.method.loop import State
from kovis_ros.nodes import spin

GRAPH_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 15.0
ASK_AGAIN_S = 2.0  # a server answers within milliseconds, or never got the request
SLACK_S = 40.0  # beyond the servo's own limit: completion motion and hold


class TrialError(RuntimeError):
    """A part of the graph does not answer; the message names it."""


class Moment(NamedTuple):
    """Truth at one instant of a trial."""

    time_s: float  # since the goal was sent
    displacement: NDArray[np.float64]  # (d,) to the goal, metres, rotations scaled
    state: int


class Frame(NamedTuple):
    """One picture of the overlay with what was known then."""

    time_s: float
    jpeg: bytes
    state: int
    position_m: float
    rotation_rad: float


class TrialResult(NamedTuple):
    """One trial, whole."""

    seed: int
    start_m: float
    start_rad: float
    final_m: float  # when the servo said that it had converged; at the end if it never did
    final_rad: float
    tilt_rad: float
    seconds: float  # from the goal to convergence
    converged: bool
    touched: bool  # until then
    completed: bool  # by the physics of the cell
    message: str
    images: int
    history: tuple[Moment, ...]
    frames: tuple[Frame, ...]


class TrialClient(Node):
    """Client of ``sim/reset`` and ``servo`` that listens to the truth; ``check`` is called while it waits."""

    def __init__(self, task: Task, namespace: str, check: Callable[[], None] = lambda: None, **options: Any) -> None:
        super().__init__("trials", namespace=namespace, **options)
        self.task, self.check = task, check
        self.executor_ = spin.frugal(self.context)
        self.executor_.add_node(self)
        self.trial: SimTrial | None = None
        self.state = int(State.IDLE)
        self.at_convergence: tuple[float, float, float, float, bool] | None = None
        self.begun: float | None = None
        self.history: list[Moment] = []
        self.frames: list[Frame] = []
        self.keep_frames, self.moving, self.arm_ready = True, False, False
        self.reset = self.create_client(SimReset, "sim/reset")
        self.servo = ActionClient(self, Servo, "servo")
        self.create_subscription(SimTrial, "sim/trial", self.on_trial, 1)
        self.create_subscription(Motion, "sim/motion", self.on_truth, 1)
        self.create_subscription(ServoStatus, "status", self.on_status, 1)
        self.create_subscription(Image, "overlay", self.on_overlay, 1)
        self.create_subscription(ArmStatus, "arm_status", self.on_arm, 1)

    def close(self) -> None:
        """Leave the executor."""
        self.executor_.shutdown(timeout_sec=0.5)
        self.destroy_node()

    def on_trial(self, message: SimTrial) -> None:
        """The newest truth."""
        self.trial = message

    def on_arm(self, message: ArmStatus) -> None:
        """Would the arm move now."""
        self.arm_ready = bool(message.ready)

    def on_truth(self, message: Motion) -> None:
        """One point of the trajectory."""
        if self.begun is not None and self.at_convergence is None:
            self.history.append(Moment(time.monotonic() - self.begun, np.array(message.displacement), self.state))

    def on_status(self, message: ServoStatus) -> None:
        """Take the error at the moment the servo claims to have arrived."""
        self.state = int(message.code)
        arrived = self.state in (State.CONVERGED, State.COMPLETING)
        self.moving = self.begun is not None and (self.moving or not arrived)  # not the claim of the goal before
        if arrived and self.moving and self.at_convergence is None and self.trial is not None:
            t, begun = self.trial, self.begun or 0.0
            self.at_convergence = ended(t, time.monotonic() - begun)

    def on_overlay(self, message: Image) -> None:
        """Keep the picture, compressed."""
        if self.begun is None or not self.keep_frames or self.trial is None:
            return
        done, jpeg = cv2.imencode(".jpg", conversions.image_to_array(message, "bgr8"), [cv2.IMWRITE_JPEG_QUALITY, 90])
        if done:
            error = self.trial.position_error, self.trial.rotation_error
            self.frames.append(Frame(time.monotonic() - self.begun, jpeg.tobytes(), self.state, *error))

    def wait_for_graph(self) -> None:
        """Until reset and servo answer and the truth flows; TrialError names what is missing."""
        self._until(self.reset.service_is_ready, GRAPH_TIMEOUT_S, "service sim/reset: start the sim node")
        self._until(self.servo.server_is_ready, GRAPH_TIMEOUT_S, "action servo: start the servo node")
        self._until(lambda: self.trial is not None, GRAPH_TIMEOUT_S, "topic sim/trial: look at the sim node's log")

    def run(self, seed: int, complete: bool = True, keep_frames: bool = True) -> TrialResult:
        """One trial from reset to result."""
        self.keep_frames = keep_frames
        self.prepare(seed)
        handle = self.send(complete)
        limit = self.task.servo.timeout_s + SLACK_S
        result = self._answer(handle.get_result_async(), "result of servo", limit).result
        if result.success and complete and self.task.completion:
            hold = self.task.success.hold_s + 1.0
            self._until(lambda: bool(self.trial and self.trial.completed), hold)
        return self._result(seed, result)

    def prepare(self, seed: int) -> None:
        """Reset the cell to the start of a trial and wait until everybody is ready for it."""
        self.begun, self.at_convergence = None, None
        self.history, self.frames, self.moving = [], [], False
        self.arm_ready = False  # what it said last may be of a node that has ended since
        answer = self.place(seed)
        if not answer.success:
            raise TrialError(f"trial with seed {seed} cannot start: {answer.message}")
        self.trial = None
        self._until(lambda: bool(self.trial and self.trial.seed == seed), ANSWER_TIMEOUT_S, "new trial on sim/trial")
        self._pause(0.3)  # the arm's pose after the jump must have reached everybody
        self._until(
            lambda: self.arm_ready, ANSWER_TIMEOUT_S, "arm that is ready: look at arm_status and the ur5 node's log"
        )

    def place(self, seed: int) -> SimReset.Response:
        """Have the cell put arm and target to the start of a trial, whatever state the arm is in."""
        return self._ask(lambda: self.reset.call_async(SimReset.Request(seed=seed)), "sim/reset")

    def send(self, complete: bool) -> ClientGoalHandle:
        """An accepted goal; TrialError if the servo rejects it."""
        goal = Servo.Goal(task=self.task.name, complete=complete and bool(self.task.completion))
        self.begun = time.monotonic()
        handle = self._ask(lambda: self.servo.send_goal_async(goal), "servo")
        if not handle.accepted:
            raise TrialError("the servo rejected the goal: another client is using it")
        return handle

    def _result(self, seed: int, result: Servo.Result) -> TrialResult:
        trial, arrived = self.trial, self.at_convergence
        assert trial is not None and self.begun is not None
        seconds = result.elapsed.sec + result.elapsed.nanosec * 1e-9
        metres, radians, tilt, when, touched = arrived or ended(trial, seconds)
        return TrialResult(
            seed, trial.start_position_error, trial.start_rotation_error, metres, radians, tilt, when,
            arrived is not None, touched, bool(trial.completed), result.error_msg, int(result.images),
            tuple(self.history), tuple(self.frames),
        )  # fmt: skip

    def _ask(self, send: Callable[[], Any], what: str) -> Any:
        """Answer to a request, sent again while there is none.

        A killed server seems to be there until DDS gives it up; what is sent before its successor is found, is lost.
        """
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while time.monotonic() < deadline:
            future = send()
            self._until(future.done, ASK_AGAIN_S)
            if future.done():
                return future.result()
        raise TrialError(f"no answer of {what} in {ANSWER_TIMEOUT_S:.0f} s")

    def _answer(self, future: Any, what: str, timeout_s: float) -> Any:
        self._until(future.done, timeout_s, f"answer of {what} in {timeout_s:.0f} s")
        return future.result()

    def _until(self, condition: Callable[[], bool], timeout_s: float, missing: str = "") -> None:
        """Spin until the condition holds; TrialError when it does not in time, unless nothing is named as missing."""
        deadline, checked = time.monotonic() + timeout_s, time.monotonic()
        while not condition():
            self.executor_.spin_once(timeout_sec=0.05)
            now = time.monotonic()
            if now - checked > 0.2:
                checked = now
                self.check()
            if now > deadline:
                if missing:
                    raise TrialError(f"no {missing}")
                return

    def _pause(self, seconds: float) -> None:
        self._until(lambda: False, seconds)


def ended(trial: SimTrial, seconds: float) -> tuple[float, float, float, float, bool]:
    """Error of position, of rotation, tilt, seconds so far, and was the target touched until now."""
    return trial.position_error, trial.rotation_error, trial.tilt, seconds, trial.contacts > 0
