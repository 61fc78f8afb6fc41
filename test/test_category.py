"""A servo measured on a task that it was not trained for, and what the report makes of it; the paper's own shaft."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stored_results import PLAN, results, store
from test_grid import TINY

from kovis_ros import grid
from kovis_ros.cli import main as cli
from kovis_ros.method.config import load_task
from kovis_ros.report import page, readme
from kovis_ros.report.results import Servo, shipped
from kovis_sim import family
from kovis_sim.studies.settings import load


def trials(count: int, successes: int) -> dict[str, Any]:
    """Figures of a success study whose trials all end 1 mm and 1 deg off."""
    errors = {"position_error_m": {"median": 0.001, "p90": 0.002}, "time_s": {"median": 4.0, "p90": 5.0}}
    errors |= {"rotation_error_rad": {"median": math.radians(1.0), "p90": math.radians(2.0)}}
    errors |= {"tilt_rad": {"median": 0.0}, "within": [[0.002, 1.0]]}
    shares = {"aligned_rate": 1.0, "aligned_and_succeeded_rate": successes / count, "false_converged_rate": 0.0}
    shares |= {"no_start": 0}
    return {"trials": count, "success_rate": successes / count, **shares, **errors}


def test_a_servo_is_measured_on_another_task_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from kovis_ros.method import checkpoint
    from kovis_ros.method.networks import Network

    (tmp_path / "tiny.yaml").write_text(TINY)
    other = dataclasses.replace(load_task(tmp_path / "tiny.yaml"), name="pick_mugs")
    checkpoint.save(tmp_path / "other.safetensors", other, Network(other))
    words = ["measure", str(tmp_path / "tiny.yaml"), "--checkpoint", str(tmp_path / "other.safetensors")]
    words += ["--studies", "success", "--trials", "1", "--workers", "1", "--results", str(tmp_path / "results")]
    words += ["--work", str(tmp_path / "work")]
    assert cli.main(words) == 1 and not (tmp_path / "results").exists()
    assert "of task 'pick_mugs', not 'pick_mug'" in capsys.readouterr().err
    assert cli.main([*words, "--other-task"]) == 0
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["pick_mugs-shipped-on-pick_mug"]
    found = json.loads((tmp_path / "results" / "pick_mugs-shipped-on-pick_mug" / "success.json").read_text())
    assert found["servo"]["task"] == "pick_mug" and found["figures"]["trials"] == 1
    assert found["command"].endswith(" --other-task")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Meshes of generated mugs, in a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    family.member.cache_clear()
    yield
    family.member.cache_clear()


@pytest.mark.usefixtures("cache")
def test_evaluate_says_whose_weights_and_which_shapes(tmp_path: Path) -> None:
    from kovis_ros.method import checkpoint
    from kovis_ros.method.networks import Network

    (tmp_path / "tiny.yaml").write_text(TINY.replace("'mug/piece_*.obj'}", "'mug/piece_*.obj', family: mugs}"))
    other = dataclasses.replace(load_task(tmp_path / "tiny.yaml"), name="one_mug")
    checkpoint.save(tmp_path / "other.safetensors", other, Network(other))
    words = ["evaluate", str(tmp_path / "tiny.yaml"), "--checkpoint", str(tmp_path / "other.safetensors")]
    words += ["--other-task", "--trials", "1", "--workers", "1", "--json", str(tmp_path / "found.json")]
    for given, shapes in (([], "test"), (["--shapes", "train"], "train")):
        assert cli.main([*words, *given]) == 0
        found = json.loads((tmp_path / "found.json").read_text())
        assert (found["task"], found["trained_on"]) == ("pick_mug", "one_mug")
        assert (found["split"], found["shapes"]) == ("test", shapes)


def test_a_folder_tells_whose_weights_and_on_what() -> None:
    assert shipped("pick_mugs", "pick_mug").name == "pick_mug-shipped-on-pick_mugs"
    assert shipped("pick_mug", "pick_mug") == shipped("pick_mug")


def test_the_familys_servo_stands_beside_that_of_one_mug(tmp_path: Path) -> None:
    """56 of 70 against 48 of 80: see `metrics.difference`. What was not run has no difference."""
    for servo, count, successes in (
        (shipped("pick_mugs"), 70, 56),
        (shipped("pick_mugs", "pick_mug"), 80, 48),
        (shipped("pick_mug", "pick_mugs"), 100, 97),
    ):
        store(tmp_path, servo, "success", trials(count, successes))
    text = page.write(results(tmp_path), PLAN, tmp_path / "out")[0].read_text()
    family = text.partition("## A family of mugs")[2].partition("## Figure 7")[0]
    shares = "100.0 % | 0.0 % | 1.00 mm, 1.00 deg |"
    assert f"| Pick-Mugs | unseen ones | 80.0 % (69.2-87.7) of 70 | {shares}" in family
    assert f"| Pick-Mug | unseen ones | 60.0 % (49.0-70.0) of 80 | {shares}" in family
    assert f"| Pick-Mugs | the single one | 97.0 % (91.5-99.0) of 100 | {shares}" in family
    assert "| Pick-Mug | the single one | not run | not run | not run | not run |" in family
    assert "| on unseen mugs | +20.0 (+5.2 to +33.4) |" in family
    assert "| on the single mug | not run |" in family and "| each on what it was made for | not run |" in family
    csv = (tmp_path / "out" / "category.csv").read_text().splitlines()
    assert len(csv) == 4 and csv[2].startswith("pick_mugs,pick_mug-shipped-on-pick_mugs,16,0.5,")
    assert "take the trials for independent, and are too wide where both had the same mugs" in family
    assert "+20.0 (+5.2 to +33.4)" in readme.block(results(tmp_path), PLAN)


def test_each_number_of_a_stale_row_is_marked(tmp_path: Path) -> None:
    """The family's servo of other weights: its rate, shares and error, and every difference that it is part of."""
    store(tmp_path, shipped("pick_mugs"), "success", trials(70, 56), b"before")
    store(tmp_path, shipped("pick_mugs", "pick_mug"), "success", trials(80, 48))
    store(tmp_path, shipped("pick_mug"), "success", trials(80, 80))
    text = readme.block(results(tmp_path), PLAN)
    rate = "80.0 % (69.2-87.7) of 70 †"
    assert f"| Pick-Mugs | unseen ones | {rate} | 100.0 % † | 0.0 % † | 1.00 mm, 1.00 deg † |" in text
    assert "| Pick-Mug | unseen ones | 60.0 % (49.0-70.0) of 80 | 100.0 % | 0.0 % | 1.00 mm, 1.00 deg |" in text
    assert "| on unseen mugs | +20.0 (+5.2 to +33.4) † |" in text


