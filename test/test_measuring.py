"""`kovis measure`, from weights to the report: every study with a row or two, and what one bad index comes to."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import small

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from oracle import Oracle  # noqa: E402

from kovis_ros import measuring  # noqa: E402
from kovis_ros.cli import evaluate as evaluate_command  # noqa: E402
from kovis_ros.cli import main as cli  # noqa: E402
from kovis_ros.method import checkpoint, kinematics  # noqa: E402
from kovis_ros.method.config import Task, load_task  # noqa: E402
from kovis_ros.method.images import ImageError  # noqa: E402
from kovis_ros.method.networks import Network  # noqa: E402
from kovis_sim import closed_loop, fingerprint  # noqa: E402
from kovis_sim.evaluate import summarise  # noqa: E402
from kovis_sim.scene import Scene, SceneError  # noqa: E402
from kovis_sim.studies import STUDIES, rows  # noqa: E402
from kovis_sim.studies.settings import Settings, for_shipped, load  # noqa: E402

TASK = """
name: pick_mug
target: {mesh: mug/mug.obj, collision: 'mug/piece_*.obj'}
goal: {position_m: [0.055, 0.0, 0.066], rpy_deg: [180.0, 0.0, 90.0]}
tcp_offset_m: 0.160
servo: {timeout_s: 0.2}
"""
SETTINGS = """
keypoints: {images: 1}
anchoring: {rollouts: 1, steps: 2}
success: {shipped_trials: 2}
path: {trials: 1, samples: 1}
curves: {trials: 2}
trajectories: {count: 1}
views: {count: 2}
"""
NAMES = [name for name in STUDIES if name != "path" or find_spec("mitsuba")]


class Run(NamedTuple):
    """A servo that knows nothing, measured in everything."""

    folder: Path
    words: list[str]

    def result(self, name: str) -> dict[str, Any]:
        """One result file."""
        return json.loads((self.folder / "results" / "pick_mug-shipped" / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("measured")
    (folder / "task.yaml").write_text(TASK)
    (folder / "settings.yaml").write_text(SETTINGS)
    checkpoint.save(folder / "tiny.safetensors", small.task(), Network(small.task()))
    words = ["measure", str(folder / "task.yaml"), "--checkpoint", str(folder / "tiny.safetensors"), "--workers", "1"]
    words += ["--settings", str(folder / "settings.yaml"), "--results", str(folder / "results")]
    words += ["--work", str(folder / "work"), "--studies", *NAMES]
    assert cli.main(words) == 0
    return Run(folder, words)


def test_every_study_leaves_its_result(run: Run) -> None:
    found = {name: run.result(name)["figures"] for name in NAMES}
    assert found["keypoints"]["images"] == 1 and found["keypoints"]["keypoints"] == 4
    assert found["anchoring"]["rollouts"] == 1 and len(found["anchoring"]["magnitudes"]) == 3
    assert found["success"]["trials"] == 2 and found["curves"]["trials"] + found["curves"]["no_start"] == 2
    assert len(found["views"]["views"]) == 2 and len(found["trajectories"]["trajectories"]) == 1
    assert not list((run.folder / "work").rglob("*.jsonl"))


def test_path_traced_trials_are_the_first_of_success(run: Run) -> None:
    if "path" not in NAMES:
        pytest.skip("mitsuba is not installed")
    traced, drawn = run.result("path"), run.result("success")
    assert traced["figures"]["trials"] == 1 and traced["identity"]["settings"]["samples"] == 1
    for name in ("seed", "background_probability"):
        assert traced["identity"]["settings"][name] == drawn["identity"]["settings"][name]


def test_a_result_tells_how_it_came_about(run: Run) -> None:
    weights = hashlib.sha256((run.folder / "tiny.safetensors").read_bytes()).hexdigest()
    for name in NAMES:
        found = run.result(name)
        assert found["command"] == " ".join(["kovis", *run.words])
        assert found["identity"]["weights_sha256"] == weights and len(found["identity"]["scene_sha256"]) == 64
        assert found["precision"] == "fp32" and "cores" in found["processor"]


def test_the_report_shows_it_and_that_the_weights_are_not_the_shipped_ones(run: Run) -> None:
    out = run.folder / "out"
    assert cli.main(["report", "--results", str(run.folder / "results"), "--out", str(out)]) == 0
    text = (out / "report.md").read_text()
    names = ", ".join(f"pick_mug-shipped {name}" for name in NAMES)
    assert f"† measured with other weights than the servo's: {names}." in text
    row = next(line for line in text.splitlines() if line.startswith("| Pick-Mug | without |"))
    assert "of 2 † |" in row and ("of 1 † |" in row) == ("path" in NAMES)
    assert f"- `kovis {' '.join(run.words)}`" in text
    assert len((out / "curves.csv").read_text().splitlines()) > 20


def test_what_was_measured_before_stays(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((run.folder / "results").rglob("*.json"))
    before = [file.stat().st_mtime_ns for file in files]
    assert cli.main(run.words) == 0
    assert capsys.readouterr().out.count("done before") == len(NAMES)
    assert [file.stat().st_mtime_ns for file in files] == before


def test_another_look_of_the_scene_is_another_table(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "scene_sha256", lambda task: "of another drawing")
    assert cli.main(run.words) == 1
    assert "keypoints.json is of another scene_sha256: delete it" in capsys.readouterr().err


def test_a_missing_path_tracer_is_told_before_the_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    assert cli.main(["measure", "pick_mug"]) == 3
    assert "pip install 'kovis_ros[path]'" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_shipped_servos_have_more_trials_and_only_these_can_be_fewer() -> None:
    settings = load()
    shipped = for_shipped(settings)
    assert (settings.success.trials, shipped.success.trials) == (100, 400) and settings.grid.epochs == 4
    fewer = for_shipped(settings, 7)
    assert fewer.success.trials == 7 and fewer.curves == settings.curves and fewer.path == settings.path
    assert STUDIES["success"].frozen(settings) == STUDIES["success"].frozen(for_shipped(settings, 100))


# -- one bad index ------------------------------------------------------------------------------------------------
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
    assert "aligned            60.0 %, and did the task 40.0 %" in evaluate_command.report(shares)
    assert found["success_rate"] == 0.5 and found["position_error_m"]["median"] == 0.001
    assert found["no_start"] == 1 and found["failed"] == [{"seed": 7, "cause": lost.failed}]
    assert found["within"] == [[0.001, 0.5], [0.002, 0.5], [0.004, 0.5]]
    assert lost.failed in (told := evaluate_command.report(found)) and "within             1 mm 50.0 %, 2 mm" in told


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


# -- how the scene looks ------------------------------------------------------------------------------------------
def test_comments_docstrings_and_layout_do_not_count() -> None:
    plain = 'def grey(x):\n    if x:\n        x = 2\n    return f"{x} of"\n'
    mended = (
        '"""Module."""\n\n\ndef grey(x):  # a shade\n    """Of paint."""\n    if  x :\n\n'
        '        x = 2\n    # so\n    return f"{x} of"'
    )
    assert fingerprint.code(plain) == fingerprint.code(mended)
    for changed in (plain.replace("2", "3"), plain.replace("    return", "        return"), plain.replace("of", "")):
        assert fingerprint.code(changed) != fingerprint.code(plain)


def test_code_and_meshes_decide_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task: Task = load_task("insert_shaft")
    names = {path.name for path in (*fingerprint.modules(task), *fingerprint.meshes(task))}
    assert {"appearance.py", "stage.py", "sensor.py", "bearing.obj", "shaft.obj", "fingertip.obj"} <= names
    assert "mugs.py" in {path.name for path in fingerprint.modules(load_task("pick_mugs"))}
    before = fingerprint.scene_sha256(task)
    assert before == fingerprint.scene_sha256(task) != fingerprint.scene_sha256(load_task("pick_mug"))
    for listed in ("modules", "meshes"):
        with monkeypatch.context() as patch:
            files = getattr(fingerprint, listed)(task)
            other = tmp_path / files[0].name
            other.write_text(files[0].read_text() + "\nx = 1\n")
            patch.setattr(fingerprint, listed, lambda task, files=files, other=other: [other, *files[1:]])
            assert fingerprint.scene_sha256(task) != before
    assert all(path.is_file() for path in fingerprint.modules(load_task("pick_mugs")))
