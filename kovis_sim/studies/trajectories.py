"""Figure 8: errors of the end-effector on the way to the goal, from several starts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kovis_ros.method import motion
from kovis_ros.method.config import Task
from kovis_sim.closed_loop import run_trial
from kovis_sim.studies import rows
from kovis_sim.studies.rows import Row
from kovis_sim.studies.settings import Settings


class TrajectoryJob(NamedTuple):
    """One trial up to its end, without the completion motion."""

    task: Task
    checkpoint: str
    settings: Settings

    def __call__(self, index: int) -> Row:
        """Errors (steps + 1, d) in metres and radians."""
        scene, policy = rows.scene(self.task, "test"), rows.policy(self.checkpoint)
        trial = run_trial(scene, policy, self.settings.trajectories.seed + index, complete=False)
        if not trial.begun:
            return Row(index=index, failed=trial.failed)
        turning = np.array([i >= 3 for i in motion.axis_indices(self.task.axes)])
        errors = trial.errors.astype(float) / np.where(turning, motion.ROTATION_SCALE, 1.0)
        return Row(
            index=index, converged=trial.converged, time_s=round(trial.time_s, 3), errors=errors.round(5).tolist()
        )


def figures(task: Task, settings: Settings, found: list[Row]) -> dict[str, Any]:
    """The trajectories themselves."""
    good = rows.usable(found)
    return {"axes": list(task.axes), "trajectories": good, "left_out": len(found) - len(good)}