def test_the_papers_shaft_has_rows_of_its_own(tmp_path: Path) -> None:
    """In the grid last, K = 10 alone; in the tables beside the paper's shaft."""
    names = [cell.servo.name for cell in grid.cells(load())]
    assert len(names) == 20 and names[-2:] == ["insert_shaft_yaw-k10", "insert_shaft_yaw-k10-adex"]
    store(tmp_path, Servo("insert_shaft_yaw", 10, True), "success", trials(100, 97))
    step = {"position_m": 0.010, "rotation_deg": 5.0, "direction": 0.031, "speed": 0.215, "speed_floor": 0.190}
    figures = {"images": 990, "left_out": 0, "axes": ["x", "y", "z", "rz"], "magnitudes": [step]}
    store(tmp_path, Servo("insert_shaft_yaw", 10, False), "anchoring", figures)
    text = page.write(results(tmp_path), PLAN, tmp_path / "out")[0].read_text()
    assert "| Insert-Shaft, d = 4 | with | n/a | 97.0 % (91.5-99.0) of 100; paper 1.0 | n/a |" in text
    table = text.partition("**Table II, Insert-Shaft, d = 4**")[2].partition("## Table III")[0]
    assert "| ±1.0 cm, ±5.0° | (0.031, 0.215; 0.025) | (0.024, 0.178) | not run | (0.018, 0.172) | n/a |" in table
    third = text.partition("**Table III**")[2]
    bare = "| Insert-Shaft, d = 4 | without | n/a | not run; paper 0.6 | n/a | n/a | n/a |"
    assert bare in third and "| Insert-Shaft, d = 3 (the paper's: d = 4) | without | not run; paper 0.2 |" in third
