"""The grid of Table III: killed and gone on with, finished, refused where the disk is too small."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from kovis_ros import grid
from kovis_ros.cli import main as cli
from kovis_ros.method.config import load_task
from kovis_ros.report import success
from kovis_ros.report.results import Results
from kovis_sim.studies.settings import GridConfig

ROOT = Path(__file__).resolve().parents[1]
TINY = """
name: pick_mug
target: {mesh: mug/mug.obj, collision: 'mug/piece_*.obj'}
goal: {position_m: [0.055, 0.0, 0.066], rpy_deg: [180.0, 0.0, 90.0]}
tcp_offset_m: 0.160
model: {growth: 8, layers: [1, 2], decoder_layers: [1, 1], servo_hidden: [32]}
training: {batch: 4, finish_samples: 0, validation_share: 0.2}
servo: {timeout_s: 0.3}
"""
SETTINGS = "grid: {{tasks: [{task}], keypoints: [4], samples: 20, epochs: 3, image_px: 64}}\nsuccess: {{trials: 1}}\n"
KILLED = """
import os, sys
sys.path.insert(0, {root!r})
import torch
torch.set_num_threads(1)
from kovis_ros.cli import main
from kovis_ros.method import training_run
training_run.SAVE_EVERY = 1
learn, count = training_run.Run.learn, 0
def dies(run, batch):
    global count
    count += 1
    if count == 8:
        os.kill(os.getpid(), 9)
    return learn(run, batch)
training_run.Run.learn = dies
main.main({words!r})
"""


def test_every_cell_sees_images_of_one_size() -> None:
    """Whatever a task has: images of 128 px, each cell of the map as many of them as with the task's own size."""
    for one in map(load_task, ("pick_mug", "insert_plug")):
        cell = grid.cell(one, 5, False, GridConfig(image_px=128))
        assert (cell.task.camera.size_px, cell.task.model.image_size, cell.task.model.map_size) == (128, 128, 32)


@pytest.mark.slow
def test_a_killed_grid_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the second epoch of the first cell: bag and finished steps stay, and a finished grid does nothing."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "report.yaml").write_text(SETTINGS.format(task=tmp_path / "tiny.yaml"))
    words = ["grid", "--settings", str(tmp_path / "report.yaml"), "--results", str(tmp_path / "results")]
    words += ["--work", str(tmp_path / "work"), "--workers", "1", "--threads", "1", "--cells", "pick_mug-k4"]
    script = KILLED.format(root=str(ROOT), words=words)
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert answer.returncode == -signal.SIGKILL, answer.stderr
    shard = next((tmp_path / "work").glob("pick_mug-bag-*/*.mcap"))
    recorded = shard.stat().st_mtime_ns
    assert not (tmp_path / "results").exists()
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "[1/1] pick_mug-k4: not trained" in said and "resumed at step 7 of 9" in said
    assert shard.stat().st_mtime_ns == recorded
    files = sorted((tmp_path / "results" / "pick_mug-k4").iterdir())
    assert [file.name for file in files] == ["servo.safetensors", "success.json", "training.json"]
    found = json.loads(files[1].read_text())
    assert found["figures"]["trials"] == 1 and found["servo"]["keypoints"] == 4 and found["servo"]["adex"] == 0.0
    trained = json.loads(files[2].read_text())
    assert trained["weights_sha256"] == found["identity"]["weights_sha256"]
    assert trained["precision"] in ("32-true", "bf16-mixed")
    recipe = "20 samples of 64 px x 3 epochs in batches of 4; chosen by the validation split"
    assert trained["figures"]["recipe"] == recipe
    assert trained["command"] == found["command"] == " ".join(["kovis", *words])
    times = [file.stat().st_mtime_ns for file in files]
    assert cli.main([*words, "--list"]) == 0 and "pick_mug-k4: done" in capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setattr(grid.scene_check, "check", lambda task: pytest.fail(f"nothing of {task.name} is missing"))
        assert cli.main(words) == 0 and [file.stat().st_mtime_ns for file in files] == times
    report = success.records(Results(tmp_path / "results", tmp_path / "weights"), ["pick_mug"], [4])
    assert [(line["servo"], line["trials"]) for line in report] == [("pick_mug-k4", 1)]
    (tmp_path / "report.yaml").write_text(
        SETTINGS.format(task=tmp_path / "tiny.yaml").replace("epochs: 3", "epochs: 4")
    )
    stale = "pick_mug-k4 is stale: training (another task)"
    assert cli.main(words) == 1 and f"{stale}: delete it, or give another --results" in capsys.readouterr().err
    assert (
        cli.main([*words, "--list"]) == 0 and "pick_mug-k4: stale: training (another task)" in capsys.readouterr().out
    )
    (tmp_path / "results" / "pick_mug-k4" / "servo.safetensors").unlink()
    changed = SETTINGS.format(task=tmp_path / "tiny.yaml").replace("trials: 1", "trials: 2")
    (tmp_path / "report.yaml").write_text(changed)
    assert cli.main(words) == 1 and "stale: success (another settings)" in capsys.readouterr().err


