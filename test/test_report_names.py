"""What the report names is what studies and method have: its room imports neither, so the names are written twice."""

from __future__ import annotations

import pytest

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from kovis_ros.method import motion  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_ros.report import curves, keypoints, results, trajectories  # noqa: E402
from kovis_sim import studies  # noqa: E402
from kovis_sim.studies.curves import conditions  # noqa: E402
from kovis_sim.studies.keypoints import PERTURBATIONS  # noqa: E402
from kovis_sim.studies.settings import CurveConfig  # noqa: E402


def test_studies_perturbations_and_axes() -> None:
    assert results.STUDIES == tuple(studies.STUDIES)
    assert keypoints.KINDS == PERTURBATIONS
    assert trajectories.AXES == motion.AXES


def test_conditions_of_the_curves() -> None:
    """Of a task with an object in the hand, which has them all."""
    assert tuple(curves.CONDITIONS) == tuple(conditions(load_task("insert_plug"), CurveConfig()))
