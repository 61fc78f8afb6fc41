"""Studies: what the paper's tables and figures are measured with, on the simulated cell.

A study is a job that gives one row for an index, the indices it takes, and what the rows come to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from kovis_ros.method.config import Task, to_dict
from kovis_sim import fingerprint
from kovis_sim.studies import anchoring, curves, keypoints, success, trajectories, views
from kovis_sim.studies.rows import Job, Row
from kovis_sim.studies.settings import Settings

LOOKS = ("keypoints", "motion", "policy")  # of the method: what a network says of a picture
TABLES = (*LOOKS, "losses", "metrics")
LOOP = (*LOOKS, "loop")
TRIAL = ("closed_loop", "completion", "success", "trial")


class Study(NamedTuple):
    """One table or figure; ``frozen`` gives the settings, as JSON, that it follows, ``figures`` the rows' sum.

    ``code``: modules of the cell and of the method that decide its rows, beside those of the scene.
    """

    about: str
    frozen: Callable[[Settings], dict[str, Any]]
    count: Callable[[Settings], int]
    job: Callable[[Task, str, Settings], Job]
    figures: Callable[[Task, Settings, list[Row]], dict[str, Any]]
    code: tuple[tuple[str, ...], tuple[str, ...]]

    def code_sha256(self) -> str:
        """Of the code."""
        return fingerprint.code_sha256(fingerprint.named(*self.code))


STUDIES = {
    "keypoints": Study(
        "Table I: keypoints under a changed picture",
        lambda s: to_dict(s.keypoints), lambda s: s.keypoints.images, keypoints.KeypointJob, keypoints.figures,
        (("studies/keypoints",), TABLES),
    ),
    "anchoring": Study(
        "Table II: predicted motions with the camera moved",
        lambda s: to_dict(s.anchoring), lambda s: s.anchoring.rollouts, anchoring.AnchoringJob, anchoring.figures,
        (("studies/anchoring",), TABLES),
    ),
    "success": Study(
        "Table III: task success under complex backgrounds",
        success.frozen, lambda s: s.success.trials, success.SuccessJob, success.figures,
        ((*TRIAL, "studies/success"), LOOP),
    ),
    "path": Study(
        "Table III: the same trials, the first of them, on path-traced pictures",
        success.frozen_path, lambda s: s.path.trials, success.PathJob, success.figures,
        ((*TRIAL, "studies/success", "materials", "path_tracer"), LOOP),
    ),
    "views": Study(
        "Figure 7: keypoints and reconstruction",
        lambda s: to_dict(s.views), lambda s: s.views.count, views.ViewJob, views.figures,
        (("studies/views",), LOOKS),
    ),
    "trajectories": Study(
        "Figure 8: errors on the way to the goal",
        lambda s: to_dict(s.trajectories), lambda s: s.trajectories.count, trajectories.TrajectoryJob,
        trajectories.figures, ((*TRIAL, "studies/trajectories"), LOOP),
    ),
    "curves": Study(
        "Success against mount error, start, offset in the hand and latency",
        lambda s: to_dict(s.curves), lambda s: s.curves.trials, curves.CurveJob, curves.figures,
        ((*TRIAL, "studies/curves"), LOOP),
    ),
}  # fmt: skip
