"""Closed-loop evaluation without ROS: trials in simulation, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

from kovis_ros.method import metrics
from kovis_ros.method.config import Task
from kovis_sim import workers as processes
from kovis_sim.appearance import Split
from kovis_sim.closed_loop import Policy, Trial, run_trial
from kovis_sim.path_tracer import PathTracer
from kovis_sim.scene import Scene

WITHIN_M = (0.001, 0.002, 0.004)


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
    seeds, found = range(seed, seed + trials), {}
    job = partial(_job, task, load, split, shapes or split, complete, samples)
    for trial in processes.made(job, seeds, workers):
        found[trial.seed] = trial
        if progress:
            progress(trial)
    return [found[s] for s in seeds]


def summarise(task: Task, trials: Sequence[Trial]) -> dict[str, Any]:
    """What trials come to; the keys are those of ``kovis evaluate --json``.

    A trial without a free start is one that failed, and has no error; ``failed`` tells why.
    """
    count = len(trials)
    successes = sum(t.success for t in trials)
    begun = [t for t in trials if t.begun]
    return {
        "task": task.name,
        "trials": count,
        "success_rate": successes / count,
        "wilson95": list(metrics.wilson(successes, count)),
        "aligned_rate": sum(t.aligned for t in trials) / count,
        "aligned_and_succeeded_rate": sum(t.aligned and t.success for t in trials) / count,
        "converged_rate": sum(t.converged for t in trials) / count,
        "false_converged_rate": sum(t.false_converged for t in trials) / count,
        "touched_rate": sum(t.touched for t in trials) / count,
        "position_error_m": metrics.spread([t.final_m for t in begun]),
        "within": metrics.within([t.final_m for t in trials], WITHIN_M),
        "rotation_error_rad": metrics.spread([t.final_rad for t in begun]),
        "tilt_rad": metrics.spread([t.tilt_rad for t in begun]),
        "steps": metrics.spread([t.steps for t in begun]),
        "time_s": metrics.spread([t.time_s for t in begun]),
        "no_start": count - len(begun),
        "failed": [{"seed": t.seed, "cause": t.failed} for t in trials if t.failed],
    }


def _job(
    task: Task, load: Callable[[], Policy], split: Split, shapes: Split, complete: bool, samples: int, seed: int
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