def test_a_later_task_that_cannot_be_is_told_before_the_first_cell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second task's goal is in the table, the third's mesh is missing."""
    pytest.importorskip("pybullet")
    (tmp_path / "tiny.yaml").write_text(TINY)
    words = ["grid", "--settings", str(tmp_path / "report.yaml"), "--results", str(tmp_path / "results")]
    words += ["--work", str(tmp_path / "work")]
    low, gone = TINY.replace("0.066]", "0.0]"), TINY.replace("mug/mug.obj", "mug/none.obj")
    for text, told in (
        (low, "is in collision: raise goal.position_m"),
        (gone, "target.mesh 'mug/none.obj' is no file"),
    ):
        (tmp_path / "bad.yaml").write_text(text.replace("name: pick_mug", "name: bad"))
        tasks = f"{tmp_path / 'tiny.yaml'}, {tmp_path / 'bad.yaml'}"
        (tmp_path / "report.yaml").write_text(SETTINGS.format(task=tasks))
        assert cli.main(words) == 2
        assert told in capsys.readouterr().err and not (tmp_path / "work").exists()


def test_a_disk_too_small_for_the_grid_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One bag of a million samples of 64 px, 12.3 kB each, and its cache of 90.2 kB each, for both cells together."""
    pytest.importorskip("pybullet")
    (tmp_path / "tiny.yaml").write_text(TINY)
    text = SETTINGS.format(task=tmp_path / "tiny.yaml").replace("samples: 20", "samples: 1000000")
    (tmp_path / "report.yaml").write_text(text)
    words = ["grid", "--settings", str(tmp_path / "report.yaml"), "--results", str(tmp_path / "results")]
    words += ["--work", str(tmp_path / "work")]
    free = [102_488_000_000 - 1]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free[0]))
    assert cli.main([*words, "--list"]) == 0
    capsys.readouterr()
    assert cli.main(words) == 1
    told = capsys.readouterr().err
    assert "102.5 GB free, and bags and caches of pick_mug need about 102.5 GB more: free some, or" in told
    assert len(told.splitlines()) == 1 and not (tmp_path / "work").exists()


def test_what_a_grid_has_already_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two roll-outs of four, then a cache half built, then all."""
    pytest.importorskip("pybullet")
    from kovis_ros.grid import Grid, cells
    from kovis_ros.measuring import Places
    from kovis_sim import rollouts
    from kovis_sim.studies.settings import load

    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "report.yaml").write_text(SETTINGS.format(task=tmp_path / "tiny.yaml"))
    settings = load(tmp_path / "report.yaml")
    grid, cell = Grid(settings, Places(Results(tmp_path / "results"), tmp_path)), cells(settings)[0]
    missing = {0: range(2, 4)}
    monkeypatch.setattr(rollouts, "lacking", lambda *_: missing)
    assert grid.needed_bytes(cell) == 10 * 12_288 + 20 * 90_200
    missing.clear()
    bag = grid.bag(cell)
    begun = bag.with_name(f"{bag.name}.cache.part")
    begun.mkdir()
    (begun / "images.npy").write_bytes(bytes(1000))
    assert grid.needed_bytes(cell) == 20 * 90_200 - 1000
    cache = begun.rename(bag.with_name(f"{bag.name}.cache"))
    (cache / "cache.json").write_text("{}")
    assert grid.needed_bytes(cell) == 0
    free = SimpleNamespace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    grid.check_disk([cell])
