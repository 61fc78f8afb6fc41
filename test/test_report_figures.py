"""Figures 7 and 8 of the report: pictures, their numbers as CSV, times."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stored_results import PLAN, full, results

from kovis_ros.method.metrics import wilson
from kovis_ros.report import curves, page, paper, trajectories, views
from kovis_ros.report.results import Results, shipped


def test_figure_8_has_its_time_beside_the_papers(tmp_path: Path) -> None:
    """4, 5 and 6 s; the fourth did not converge."""
    full(tmp_path)
    lines = trajectories.records(results(tmp_path), paper.TASKS)
    assert len(lines) == 8 and {line["trial"] for line in lines if line["converged"]} == {0, 1, 2}
    assert [line["normalised_time"] for line in lines[:2]] == [0.0, 1.0] and lines[0]["time_s"] == 4.0
    assert (lines[0]["x_mm"], lines[0]["rz_deg"], lines[1]["x_mm"]) == (20.0, pytest.approx(5.7296, abs=1e-4), 0.0)
    table = trajectories.times(results(tmp_path), paper.TASKS)
    assert table.rows[0] == ["Pick-Mug", "5.0 s", "3 of 4; 1 left out", "about 6 s"]
    path = results(tmp_path).path(shipped("pick_mug"), "trajectories")
    path.write_text(json.dumps({**json.loads(path.read_text()), "identity": {}}))
    assert trajectories.times(results(tmp_path), paper.TASKS).rows[0][1:3] == ["5.0 s †", "3 of 4; 1 left out †"]
    assert table.rows[1] == ["Insert-Shaft", "not run", "not run", "about 6 s"]


def test_each_keypoint_of_each_view_has_a_line_in_pixels(tmp_path: Path) -> None:
    """The middle of an image of 128 pixels is 63.5; a quarter of it to the right is 95.5, one upwards 31.5."""
    full(tmp_path)
    lines = views.records(results(tmp_path), paper.TASKS)
    assert len(lines) == 6 and [line["keypoint"] for line in lines[:2]] == [0, 1]
    found = [(line["x_px"], line["y_px"], line["confidence"]) for line in lines[:2]]
    assert found == [(63.5, 63.5, 0.9), (95.5, 31.5, 0.02)]
    assert {line["stale"] for line in lines} == {""}


def test_figures_show_what_was_stored(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "empty").mkdir()
    page.write(Results(tmp_path / "empty"), PLAN, tmp_path / "a")
    full(tmp_path)
    page.write(results(tmp_path), PLAN, tmp_path / "b")
    for name in ("figure7.png", "figure8.png"):
        bare, drawn = ((tmp_path / place / name).read_bytes() for place in "ab")
        assert drawn[:4] == b"\x89PNG" and len(drawn) > 1.3 * len(bare), name
    assert (tmp_path / "b" / "curves.png").is_file() and not (tmp_path / "a" / "curves.png").exists()


@pytest.mark.parametrize("successes, trials", [(0, 11), (0, 22), (38, 38), (44, 44)])
def test_a_bin_of_all_trials_or_none_is_drawn(tmp_path: Path, successes: int, trials: int) -> None:
    """Rounding puts an end of their intervals on the wrong side of the rate."""
    pytest.importorskip("matplotlib")
    low, high = wilson(successes, trials)
    line = {"task": "pick_mug", "condition": "mount_m", "low": 0.0, "high": 0.01, "trials": trials, "stale": ""}
    line |= {"successes": successes, "wilson_low": low, "wilson_high": high}
    curves.draw(tmp_path / "curves.png", [line], ["pick_mug", "insert_shaft"])
    assert (tmp_path / "curves.png").is_file()
