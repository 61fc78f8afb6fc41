"""What results would depend on now: as `kovis measure` and `kovis grid` have it, by hand."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from kovis_ros import grid, measuring, runs  # noqa: E402
from kovis_ros.cli import main as cli  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_ros.present import Present  # noqa: E402
from kovis_ros.report import page, readme  # noqa: E402
from kovis_ros.report.plan import Plan  # noqa: E402
from kovis_ros.report.results import WEIGHTS, Results, Servo, shipped  # noqa: E402
from kovis_sim.studies import STUDIES  # noqa: E402
from kovis_sim.studies.settings import ServoConfig, for_shipped, load  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def present() -> Present:
    return Present()


@pytest.mark.parametrize(
    "servo, task", [(shipped("pick_mug"), "pick_mug"), (shipped("pick_mugs", "pick_mug"), "pick_mugs")]
)
def test_a_shipped_servo_is_measured_on_its_task_with_more_trials(present: Present, servo: Servo, task: str) -> None:
    found = measuring.identify(STUDIES["success"], load_task(task), "none", for_shipped(load()))
    now = present(servo, "success")
    assert now["settings"]["trials"] == 400 and "weights_sha256" not in now
    assert now == {name: value for name, value in found.items() if name != "weights_sha256"}


def test_a_cell_is_measured_and_trained_as_the_grid_does_it(present: Present) -> None:
    settings = load()
    places = measuring.Places(Results(Path()), Path())
    cell = next(cell for cell in grid.cells(settings) if cell.servo == Servo("insert_plug", 5, True))
    found = measuring.identify(STUDIES["success"], cell.task, "none", settings)
    assert present(cell.servo, "success") == {name: value for name, value in found.items() if name != "weights_sha256"}
    assert found["settings"]["trials"] == 100
    assert present(cell.servo, "training") == grid.Grid(settings, places).identity(cell)
    assert present(Servo("insert_plug", 7, True), "training") == {"recipe": ""}


def test_the_command_names_the_part_that_was_overwritten(
    present: Present, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look of the scene that nobody has, beside the shipped weights and everything else as it is now."""
    weights = hashlib.sha256((WEIGHTS / "pick_mug.safetensors").read_bytes()).hexdigest()
    identity = {**present(shipped("pick_mug"), "trajectories"), "weights_sha256": weights}
    path = Results(tmp_path / "results").path(shipped("pick_mug"), "trajectories")
    path.parent.mkdir(parents=True)
    figures = {"axes": ["x"], "trajectories": [], "left_out": 0}
    words = ["report", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "out")]
    for changed, note in (({}, ""), ({"scene_sha256": "0" * 64}, "pick_mug-shipped trajectories (scene).")):
        found = {"command": "kovis measure pick_mug", "identity": {**identity, **changed}, "figures": figures}
        path.write_text(json.dumps(found))
        assert cli.main(words) == 0
        text = (tmp_path / "out" / "report.md").read_text()
        assert note in text and ("†" in text) == bool(note)


COMMAND = "kovis report --readme README.md --out docs/report"


def test_the_projects_readme_is_what_the_command_would_write(present: Present) -> None:
    """Its block, of the results that lie there now; the command writes it anew."""
    text = (ROOT / "README.md").read_text()
    block = text.partition(readme.BEGIN)[2].partition(readme.END)[0]
    assert block == f"\n{readme.block(Results(ROOT / 'results', present=present), present.plan)}\n", f"run {COMMAND}"


def test_the_projects_report_is_what_the_command_would_write(present: Present, tmp_path: Path) -> None:
    """Page and CSV files, and every picture that the page shows."""
    for made in page.write(Results(ROOT / "results", present=present), present.plan, tmp_path):
        stored = ROOT / "docs" / "report" / made.name
        same = stored.is_file() and (made.suffix == ".png" or stored.read_text() == made.read_text())
        assert same, f"{made.name} is another one: run {COMMAND}"


def test_runs_without_settings_are_of_task_scene_and_code(present: Present) -> None:
    """The graph's trials are Table III's; training counts where it is timed; a task that is not here is another one."""
    mug = shipped("pick_mug")
    graph, bench, rates = (present(mug, name) for name in runs.NAMES)
    names = ("task_sha256", "scene_sha256", "code_sha256")
    assert graph == {name: present(mug, "success")[name] for name in names}
    assert len({found["code_sha256"] for found in (graph, bench, rates)}) == 3
    assert rates["task_sha256"] == graph["task_sha256"] != bench["task_sha256"]
    assert present(shipped("nobodys"), "rates") == {"task_sha256": ""}
    assert {path.name for path in runs.files("bench")} >= {"stand_in.py", "losses.py", "encoder.py"}
    assert {path.name for path in runs.files("rates")} >= {"ur5.py", "arm_loop.py", "keypoint.py"}


def test_the_tables_have_the_columns_of_the_settings(present: Present) -> None:
    """7 is no number of the paper's; 12 stands beside the grid. The family has 75 mugs, 15 of them held out."""
    assert present.plan == Plan(keypoints=(5, 10, 16), tables=10, mugs=60, unseen_mugs=15)
    other = Present()
    others = (ServoConfig("insert_shaft_yaw", 12),)
    config = dataclasses.replace(other.settings.grid, keypoints=(7, 10), tables=7, others=others)
    other.settings = dataclasses.replace(other.settings, grid=config)
    assert other.plan[:2] == ((7, 10, 12), 7)
