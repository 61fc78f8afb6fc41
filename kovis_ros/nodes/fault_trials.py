"""Trials that are broken on purpose: a goal under way, and a camera that fails."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action.client import ClientGoalHandle
from std_msgs.msg import String

from kovis_msgs.action import Servo
from kovis_msgs.msg import Keypoints
from kovis_ros import conversions
from kovis_ros.method.config import Task
from kovis_ros.nodes.trials import TrialClient, TrialError

UNDER_WAY_S = 12.0
MOVING_MPS = 0.005  # a start that is all but a turn goes at 5.5 mm/s of translation
ARRIVAL_S = 0.25  # the longest that a good image takes to its keypoints


class FaultTrials(TrialClient):
    """A client of the graph that also knows, on the clock of ``time.monotonic()``, what was seen.

    speed(): translation of the tool at the controller, m/s.
    """

    def __init__(
        self, task: Task, namespace: str, speed: Callable[[], float], check: Callable[[], None], **options: Any
    ) -> None:
        super().__init__(task, namespace, check, **options)
        self.speed = speed
        self.seen: deque[tuple[float, float]] = deque(maxlen=2000)  # stamp of an image, arrival of its keypoints
        self.camera = self.create_publisher(String, "sim/camera_fault", 1)
        self.create_subscription(Keypoints, "keypoints", self.on_keypoints, 5)

    def on_keypoints(self, message: Keypoints) -> None:
        """Remember that an image was of use."""
        self.seen.append((monotonic(message), time.monotonic()))

    def break_camera(self, fault: str) -> None:
        """Send the fault's name; "none" mends the camera."""
        self.camera.publish(String(data=fault))

    def under_way(self, seed: int, complete: bool = False, speed_mps: float = MOVING_MPS) -> ClientGoalHandle:
        """A trial whose arm moves now, and so fast; TrialError if it does not get going, and its goal is cancelled."""
        self.keep_frames = False
        self.prepare(seed)
        handle, sent_s = self.send(complete), time.monotonic()
        deadline = sent_s + UNDER_WAY_S
        while self.speed() < speed_mps or not (self.seen and self.seen[-1][1] > sent_s):  # as a new node is at first
            self.pause(0.02)
            if time.monotonic() > deadline or handle.status > GoalStatus.STATUS_CANCELING:
                handle.cancel_goal_async()
                raise TrialError(f"no motion in trial {seed}: {self.result(handle).error_msg or 'it was cancelled'}")
        return handle

    def pause(self, seconds: float) -> None:
        """Listen for a while."""
        self._pause(seconds)

    def until(self, condition: Callable[[], bool], timeout_s: float, missing: str) -> None:
        """Listen until the condition holds; TrialError names what is missing."""
        self._until(condition, timeout_s, missing)

    def offer(self, goal: Servo.Goal) -> ClientGoalHandle:
        """Handle of a goal that the servo may reject."""
        return self._ask(lambda: self.servo.send_goal_async(goal), "servo")

    def result(self, handle: ClientGoalHandle, timeout_s: float = 15.0) -> Servo.Result:
        """Result of a goal; TrialError when there is none in time."""
        result: Servo.Result = self._answer(handle.get_result_async(), "result of servo", timeout_s).result
        return result

    def last_good_s(self, moment_s: float) -> float:
        """When the last image was exposed that was of use and not touched by a fault at the moment."""
        good = [at for at, came in self.seen if at < moment_s + 0.1 and came < moment_s + ARRIVAL_S]
        return max(good, default=moment_s)


def monotonic(message: Any) -> float:
    """The message's stamp on the clock of ``time.monotonic()``, s."""
    return conversions.stamp_from_msg(message.header.stamp) * 1e-9 - time.time() + time.monotonic()
