"""`kovis measure`, from weights to the report: every study with a row or two."""

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


from kovis_ros import measuring  # noqa: E402
from kovis_ros.cli import main as cli  # noqa: E402
from kovis_ros.method import checkpoint  # noqa: E402
from kovis_ros.method.networks import Network  # noqa: E402
from kovis_sim.studies import STUDIES  # noqa: E402
from kovis_sim.studies.settings import for_shipped, load  # noqa: E402

TASK = """
name: pick_mug
target: {mesh: mug/mug.obj, collision: 'mug/piece_*.obj'}
goal: {position_m: [0.055, 0.0, 0.066], rpy_deg: [180.0, 0.0, 90.0]}
tcp_offset_m: 0.160
completion: [{move_m: [0.0, 0.0, -0.01]}]
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


def test_the_report_shows_it_and_what_of_it_is_not_the_shipped_servos(run: Run) -> None:
    """Fewer trials, images and so on than the frozen settings have, a task of its own, weights that know nothing."""
    out = run.folder / "out"
    assert cli.main(["report", "--results", str(run.folder / "results"), "--out", str(out)]) == 0
    text = (out / "report.md").read_text()
    fewer = ("success", "curves")  # nothing but fewer trials, whose number stands beside each figure
    parts = {name: "task, weights" if name in fewer else "settings, task, weights" for name in NAMES}
    names = "; ".join(f"pick_mug-shipped {name} ({parts[name]})" for name in NAMES)
    assert f"† measured with what is another one now: {names}." in text
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


def test_meshes_are_checked_before_they_are_hashed(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "task.yaml").write_text(TASK.replace("mug/mug.obj", "mug"))
    capsys.readouterr()
    assert cli.main(["measure", str(tmp_path / "task.yaml"), *run.words[2:]]) == 2
    told = capsys.readouterr().err
    assert "target.mesh 'mug' is a folder: give the file of a mesh" in told and len(told.splitlines()) == 1


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
