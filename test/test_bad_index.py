"""What one index without a start, a place or a picture comes to: in a trial, in a study, in figures."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from oracle import Oracle  # noqa: E402

from kovis_ros.cli import evaluate as evaluate_command  # noqa: E402
from kovis_ros.method import kinematics  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_ros.method.images import ImageError  # noqa: E402
from kovis_ros.method.motion import turns  # noqa: E402
from kovis_sim import closed_loop  # noqa: E402
from kovis_sim.evaluate import summarise  # noqa: E402
from kovis_sim.scene import Scene, SceneError  # noqa: E402
from kovis_sim.studies import STUDIES, rows  # noqa: E402
from kovis_sim.studies.settings import Settings, load  # noqa: E402


class Nowhere:
    """A scene without a free start."""

    def __init__(self, error: Exception) -> None:
        self.task, self.error, self.rng = load_task("pick_mug"), error, None

    def reset(self, seed: int) -> None:
        raise self.error

    def place_target(self, *held: object) -> None:
        raise self.error


ERRORS = [SceneError("no start pose reaches the goal"), kinematics.Unreachable("no start pose within reach")]


@pytest.fixture(params=ERRORS, ids=lambda error: type(error).__name__)
def nowhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Nowhere:
    """In place of every study's scene."""
    scene = Nowhere(request.param)
    monkeypatch.setattr(rows, "scene", lambda *given, **named: scene)
    monkeypatch.setattr(rows, "policy", lambda path: None)
    return scene


@pytest.mark.parametrize("name", STUDIES)
def test_an_index_without_a_start_is_a_row_that_tells_why(name: str, nowhere: Nowhere) -> None:
    study, settings = STUDIES[name], Settings()
    row = study.job(nowhere.task, "weights", settings)(0)
    assert row["index"] == 0 and "no start pose" in json.dumps(row, allow_nan=False)
    if name in ("success", "path", "curves"):
        figures = study.figures(nowhere.task, settings, [row])
        assert figures["no_start"] == 1 and figures["trials"] == (0 if name == "curves" else 1)
    else:
        with pytest.raises(rows.StudyError, match="none of 1 rows can be used, the first because of: no start pose"):
            study.figures(nowhere.task, settings, [row])


def test_a_trial_without_a_start_has_failed_and_has_no_error(nowhere: Nowhere) -> None:
    lost = closed_loop.run_trial(nowhere, Oracle(nowhere), 7)  # type: ignore[arg-type]
    good = lost._replace(start_m=0.05, final_m=0.001, final_rad=0.01, tilt_rad=0.0, success=True, failed="")
    again = closed_loop.restored(json.loads(json.dumps(closed_loop.plain(lost), allow_nan=False)))
    assert not again.begun and again.failed == lost.failed and again.seed == 7 and good.begun
    found = summarise(nowhere.task, [good, lost])
    aligned = good._replace(aligned=True)  # a mug can be lifted from beside the goal, and be missed at it
    shares = summarise(nowhere.task, [aligned, aligned, good, aligned._replace(success=False), lost])
    assert (shares["aligned_rate"], shares["aligned_and_succeeded_rate"]) == (0.6, 0.4)
    assert "aligned            60.0 %, and did the task 40.0 %" in evaluate_command.report(shares, True)
    assert found["success_rate"] == 0.5 and found["position_error_m"]["median"] == 0.001
    assert found["no_start"] == 1 and found["failed"] == [{"seed": 7, "cause": lost.failed}]
    assert found["within"] == [[0.001, 0.5], [0.002, 0.5], [0.004, 0.5]]
    assert (
        lost.failed in (told := evaluate_command.report(found, True)) and "within             1 mm 50.0 %, 2 mm" in told
    )


def test_a_task_without_rotation_has_no_error_of_rotation(nowhere: Nowhere) -> None:
    lost = closed_loop.run_trial(nowhere, Oracle(nowhere), 7)  # type: ignore[arg-type]
    found = summarise(nowhere.task, [lost._replace(start_m=0.05, final_m=0.001, final_rad=0.0, tilt_rad=0.0)])
    assert "rotation error     n/a: no rotation is commanded" in evaluate_command.report(found, False)
    assert "rotation error     median 0.00 deg, p90 0.00 deg" in evaluate_command.report(found, True)
    assert turns(load_task("pick_mug").axes) and not turns(load_task("insert_shaft").axes)


def test_a_curve_counts_trials_without_a_start_apart() -> None:
    task, settings = load_task("pick_mug"), load()
    usual = {"mount_m": 0.004, "mount_deg": 2.0, "start_m": 0.030, "latency_s": 0.0}
    found = [{"index": i, "conditions": usual, "success": i < 2} for i in range(3)]
    found.append({"index": 3, "conditions": usual, "success": False, "failed": "no start pose"})
    figures = STUDIES["curves"].figures(task, settings, found)
    first = figures["curves"]["mount_m"][0]
    assert (first["trials"], first["successes"], first["no_start"]) == (3, 2, 1)
    assert (figures["trials"], figures["no_start"]) == (3, 1)
    assert [row[-1] for row in figures["rows"]] == [1, 1, 0, None]


def test_rollouts_without_a_place_are_left_out() -> None:
    task, config = load_task("pick_mug"), load()
    motion = [1.0, 0.0, 0.0, 0.0, 0.5]
    good = {"index": 0, "wanted": [motion], "predicted": [[motion] * 3]}
    bare: dict[str, Any] = {"index": 1, "wanted": [], "predicted": []}
    lost = {"index": 2, "failed": "no place"}
    figures = STUDIES["anchoring"].figures(task, config, [good, bare, lost])
    assert (figures["rollouts"], figures["left_out"], figures["images"]) == (1, 2, 1)
    with pytest.raises(rows.StudyError, match="none of 1 roll-outs has a place"):
        STUDIES["anchoring"].figures(task, config, [bare])


class Blind(Oracle):  # type: ignore[misc]
    """A servo that is shown a black picture in the third period."""

    shown = 0

    def keypoints(self, left: Any, right: Any, K: Any) -> None:
        self.shown += 1
        if self.shown == 3:
            raise ImageError("left image is black")


def test_a_picture_that_cannot_be_used_ends_the_trial() -> None:
    scene = Scene(load_task("pick_mug"), split="test")
    trial = closed_loop.run_trial(scene, Blind(scene), 3)
    assert trial.begun and trial.steps == 2 and trial.failed == "left image is black"
    assert not (trial.converged or trial.aligned or trial.success)
    assert summarise(scene.task, [trial])["no_start"] == 0
    scene.close()


def test_a_completion_out_of_reach_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(load_task("pick_mug"), split="test")
    scene.reset(3)
    scene.put(scene.world_T_goal)

    def complete() -> bool:
        raise kinematics.Unreachable("beyond")

    monkeypatch.setattr(scene, "complete", complete)
    trial = closed_loop.servo(scene, Oracle(scene), 3)
    assert trial.converged and trial.aligned and not trial.success and trial.failed == "completion: beyond"
    scene.close()
