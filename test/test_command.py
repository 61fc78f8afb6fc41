"""The `kovis` command: finding commands, exit codes, one line for what a user can mend."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import small

from kovis_ros.bags import BagError
from kovis_ros.cli import main as cli
from kovis_ros.cli import save_json
from kovis_ros.method.config import ConfigError

ROOT = Path(__file__).resolve().parents[1]
Fake = Callable[[Callable[[argparse.Namespace], int]], None]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    """Makes `kovis make-tea` run the given function."""

    def install(run: Callable[[argparse.Namespace], int]) -> None:
        module = ModuleType("kovis_ros.cli.make_tea", "Make tea.\n\nWith milk.")
        module.add_arguments = lambda parser: parser.add_argument("--cups", type=int, default=1)  # type: ignore
        module.run = run  # type: ignore
        (tmp_path / "make_tea.py").write_text('"""Make tea.\n\nWith milk."""\nraise SystemExit("imported")\n')
        monkeypatch.setitem(sys.modules, "kovis_ros.cli.make_tea", module)
        monkeypatch.setattr(cli, "commands", lambda: {"make-tea": tmp_path / "make_tea.py"})

    return install


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


def test_help_is_read_without_importing(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake(lambda args: 0)
    assert cli.main(["--help"]) == 0
    assert "  make-tea  Make tea.\n" in capsys.readouterr().out
    assert cli.main([]) == 2


def test_runs_with_its_arguments(fake: Fake, tmp_path: Path) -> None:
    seen: list[argparse.Namespace] = []
    fake(lambda args: seen.append(args) or 3)
    assert cli.main(["make-tea", "--cups", "2", "--json", str(tmp_path / "out.json")]) == 3
    assert seen[0].cups == 2 and seen[0].json == tmp_path / "out.json"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("task 'x' is unknown:\nchoose from a, b"), 2, "kovis: task 'x' is unknown: choose from a, b"),
        (BagError("bag b is unfinished"), 1, "kovis: bag b is unfinished"),
        (FileNotFoundError(2, "No such file or directory", "a.yaml"), 1, "kovis: a.yaml: No such file or directory"),
        (
            ModuleNotFoundError("no", name="pybullet"),
            3,
            "kovis: pybullet is not installed: pip install",
        ),
        (ModuleNotFoundError("no", name="rclpy.node"), 3, "kovis: rclpy is not installed: run `make setup`"),
        (KeyboardInterrupt(), 130, "kovis: interrupted"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    fake: Fake, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    fake(raising(error))
    assert cli.main(["make-tea"]) == code
    err = capsys.readouterr().err
    assert err.startswith(line) and err.count("\n") == 1


def test_a_fault_of_ours_keeps_its_traceback(fake: Fake) -> None:
    fake(raising(ValueError("matrix is singular")))
    with pytest.raises(ValueError, match="singular"):
        cli.main(["make-tea"])


def test_wrong_usage(fake: Fake, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    fake(lambda args: 0)
    assert cli.main(["make-coffee"]) == 2
    assert "command 'make-coffee' is unknown: choose from make-tea" in capsys.readouterr().err
    nowhere = str(tmp_path / "nowhere" / "out.json")
    for words in (["--cups", "two"], ["--sugar"], ["--json", nowhere], ["--json", str(tmp_path)]):
        with pytest.raises(SystemExit) as caught:
            cli.main(["make-tea", *words])
        told = capsys.readouterr().err
        assert caught.value.code == 2 and words[0] in told and "see `kovis make-tea --help`" in told
        assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["record", "make_tea", "--out", "BAG"], "task 'make_tea' is unknown: choose from"),
        (["record", "pick_mug", "--out", "BAG", "--rollouts", "0"], "--rollouts 0 is out of range: give 1 or more"),
        (["record", "pick_mug", "--out", "BAG", "--seed", "-1"], "--seed -1 is out of range: give 0 or more"),
        (["record", "pick_mug", "--out", "BAG", "--workers", "-1"], "--workers -1 is out of range"),
        (["train", "make_tea", "--data", "BAG"], "task 'make_tea' is unknown"),
        (["train", "pick_mug", "--data", "BAG", "--epochs", "0"], "--epochs 0 is out of range"),
        (["train", "pick_mug", "--data", "BAG", "--threads", "0"], "--threads 0 is out of range"),
        (["train", "pick_mug", "--data", "BAG", "--learning-rate", "nan"], "--learning-rate nan is out of range"),
        (["evaluate", "make_tea"], "task 'make_tea' is unknown"),
        (["evaluate", "pick_mug", "--trials", "0"], "--trials 0 is out of range"),
        (["evaluate", "pick_mug", "--seed", "-1"], "--seed -1 is out of range"),
        (["evaluate", "pick_mug", "--renderer", "path", "--samples", "0"], "--samples 0 is out of range"),
    ],
)
def test_what_cannot_be_is_one_line_exit_2_and_nothing_written(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert text in told and len(told.splitlines()) == 1 and not list(tmp_path.iterdir())


def test_a_missing_path_tracer_is_told_before_the_trials(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pybullet")
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    assert cli.main(["evaluate", "pick_mug", "--renderer", "path"]) == 3
    assert capsys.readouterr().err == "kovis: mitsuba is not installed: pip install 'kovis_ros[path]'\n"


@pytest.mark.parametrize(
    ("settings", "code", "text"),
    [
        ("target: {mesh: cup.obj}", 2, "target.mesh 'cup.obj' is no file in"),
        (
            "target: {mesh: mug/mug.obj, collision: mug/piece_*.obj, position_range_m: [[2.0, 2.1], [0.0, 0.1]]}",
            1,
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
    Path("tea.yaml").write_text(f"name: tea\n{settings}\n")
    assert cli.main(["record", "tea.yaml", "--out", "bag", "--rollouts", "1", "--workers", "1"]) == code
    assert text in capfd.readouterr().err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["tea.yaml"]


def bad_meshes(folder: Path) -> None:
    """A good box of 40 mm, and one file for each fault."""
    import trimesh

    box = trimesh.creation.box((0.04, 0.04, 0.04), trimesh.transformations.translation_matrix((0.0, 0.0, 0.02)))
    box.export(folder / "box.stl")
    (folder / "empty.stl").write_text("solid nothing\nendsolid nothing\n")
    trimesh.Trimesh(1e3 * box.vertices, box.faces).export(folder / "mm.stl")
    trimesh.Trimesh(box.vertices, box.faces[2:]).export(folder / "open.stl")
    trimesh.creation.icosphere(5, 0.02).export(folder / "fine.stl")


@pytest.mark.parametrize(
    ("mesh", "piece", "settings", "text"),
    [
        ("none.stl", "box.stl", "", "target.mesh '{here}/none.stl' is no file in {here}: add it"),
        ("empty.stl", "box.stl", "", "empty.stl' is empty: export it with its triangles"),
        ("mm.stl", "box.stl", "", "mm.stl' is 40 m long: it seems to be in millimetres, scale it by 0.001"),
        ("fine.stl", "box.stl", "", "fine.stl' has 20480 triangles of at most 6000: simplify it"),
        ("box.stl", "none.stl", "", "target.collision '{here}/none.stl' matches no file"),
        ("box.stl", "open.stl", "", "open.stl' is not convex and closed: physics would fill it up to its hull"),
        ("box.stl", "mm.stl", "", "mm.stl' reaches 40 m out of its mesh: export both with one unit"),
        ("box.stl", "box.stl", "goal: {position_m: [0.0, 0.0, -0.02]}", "is in collision: raise goal.position_m"),
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
    Path("tea.yaml").write_text(f"name: tea\ntarget: {{mesh: ./{mesh}, collision: ./{piece}}}\n{settings}\n")
    before = sorted(tmp_path.iterdir())
    assert cli.main(["record", "tea.yaml", "--out", "bag", "--rollouts", "1", "--workers", "1"]) in (1, 2)
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
    from test_bags import make_bag

    monkeypatch.chdir(tmp_path)
    make_bag(Path("bag"))
    usage = argparse.Namespace(free=18 * 90_200 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert cli.main(["train", "pick_mug", "--data", "bag"]) == 1
    told = capsys.readouterr().err
    assert "cache bag.cache needs 0.0 GB, 0.0 GB are free: make room or give another --cache" in told
    assert len(told.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bag"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["train", "pick_mug", "--data", "none"], "bag none does not exist: record one with"),
        (["train", "pick_mug", "--data", "short"], "short_0000.mcap is truncated or no MCAP"),
        (["train", "pick_mug", "--data", "none", "--start", "text.safetensors"], "text.safetensors is damaged"),
        (["evaluate", "pick_mug", "--checkpoint", "text.safetensors"], "text.safetensors is damaged"),
        (["evaluate", "pick_mug", "--checkpoint", "other.safetensors"], "of task 'other', not 'pick_mug'"),
        (["evaluate", "pick_mug", "--checkpoint", "other.safetensors"], "or try it all the same with --other-task"),
        (["measure", "pick_mug", "--checkpoint", "other.safetensors"], "or try it all the same with --other-task"),
        (
            ["evaluate", "insert_plug", "--checkpoint", "other.safetensors", "--other-task"],
            "of task 'other', which differs from 'insert_plug' in camera, tcp_offset_m",
        ),
        (["record", "pick_mug", "--out", "text.safetensors"], "text.safetensors"),
    ],
)
def test_bad_files_are_one_line_exit_1_and_nothing_written(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rosbags")
    from made_bag import make_bag

    from kovis_ros.method import checkpoint
    from kovis_ros.method.networks import Network

    monkeypatch.chdir(tmp_path)
    make_bag(Path("short"))
    shard = Path("short/short_0000.mcap")
    shard.write_bytes(shard.read_bytes()[:-100])
    Path("text.safetensors").write_text("no weights")
    other = dataclasses.replace(small.task(), name="other")
    checkpoint.save("other.safetensors", other, Network(other))
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(words) == 1
    told = capsys.readouterr().err
    assert text in told.splitlines()[-1] and "Traceback" not in told and sorted(tmp_path.rglob("*")) == before


def test_every_optional_package_has_an_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an extra brings, under the name it is imported by, is installed by the extra that the line names."""
    import setuptools

    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **named: given.update(named))
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    imported = {"opencv-python-headless": "cv2", "pillow": "PIL", "scikit-image": "skimage", "ur-rtde": "rtde_control"}
    extras = given["extras_require"]
    wanted = {item for extra in ("sim", "bags", "train", "path", "ur", "realsense") for item in extras[extra]}
    for requirement in wanted - {"ruamel.yaml.clib"}:  # which rosbags imports
        package = re.match(r"[\w-]+", requirement)[0]  # type: ignore[index]
        line = cli.INSTALL[imported.get(package, package)]
        assert requirement in extras[re.search(r"kovis_ros\[(\w+)\]", line)[1]]  # type: ignore[index]


def test_json_is_whole(tmp_path: Path) -> None:
    data = {"rate": np.float32(0.5), "wilson95": np.array([0.25, 0.75]), "path": tmp_path, "trials": np.int64(3)}
    save_json(tmp_path / "out.json", data)
    assert json.loads((tmp_path / "out.json").read_text()) == {
        "rate": 0.5, "wilson95": [0.25, 0.75], "path": str(tmp_path), "trials": 3,
    }  # fmt: skip
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]
    save_json(None, data)


@pytest.mark.parametrize("name", cli.commands())
def test_every_command_has_help_and_a_first_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.first_line(cli.commands()[name])
    with pytest.raises(SystemExit) as caught:
        cli.main([name, "--help"])
    told = capsys.readouterr().out
    assert caught.value.code == 0 and told.startswith(f"usage: kovis {name}") and "--json FILE" in told


def test_the_command_runs_as_a_program() -> None:
    command = [sys.executable, "-m", "kovis_ros.cli.main", "make-tea"]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 2 and answer.stderr.startswith("kovis: command 'make-tea' is unknown: choose from")
