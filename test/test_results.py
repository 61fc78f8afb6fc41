"""Stored results: marked where they are of another day, refused where they are damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stored_results import CURVES, PLAN, full, results, store

from kovis_ros.cli import main as cli
from kovis_ros.report import page, readme
from kovis_ros.report.results import ResultError, Results, Servo, read, shipped


def test_results_of_other_weights_are_marked(tmp_path: Path) -> None:
    """One study of a servo measured with the weights before; one of a servo whose training nobody knows."""
    full(tmp_path)
    found = json.loads(results(tmp_path).path(shipped("pick_mug"), "path").read_text())["figures"]
    store(tmp_path, shipped("pick_mug"), "path", found, b"what it had learned before")
    results(tmp_path).path(Servo("pick_mug", 10, True), "training").unlink()
    text = page.write(results(tmp_path), PLAN, tmp_path / "out")[0].read_text()
    names = ("pick_mug-k10-adex keypoints", "pick_mug-k10-adex success", "pick_mug-shipped path")
    strange = f"† measured with what is another one now: {'; '.join(f'{name} (weights)' for name in names)}."
    assert strange in text
    assert "| 97.0 % (94.8-98.3) of 400 | 90.0 % (78.6-95.7) of 50; 1 without a start † |" in text
    assert "(0.40, 1.24) † |" in text and "97.0 % (91.5-99.0) of 100 †; paper 1.0" in text
    assert "(0.031, 0.215; 0.025) |" in text
    assert strange in readme.block(results(tmp_path), PLAN)
    (tmp_path / "weights" / "pick_mug.safetensors").unlink()
    assert results(tmp_path).stale(shipped("pick_mug"), "success") == "weights"


def test_results_of_other_settings_task_or_scene_are_marked(tmp_path: Path) -> None:
    """Whatever of an identity is another one now is named; a cell of the grid is what its training is of, too."""
    full(tmp_path)
    servo, cell = shipped("pick_mug"), Servo("pick_mug", 10, True)
    now: dict[str, Any] = {"settings": {"trials": 400, **CURVES}, "task_sha256": "mug", "scene_sha256": "cell"}
    recipe = {"task": {"epochs": 4}, "samples": 12_000}

    def present(servo: Servo, study: str) -> dict[str, Any]:
        return recipe if study == "training" else now

    def change(servo: Servo, study: str, **parts: object) -> None:
        path = results(tmp_path).path(servo, study)
        data = json.loads(path.read_text())
        path.write_text(json.dumps({**data, "identity": {**data.get("identity", {}), **parts}}))

    today = Results(tmp_path / "results", tmp_path / "weights", present)
    for study in ("success", "path", "curves", "trajectories", "views"):
        change(servo, study, **now)
    change(cell, "success", **now)
    change(cell, "training", **recipe)
    assert not today.stale(servo, "success") and not today.stale(cell, "success")
    change(servo, "success", settings={**now["settings"], "trials": 2})
    assert not today.stale(servo, "success")  # the number of trials stands beside each figure
    change(servo, "success", scene_sha256="0" * 64, settings={"trials": 2})
    change(servo, "path", task_sha256="another")
    change(cell, "training", samples=20)
    text = page.write(today, PLAN, tmp_path / "out")[0].read_text()
    assert "pick_mug-shipped success (settings, scene); pick_mug-shipped path (task)" in text
    assert "pick_mug-k10-adex success (training's samples)" in text and "pick_mug-shipped curves" not in text
    assert "of 400 † | 90.0 % (78.6-95.7) of 50; 1 without a start † |" in text
    assert '"settings, scene"' in (tmp_path / "out" / "table3.csv").read_text()


def test_a_file_of_another_command_is_no_result(tmp_path: Path) -> None:
    full(tmp_path)
    path = results(tmp_path).path(shipped("pick_mug"), "path")
    path.write_text(json.dumps({"renderer": "path", "trials": 50, "success_rate": 0.9}))
    with pytest.raises(ResultError, match="none of `kovis measure` or `kovis grid`: delete it and measure again"):
        page.write(results(tmp_path), PLAN, tmp_path / "out")


def test_a_damaged_result_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full(tmp_path)
    path = results(tmp_path).path(shipped("pick_mug"), "success")
    path.write_text(path.read_text()[:-20])
    assert cli.main(["report", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "out")]) == 1
    assert f"result {path} is damaged" in capsys.readouterr().err


def test_a_result_out_of_reach_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ResultError, match="x/path.json lies in no folder, a file is in its way: check the path$"):
        read(tmp_path / "file" / "x" / "path.json")

    def locked(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", locked)
    with pytest.raises(ResultError, match="path.json may not be read: check the path and its permissions$"):
        read(tmp_path / "path.json")
