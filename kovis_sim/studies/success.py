"""Table III: closed-loop trials with complex backgrounds, judged by the completion motion; drawn by either renderer."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from kovis_ros.method.config import Task
from kovis_sim.closed_loop import Trial, plain, restored, run_trial
from kovis_sim.evaluate import summarise
from kovis_sim.studies import rows
from kovis_sim.studies.rows import Row
from kovis_sim.studies.settings import Settings, SuccessConfig


class SuccessJob(NamedTuple):
    """One trial, completion motion and all."""

    task: Task
    checkpoint: str
    settings: Settings

    def __call__(self, index: int) -> Row:
        """``Trial`` without the errors on the way."""
        return trial(self.task, self.checkpoint, self.settings.success, index)


class PathJob(NamedTuple):
    """The same trial on the path tracer's pictures."""

    task: Task
    checkpoint: str
    settings: Settings

    def __call__(self, index: int) -> Row:
        """As ``SuccessJob``."""
        return trial(self.task, self.checkpoint, self.settings.success, index, self.settings.path.samples)


def trial(task: Task, checkpoint: str, config: SuccessConfig, index: int, samples: int = 0) -> Row:
    """A trial's row; ``samples``: paths a pixel of the path tracer, 0: PyBullet draws."""
    looks = dataclasses.replace(task.appearance, background_probability=config.background_probability)
    scene = rows.scene(dataclasses.replace(task, appearance=looks), "test", samples=samples)
    found = run_trial(scene, rows.policy(checkpoint), config.seed + index)
    return Row(index=index, trial=plain(found))


def frozen(settings: Settings) -> dict[str, Any]:
    """What the trials depend on."""
    config = settings.success
    return {"trials": config.trials, **drawn(config)}


def frozen_path(settings: Settings) -> dict[str, Any]:
    """What the path-traced trials depend on."""
    config = settings.path
    return {"trials": config.trials, "samples": config.samples, **drawn(settings.success)}


def drawn(config: SuccessConfig) -> dict[str, Any]:
    """What both draw their scenes from."""
    return {"seed": config.seed, "background_probability": config.background_probability}


def figures(task: Task, settings: Settings, found: list[Row]) -> dict[str, Any]:
    """What the trials come to, as `kovis evaluate` has it."""
    trials: list[Trial] = [restored(row["trial"]) for row in found]
    counts = {"successes": sum(trial.success for trial in trials), "seed": settings.success.seed}
    return {**summarise(task, trials), **counts}
