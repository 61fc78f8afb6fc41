"""Tasks and files that cannot be: one line with the remedy, an exit code, and nothing written."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
from pathlib import Path

import pytest
import small
import yaml

from kovis_ros.cli import main as cli
from kovis_ros.method.config import LoopConfig, RolloutConfig, load_task, to_dict

ROOT = Path(__file__).resolve().parents[1]
LIFT = "completion: [{move_m: [0.0, 0.0, -0.09]}]"


@pytest.mark.parametrize(
    ("settings", "code", "text"),
    [
        ("target: {mesh: cup.obj}", 2, "target.mesh 'cup.obj' is no file in"),
        (
            "target: {mesh: mug/mug.obj, collision: mug/piece_*.obj, position_range_m: [[2.0, 2.1], [0.0, 0.1]]}",
            2,
            "keep the wrist within",
        ),
    ],
)
def test_a_task_that_cannot_be_built_leaves_no_bag(
    settings: str,
    code: int,
    text: str,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A mesh that is not there; a target out of reach."""
    pytest.importorskip("pybullet")
    monkeypatch.chdir(tmp_path)
    Path("tea.yaml").write_text(f"name: tea\n{LIFT}\n{settings}\n")
    assert cli.main(["record", "tea.yaml", "--out", "bag", "--rollouts", "1", "--workers", "1"]) == code
    assert text in capfd.readouterr().err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["tea.yaml"]


def bad_meshes(folder: Path) -> None:
    """A good box of 40 mm, and one file for each fault."""
    import trimesh

    box = trimesh.creation.box((0.04, 0.04, 0.04), trimesh.transformations.translation_matrix((0.0, 0.0, 0.02)))
    box.export(folder / "box.stl")
    (folder / "empty.stl").write_text("solid nothing\nendsolid nothing\n")
    (folder / "nan.obj").write_text(
        "v nan 0 0\nv 0.02 0 0\nv 0 0.02 0\nv 0 0 0.02\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n"
    )
    trimesh.Trimesh(1e3 * box.vertices, box.faces).export(folder / "mm.stl")
    trimesh.Trimesh(box.vertices, box.faces[2:]).export(folder / "open.stl")
    trimesh.creation.icosphere(5, 0.02).export(folder / "fine.stl")


@pytest.mark.parametrize(
    ("mesh", "piece", "settings", "text"),
    [
        ("none.stl", "box.stl", "", "target.mesh '{here}/none.stl' is no file in {here}: add it"),
        ("", "box.stl", "", "target.mesh '{here}' is a folder: give the file of a mesh"),
        ("nan.obj", "box.stl", "", "nan.obj' has a vertex at (nan, 0, 0): export it with finite coordinates"),
        ("empty.stl", "box.stl", "", "empty.stl' is empty: export it with its triangles"),
        ("mm.stl", "box.stl", "", "mm.stl' is 40 m long: it seems to be in millimetres, scale it by 0.001"),
        ("fine.stl", "box.stl", "", "fine.stl' has 20480 triangles of at most 6000: simplify it"),
        ("box.stl", "none.stl", "", "target.collision '{here}/none.stl' matches no file"),
        ("box.stl", "open.stl", "", "open.stl' is not convex and closed: physics would fill it up to its hull"),
        ("box.stl", "mm.stl", "", "mm.stl' reaches 40 m out of its mesh: export both with one unit"),
        ("box.stl", "box.stl", "goal: {position_m: [0.0, 0.0, -0.02]}", "is in collision: raise goal.position_m"),
        ("box.stl", "box.stl", "goal: {position_m: [0.0, 0.0, 2.0]}", "is out of reach"),
        ("box.stl", "box.stl, position_range_m: [[1.5, 1.6], [0.0, 0.1]]", "", "is out of reach"),
        ("box.stl", "box.stl", "camera: {baseline_range_m: [0.06, 0.04]}", "the lower limit comes first"),
        ("box.stl", "box.stl", "rollout: {translation_m: -0.07}", "rollout.translation_m is -0.07: give 0 or more"),
        ("box.stl", "box.stl", "camera: {rotation_error_deg: .nan}", "is nan: a finite number is needed"),
    ],
)
def test_a_task_by_hand_that_cannot_be_recorded_is_one_line(
    mesh: str, piece: str, settings: str, text: str,
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Told before a folder is made."""
    pytest.importorskip("pybullet")
    monkeypatch.chdir(tmp_path)
    bad_meshes(tmp_path)
    Path("tea.yaml").write_text(f"name: tea\ntarget: {{mesh: ./{mesh}, collision: ./{piece}}}\n{LIFT}\n{settings}\n")
    before = sorted(tmp_path.iterdir())
    assert cli.main(["record", "tea.yaml", "--out", "bag", "--rollouts", "1", "--workers", "1"]) == 2
    told = capfd.readouterr().err
    assert text.format(here=tmp_path) in told and len(told.splitlines()) == 1, told
    assert sorted(tmp_path.iterdir()) == before


def test_an_axis_that_cannot_be_observed_is_warned_of_once(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, not one from each worker; recording and check go on."""
    pytest.importorskip("pybullet")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "config" / "tasks" / "pick_mug.yaml").read_text()
    Path("round.yaml").write_text(text + "\nsymmetry: [1, 1, 0]\n")
    line = "axis 'rz' is commanded, but the object looks the same from every side about it: its label is noise"
    assert cli.main(["record", "round.yaml", "--out", "bag", "--rollouts", "1", "--workers", "1"]) == 0
    told = capfd.readouterr().err
    assert told.startswith(f"kovis: warning: round.yaml: {line}") and told.count(line) == 1
    cli.main(["check-data", "bag"])
    told = capfd.readouterr().err
    assert told.startswith(f"kovis: warning: the bag's settings: {line}") and len(told.splitlines()) == 1


