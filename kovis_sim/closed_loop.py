"""One closed-loop trial without ROS: from a start to where the servo stops, then the completion motion."""

from __future__ import annotations

import math
from collections import deque
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import kinematics
from kovis_ros.method.config import Task
from kovis_ros.method.images import ImageError, StereoKeypoints
from kovis_ros.method.loop import ServoLoop
from kovis_ros.method.motion import Motion
from kovis_sim.scene import Scene, SceneError

IMAGE_PERIOD_S = 0.05  # 20 Hz: what one core keeps up with
LATENCY_S = 0.03  # exposure to command: transport, inference, transport
NO_START = (kinematics.Unreachable, SceneError)  # what a seed without a free start raises


class Policy(Protocol):
    """What a servo must offer; ``ServoPolicy`` does."""

    task: Task

    def keypoints(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8], K: NDArray[np.float64]
    ) -> StereoKeypoints: ...

    def motion(self, keypoints: StereoKeypoints) -> Motion: ...


class Trial(NamedTuple):
    """One closed-loop trial; without a free start its errors are NaN."""

    seed: int
    start_m: float
    start_rad: float
    final_m: float
    final_rad: float
    tilt_rad: float
    steps: int
    time_s: float
    converged: bool
    aligned: bool  # converged within the task's tolerance, untouched
    false_converged: bool  # claimed, but off by more than the tolerance
    touched: bool
    success: bool  # the completion motion did what the task asks for
    errors: NDArray[np.float32]  # (steps + 1, d) displacement to the goal on the way, metres, rotation scaled
    failed: str = ""  # why there was no free start, or what broke the trial off

    @property
    def begun(self) -> bool:
        """Was there a free start."""
        return not math.isnan(self.start_m)


class Way(NamedTuple):
    """What happened until the loop ended."""

    errors: NDArray[np.float32]  # as in ``Trial``
    time_s: float
    failed: str


def run_trial(scene: Scene, policy: Policy, seed: int, complete: bool = True) -> Trial:
    """One trial: reset by seed, servo until the loop ends, then the completion motion if it converged.

    A seed without a free start is a trial that failed.
    """
    try:
        scene.reset(seed)
    except NO_START as error:
        return without_start(scene.task, seed, str(error))
    return servo(scene, policy, seed, complete)


def without_start(task: Task, seed: int, why: str) -> Trial:
    """The trial that could not begin."""
    errors = np.empty((0, len(task.axes)), np.float32)
    return Trial(seed, *[math.nan] * 5, 0, 0.0, *[False] * 5, errors, why)


def servo(scene: Scene, policy: Policy, seed: int, complete: bool = True, late: int = 0) -> Trial:
    """The trial itself, from where the scene stands; ``seed`` is its name.

    late: image periods by which every image reaches the loop later than the loop was told to expect. A trial ends
    where an image cannot be used, and where its arm is sent out of its reach.
    """
    task, start = scene.task, scene.error()
    loop = ServoLoop(task.servo, task.axes, delay_s=LATENCY_S + IMAGE_PERIOD_S / 2.0)
    errors, time_s, failed = approach(scene, policy, loop, late)
    position, rotation = scene.error()
    wanted = task.success
    within = position <= wanted.position_m and rotation <= np.radians(wanted.rotation_deg) and not scene.touched
    tilt, touched, success = scene.tilt(), scene.touched, False
    if complete and loop.converged:
        try:
            success = scene.complete()
        except kinematics.Unreachable as error:
            failed = f"completion: {error}"
    return Trial(
        seed, *start, position, rotation, tilt, len(errors) - 1, time_s, loop.converged, loop.converged and within,
        loop.converged and not within, touched, success, errors, failed,
    )  # fmt: skip


def approach(scene: Scene, policy: Policy, loop: ServoLoop, late: int) -> Way:
    """Look, predict and move until the loop ends; ``late`` as in ``servo``."""
    now, failed, errors = 0.0, "", [scene.displacement()]
    waiting: deque[tuple[Motion, float]] = deque()
    while not loop.done:
        try:
            waiting.append((policy.motion(policy.keypoints(*scene.stereo(), scene.K)), now))
            if len(waiting) > late:
                loop.observe(*waiting.popleft(), now + LATENCY_S)
            scene.move(loop.command(now + LATENCY_S, scene.world_T_tcp), IMAGE_PERIOD_S)
        except (ImageError, kinematics.Unreachable) as error:
            failed = str(error)
            break
        errors.append(scene.displacement())
        now += IMAGE_PERIOD_S
    return Way(np.asarray(errors, np.float32), now, failed)


def plain(trial: Trial) -> dict[str, Any]:
    """A trial as JSON, without the errors on the way; what there is no number for is None."""
    values = {name: np.asarray(value).item() for name, value in trial._asdict().items() if name != "errors"}
    return {name: rounded(value) if isinstance(value, float) else value for name, value in values.items()}


def rounded(value: float) -> float | None:
    """To 1e-7; None for NaN, which JSON lacks."""
    return None if math.isnan(value) else round(value, 7)


def restored(data: dict[str, Any]) -> Trial:
    """The trial that ``plain`` made JSON of."""
    values = {name: math.nan if value is None else value for name, value in data.items()}
    return Trial(**values, errors=np.empty((0, 0), np.float32))
