"""What the report writes into a README."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import pytest
from stored_results import PLAN, WEIGHTS, full, results, store

from kovis_ros.report import graph, readme
from kovis_ros.report.results import ResultError, Results, Servo, shipped

ROOT = Path(__file__).resolve().parents[1]


def test_readme_keeps_everything_but_its_table(tmp_path: Path) -> None:
    full(tmp_path)
    path = tmp_path / "README.md"
    path.write_text(f"before\n{readme.BEGIN}\nold 50 %\n{readme.END}\nafter\n")
    readme.write(results(tmp_path), PLAN, path)
    text = path.read_text()
    assert text.startswith(f"before\n{readme.BEGIN}\n") and text.endswith(f"{readme.END}\nafter\n")
    assert "old" not in text
    rates = "97.0 % (94.8-98.3) of 400 | 90.0 % (78.6-95.7) of 50; 1 without a start | 100 % of 10 |"
    errors = "1.20 mm, 0.50 deg | 2.10 mm, 0.90 deg | 1.0 % | 0.30 deg | 4.3 s |"
    assert f"| Pick-Mug | 16 | 50 % | {rates}" in text
    assert f"| Pick-Mug | 95.0 % | 94.0 % | 90.0 % | {errors}" in text
    assert "| Insert-Shaft |  |  | not run | not run | 100 % of 10 |" in text
    assert "| Insert-Shaft |" + " not run |" * 8 in text
    readme.write(results(tmp_path), PLAN, path)
    assert path.read_text() == text
    path.write_text("no markers")
    with pytest.raises(ResultError, match="add them"):
        readme.write(results(tmp_path), PLAN, path)
    assert path.read_text() == "no markers"


def test_the_readme_has_tables_1_and_2_of_the_shipped_servos(tmp_path: Path) -> None:
    """(0.40 + 1.24) / 2 is 0.82; the floor of the speed loss 0.190. Other weights mark every number."""
    full(tmp_path)
    text = readme.block(results(tmp_path), PLAN)
    assert "| Pick-Mug |" + " not run |" * 5 + " 0.51; 0.45 | 0.48; 0.42 |" in text
    assert "| Pick-Mug |" + " not run |" * 4 + " (0.028, 0.166) | (0.033, 0.170) |" in text
    for servo, study in ((Servo("pick_mug", 10, True), "keypoints"), (Servo("pick_mug", 10, False), "anchoring")):
        found = results(tmp_path).figures(servo, study)
        assert found is not None
        for weights, mark in ((WEIGHTS, ""), (b"before", " †")):
            store(tmp_path, shipped("pick_mug"), study, found, weights)
            text = readme.block(results(tmp_path), PLAN)
            if study == "keypoints":
                averages = f" 0.82; 0.40{mark} | 0.51; 0.45 | 0.48; 0.42 |"
                assert "| Pick-Mug |" + f" (0.40, 1.24){mark} |" * 4 + averages in text
            else:
                numbers = f" (0.031, 0.215; 0.025){mark} |" * 2
                assert "| shipped servo | ±1.0 cm, ±5.0° | average |" in text
                assert f"| Pick-Mug |{numbers} (0.028, 0.166) | (0.033, 0.170) |" in text
                assert "| Insert-Shaft | not run | not run | (0.028, 0.186) | (0.024, 0.182) |" in text


def test_trials_of_the_whole_graph_are_shown_and_marked_when_weights_are_other_ones(tmp_path: Path) -> None:
    full(tmp_path)
    path = graph.path(results(tmp_path), "pick_mug")
    found = {
        "command": "kovis servo pick_mug --trials 20", "turns": True,
        "trials": 20, "successes": 19, "aligned_rate": 0.9, "false_converged_rate": 0.05,
        "position_error_m": {"median": 0.00112, "p90": 0.002},
        "rotation_error_rad": {"median": math.radians(0.34), "p90": 0.01},
        "seconds": {"median": 3.31}, "weights_sha256": hashlib.sha256(WEIGHTS).hexdigest(),
    }  # fmt: skip
    path.write_text(json.dumps(found))
    text = readme.block(results(tmp_path), PLAN)
    assert "| Pick-Mug | 19 of 20 | 90 % | 1.1 mm, 0.3 deg | 3.3 s |" in text
    assert "| Insert-Shaft | not run | not run | not run | not run |" in text
    assert "`kovis servo pick_mug --trials 20`" in text
    (line,) = graph.records(results(tmp_path), ["pick_mug", "insert_shaft"])
    assert (line["successes"], line["stale"], line["rotation_error_p90_rad"]) == (19, "", 0.01)
    assert line["wilson_low"] == pytest.approx(0.7639, abs=1e-4)
    path.write_text(json.dumps({**found, "turns": False, "weights_sha256": "other"}))
    text = readme.block(results(tmp_path), PLAN)
    assert "| Pick-Mug | 19 of 20 † | 90 % † | 1.1 mm, n/a † | 3.3 s † |" in text
    assert "pick_mug-shipped graph (weights)" in text

    kinds = ("weights", "task", "scene", "code")
    now = {f"{kind}_sha256": f"{kind} of now" for kind in kinds[1:]}
    today = Results(tmp_path / "results", tmp_path / "weights", lambda servo, study: now if study == "graph" else {})
    path.write_text(json.dumps({**found, **now}))
    assert graph.stale(today, "pick_mug") == "" == graph.stale(today, "insert_shaft")
    assert "20 †" not in readme.block(today, PLAN)
    for kind in kinds:
        path.write_text(json.dumps({**found, **now, f"{kind}_sha256": "other"}))
        assert graph.stale(today, "pick_mug") == kind
    path.write_text(json.dumps(found))
    assert "| Pick-Mug | 19 of 20 † |" in readme.block(today, PLAN)
    assert "pick_mug-shipped graph (task, scene, code)" in readme.block(today, PLAN)


def test_the_readme_says_when_nothing_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"{readme.BEGIN}\n{readme.END}\n")
    readme.write(Results(tmp_path), PLAN, path)
    assert path.read_text() == f"{readme.BEGIN}\n{readme.EMPTY}\n{readme.END}\n"
    full(tmp_path)
    readme.write(results(tmp_path), PLAN, path)
    assert readme.EMPTY not in path.read_text()


def test_the_projects_readme_has_the_markers() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.count(readme.BEGIN) == text.count(readme.END) == 1 and text.index(readme.BEGIN) < text.index(readme.END)
    assert text.partition(readme.BEGIN)[2].partition(readme.END)[0].strip(), "its block is empty: run kovis report"
