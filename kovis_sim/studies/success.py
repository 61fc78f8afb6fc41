"""Table III: closed-loop trials with complex backgrounds, judged by the completion motion."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from kovis_ros.method.config import Task
from kovis_sim import evaluate
from kovis_sim.evaluate import Trial
from kovis_sim.studies import rows
from kovis_sim.studies.rows import Row
from kovis_sim.studies.settings import Settings


class SuccessJob(NamedTuple):
    """One trial, completion motion and all."""

    task: Task
    checkpoint: str
    settings: Settings

    def __call__(self, index: int) -> Row:
        """``evaluate.Trial`` without the errors on the way."""
        config = self.settings.success
        looks = dataclasses.replace(self.task.appearance, background_probability=config.background_probability)
        scene = rows.scene(dataclasses.replace(self.task, appearance=looks), "test")
        trial = evaluate.run_trial(scene, rows.policy(self.checkpoint), config.seed + index)
        return Row(index=index, trial=plain(trial))


def plain(trial: Trial) -> dict[str, Any]:
    """A trial as JSON, without the errors on the way."""
    values = {name: np.asarray(value).item() for name, value in trial._asdict().items() if name != "errors"}
    return {name: round(value, 7) if isinstance(value, float) else value for name, value in values.items()}


def restored(data: dict[str, Any]) -> Trial:
    """The trial that ``plain`` made JSON of."""
    return Trial(**data, errors=np.empty((0, 0), np.float32))


def figures(task: Task, settings: Settings, found: list[Row]) -> dict[str, Any]:
    """What the trials come to, as `kovis evaluate` has it."""
    trials = [restored(row["trial"]) for row in found]
    counts = {"successes": sum(trial.success for trial in trials), "seed": settings.success.seed}
    return {**evaluate.summarise(task, trials), **counts}