def test_a_disk_too_small_for_the_cache_is_told_before_the_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """18 samples of 90.2 kB."""
    pytest.importorskip("rosbags")
    from made_bag import make_bag, recording

    monkeypatch.chdir(tmp_path)
    make_bag(Path("bag"), recording=recording(load_task("pick_mug")))
    usage = argparse.Namespace(free=18 * 90_200 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert cli.main(["train", "pick_mug", "--data", "bag"]) == 1
    told = capsys.readouterr().err
    assert "cache bag.cache needs 0.0 GB, 0.0 GB are free: make room or give another --cache" in told
    assert len(told.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bag"]


def test_trials_that_cannot_start_are_one_line(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a progress bar before it."""
    pytest.importorskip("pybullet")
    capfd.readouterr()  # what PyBullet says when it is imported
    from kovis_ros.method import checkpoint
    from kovis_ros.method.networks import Network

    monkeypatch.chdir(tmp_path)
    far = dataclasses.replace(small.task(), rollout=RolloutConfig(start_distance_m=(2.0, 2.1)))
    Path("far.yaml").write_text(yaml.safe_dump(to_dict(far)))
    checkpoint.save("far.safetensors", far, Network(far))
    words = ["evaluate", "far.yaml", "--checkpoint", "far.safetensors", "--trials", "1", "--workers", "1"]
    assert cli.main([*words, "--json", "found.json"]) == 1
    told = capfd.readouterr()
    line = "no start pose with rollout.start_distance_m [2.0, 2.1] reaches the goal freely: give less"
    assert line in told.err and len(told.err.splitlines()) == 1 and told.err.startswith("kovis: ") and not told.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["far.safetensors", "far.yaml"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["train", "pick_mug", "--data", "none"], "bag none does not exist: record one with"),
        (["train", "pick_mug", "--data", "short"], "short_0000.mcap is truncated or no MCAP"),
        (["train", "pick_mug", "--data", "none", "--start", "text.safetensors"], "text.safetensors is damaged"),
        (
            ["train", "pick_mug", "--data", "sloped"],
            "with other settings (servo.label_slope 100.0 -> 200.0): train with",
        ),
        (["train", "pick_mug", "--data", "sparse"], "with other settings (target.mesh '' -> 'mug/mug.obj', "),
        (["train", "pick_mug", "--data", "spoilt"], "spoilt/metadata.yaml is damaged or not of KOVIS (ParserError"),
        (["check-data", "spoilt"], "spoilt/metadata.yaml is damaged or not of KOVIS (ParserError"),
        (["evaluate", "pick_mug", "--checkpoint", "text.safetensors"], "text.safetensors is damaged"),
        (["evaluate", "pick_mug", "--checkpoint", "other.safetensors"], "of task 'other', not 'pick_mug'"),
        (["evaluate", "pick_mug", "--checkpoint", "other.safetensors"], "or try it all the same with --other-task"),
        (["measure", "pick_mug", "--checkpoint", "other.safetensors"], "or try it all the same with --other-task"),
        (
            ["evaluate", "insert_plug", "--checkpoint", "other.safetensors", "--other-task"],
            "of task 'other', which differs from 'insert_plug' (tcp_offset_m 0.16 -> 0.195, camera.eye_m",
        ),
        (
            ["evaluate", "pick_mug", "--checkpoint", "yaw.safetensors", "--trials", "1"],
            "trained for other settings of 'pick_mug' (axes (",
        ),
        (
            ["measure", "pick_mug", "--checkpoint", "yaw.safetensors", "--trials", "1"],
            "trained for other settings of 'pick_mug' (axes (",
        ),
        (["record", "pick_mug", "--out", "text.safetensors"], "text.safetensors"),
    ],
)
def test_bad_files_are_one_line_exit_1_and_nothing_written(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rosbags")
    from made_bag import RECORDING, make_bag, recording

    from kovis_ros.method import checkpoint
    from kovis_ros.method.networks import Network

    monkeypatch.chdir(tmp_path)
    make_bag(Path("short"))
    make_bag(Path("sparse"))  # its settings have no goal, mesh or tcp, as in no task
    sloped = dataclasses.replace(load_task("pick_mug"), servo=LoopConfig(label_slope=100.0))
    make_bag(Path("sloped"), recording=recording(sloped))
    make_bag(Path("spoilt"), recording=RECORDING._replace(task_yaml="a: ["))
    shard = Path("short/short_0000.mcap")
    shard.write_bytes(shard.read_bytes()[:-100])
    Path("text.safetensors").write_text("no weights")
    other = dataclasses.replace(small.task(), name="other")
    checkpoint.save("other.safetensors", other, Network(other))
    yaw = dataclasses.replace(small.task(), axes=("rz",))
    checkpoint.save("yaw.safetensors", yaw, Network(yaw))
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(words) == 1
    told = capsys.readouterr().err
    assert text in told.splitlines()[-1] and "Traceback" not in told and sorted(tmp_path.rglob("*")) == before
