"""Closed-loop evaluation without ROS: trials in simulation, their errors, and what they come to."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing import get_context
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import kinematics, metrics
from kovis_ros.method.config import Task
from kovis_ros.method.images import StereoKeypoints
from kovis_ros.method.loop import ServoLoop
from kovis_ros.method.motion import Motion
from kovis_sim.appearance import Split
from kovis_sim.path_tracer import PathTracer
from kovis_sim.scene import Scene

IMAGE_PERIOD_S = 0.05  # 20 Hz: what one core keeps up with
LATENCY_S = 0.03  # exposure to command: transport, inference, transport


class Policy(Protocol):
    """What a servo must offer; ``ServoPolicy`` does."""

    task: Task

    def keypoints(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8], K: NDArray[np.float64]
    ) -> StereoKeypoints: ...

    def motion(self, keypoints: StereoKeypoints) -> Motion: ...


class Trial(NamedTuple):
    """One closed-loop trial."""

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


def run_trial(scene: Scene, policy: Policy, seed: int, complete: bool = True) -> Trial:
    """One trial: reset by seed, servo until the loop ends, then the completion motion if it converged."""
    scene.reset(seed)
    return servo(scene, policy, seed, complete)


def servo(scene: Scene, policy: Policy, seed: int, complete: bool = True, late: int = 0) -> Trial:
    """The trial itself, from where the scene stands; ``seed`` is its name.

    late: image periods by which every image reaches the loop later than the loop was told to expect. A trial whose arm
    is sent out of its reach ends there.
    """
    task = scene.task
    start = scene.error()
    loop = ServoLoop(task.servo, task.axes, delay_s=LATENCY_S + IMAGE_PERIOD_S / 2.0)
    now, errors = 0.0, [scene.displacement()]
    waiting: deque[tuple[Motion, float]] = deque()
    while not loop.done:
        waiting.append((policy.motion(policy.keypoints(*scene.stereo(), scene.K)), now))
        if len(waiting) > late:
            loop.observe(*waiting.popleft(), now + LATENCY_S)
        try:
            scene.move(loop.command(now + LATENCY_S, scene.world_T_tcp), IMAGE_PERIOD_S)
        except kinematics.Unreachable:
            break
        errors.append(scene.displacement())
        now += IMAGE_PERIOD_S
    position, rotation = scene.error()
    wanted = task.success
    within = position <= wanted.position_m and rotation <= np.radians(wanted.rotation_deg) and not scene.touched
    tilt, touched = scene.tilt(), scene.touched
    success = bool(complete and loop.converged and scene.complete())
    return Trial(
        seed, *start, position, rotation, tilt, len(errors) - 1, now, loop.converged, loop.converged and within,
        loop.converged and not within, touched, success, np.asarray(errors, np.float32),
    )  # fmt: skip


def evaluate(
    task: Task,
    load: Callable[[], Policy],
    trials: int,
    seed: int = 10_000,
    split: Split = "test",
    workers: int = 0,
    complete: bool = True,
    progress: Callable[[Trial], None] | None = None,
    samples: int = 0,
    shapes: Split | None = None,
) -> list[Trial]:
    """Trials with seeds ``seed, seed + 1, ...`` in order; ``load`` makes the policy in each worker (picklable).

    Looks of the ``test`` split share no pattern with training, and its family no member. workers 0: one a core; 1: this
    process. samples: paths a pixel of the path tracer, which is never trained on; 0: PyBullet draws. shapes: the split
    of the family's members where it is not that of the looks.
    """
    members = shapes or split
    seeds = range(seed, seed + trials)
    if workers == 1:
        return [_heard(_job(task, load, s, split, members, complete, samples), progress) for s in seeds]
    found: dict[int, Trial] = {}
    with ProcessPoolExecutor(workers or os.cpu_count() or 1, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_job, task, load, s, split, members, complete, samples) for s in seeds]
        for job in as_completed(jobs):
            found[job.result().seed] = _heard(job.result(), progress)
    return [found[s] for s in seeds]


def summarise(task: Task, trials: Sequence[Trial]) -> dict[str, object]:
    """What trials come to; the keys are those of ``kovis evaluate --json``."""
    count = len(trials)
    successes = sum(t.success for t in trials)
    return {
        "task": task.name,
        "trials": count,
        "success_rate": successes / count,
        "wilson95": list(metrics.wilson(successes, count)),
        "aligned_rate": sum(t.aligned for t in trials) / count,
        "converged_rate": sum(t.converged for t in trials) / count,
        "false_converged_rate": sum(t.false_converged for t in trials) / count,
        "touched_rate": sum(t.touched for t in trials) / count,
        "position_error_m": _spread([t.final_m for t in trials]),
        "rotation_error_rad": _spread([t.final_rad for t in trials]),
        "tilt_rad": _spread([t.tilt_rad for t in trials]),
        "steps": _spread([t.steps for t in trials]),
        "time_s": _spread([t.time_s for t in trials]),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "p90": float(np.percentile(values, 90))}


def _heard(trial: Trial, progress: Callable[[Trial], None] | None) -> Trial:
    if progress:
        progress(trial)
    return trial


def _job(
    task: Task, load: Callable[[], Policy], seed: int, split: Split, shapes: Split, complete: bool, samples: int
) -> Trial:
    return run_trial(_scene(task, split, shapes, samples), _policy(load), seed, complete)


@lru_cache(maxsize=1)
def _scene(task: Task, split: Split, shapes: Split, samples: int) -> Scene:
    """The process's scene, set up once."""
    renderer = PathTracer(samples) if samples else None
    return Scene(task, split=split, sensor=True, renderer=renderer, shapes=shapes)


@lru_cache(maxsize=1)
def _policy(load: Callable[[], Policy]) -> Policy:
    """The process's policy, loaded once."""
    return load()
