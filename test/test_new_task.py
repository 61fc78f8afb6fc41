"""A new task from meshes: the tutorial's short form from end to end, and one line for each thing that cannot be."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections import namedtuple
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

import trimesh  # noqa: E402
from round_bodies import ROUND  # noqa: E402

from kovis_ros.cli.main import main as kovis  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_sim import mesh_check, task_file, usb  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the plug and its socket in ``cad``."""
    monkeypatch.chdir(tmp_path)
    usb.main(Path("cad"))
    return tmp_path


def test_the_tutorial_in_short_form(here: Path) -> None:
    """From CAD to closed loop: task, recording, its check, a tiny training, one trial."""
    pytest.importorskip("lightning", reason="needs lightning: run make setup")
    pytest.importorskip("rosbags", reason="needs rosbags: run make setup")
    found = importlib.util.spec_from_file_location("tutorial", ROOT / "scripts" / "tutorial.py")
    tutorial = importlib.util.module_from_spec(found)
    found.loader.exec_module(tutorial)
    assert tutorial.run(short=True) == 0
    assert json.loads(Path("task.json").read_text())["completed"]  # a servo may learn this
    task = load_task("usb/usb.yaml")
    assert task.name == "usb" and task.held.mesh == str(here / "usb/meshes/held.obj")
    assert task.model.keypoints == 4 and task.success.kind == "seat" and task.success.distance_m == 0.012
    checked = json.loads(Path("check.json").read_text())
    assert checked["passed"] and checked["samples"] == checked["looked_at"] == 100
    assert json.loads(Path("usb.json").read_text())["trials"] == 1
    for name in ("goal", "starts", "landmarks"):
        picture = cv2.imread(f"usb/preview/{name}.png", cv2.IMREAD_GRAYSCALE)
        assert min(picture.shape) >= 480 and picture.std() > 20
    for name in ("goal", "landmarks"):
        made, shown = (cv2.imread(str(file)).astype(int) for file in picture_files(name))
        assert np.mean(np.abs(made - shown) > 32) < 0.001, "copy {} to {}".format(*picture_files(name))
    assert cv2.imread(checked["sheet"]).std() > 20


def picture_files(name: str) -> tuple[Path, Path]:
    """A preview as the tutorial made it, and as ``docs/new_task.md`` shows it."""
    return Path(f"usb/preview/{name}.png"), ROOT / "docs" / "images" / f"new_task_{name}.png"


def test_the_file_says_what_the_task_is(tmp_path: Path) -> None:
    """Every shipped task survives being written with comments."""
    for name in ("pick_mug", "insert_shaft", "insert_plug"):
        task = load_task(name)
        (tmp_path / "again.yaml").write_text(task_file.text(task))
        assert load_task(tmp_path / "again.yaml") == task
    settings = [line for line in task_file.text(task).splitlines() if not line.startswith("#")]
    assert sum("  # " in line for line in settings) >= 30


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["Usb", "--target", "cad/socket.stl"], "name 'Usb' cannot be: give small letters"),
        (["pick_mug", "--target", "cad/socket.stl"], "task 'pick_mug' comes with the package"),
        (["a", "--target", "none.stl"], "--target none.stl is no file in ."),
        (["a", "--target", "empty.stl"], "--target empty.stl"),
        (["a", "--target", "mm.stl"], "70 m long: it seems to be in millimetres, give --scale 0.001"),
        (["a", "--target", "cm.stl"], "7 m long: it seems to be in centimetres, give --scale 0.01"),
        (
            ["a", "--target", "cad/socket.stl", "--held", "aside.stl"],
            "the leading end of --held lies at x 30 to 70 mm, y -10 to 10 mm, and one goes",
        ),
        (["a", "--target", "aside.stl", "--held", "cad/plug.stl"], "the top of --target lies at x 30 to 70 mm"),
        (["a", "--target", "cad/socket.stl", "--scale", "0.001"], "is 0.07 mm long: no camera sees it"),
        (["a", "--target", "open.stl"], "--target open.stl is not watertight, and contacts need closed surfaces"),
        (["a", "--target", "fine.stl"], "triangles of at most 6000: simplify it in CAD"),
        (["a", "--target", "split.stl"], "split_piece_0.stl is not convex and closed"),
        (["a", "--target", "cad/socket.stl", "--held", "wide.stl"], "--held is 90 mm wide along y"),
        (["a", "--target", "wide.stl"], "--target is 90 mm wide along y, where the fingers close, of at most 73 mm"),
        (
            ["a", "--target", "wide.stl", "--goal", *"0 0 0.038 180 0 90".split()],
            "is in collision: raise goal.position_m",
        ),
        (["a", "--target", "cad/socket.stl", "--held", "cad/plug.stl", "--depth", "0.2"], "give a smaller --depth"),
        (["a", "--target", "nan.obj"], "--target nan.obj has a vertex at (nan, 0, 0): export it with finite"),
        (["a", "--target", "cad"], "--target cad is a folder: give the file of a mesh"),
        (["a", "--target", "cad/socket.stl", "--scale", "nan"], "--scale nan must be positive and finite"),
        (["a", "--target", "cad/socket.stl", "--depth", "-1"], "--depth -1.0 must be positive"),
        (["a", "--target", "cad/socket.stl", "--depth", "inf"], "--depth inf must be positive and finite"),
        (["a", "--target", "cad/socket.stl", "--axes", "x", "yaw"], "axis 'yaw' is unknown"),
        (["a", "--target", "cad/socket.stl", "--symmetry", "1", "1", "-2"], "0 is a body of revolution"),
        (["a", "--target", "cad/socket.stl", "--set", "mass"], "--set 'mass' cannot be read: give KEY=VALUE"),
        (["a", "--target", "cad/socket.stl", "--set", "target.mas=1"], "key 'mas' is unknown"),
        (
            ["a", "--target", "cad/socket.stl", "--set", "rollout.start_distance_m=[0.06, 0.02]"],
            "start_distance_m is [0.06, 0.02]: the lower limit comes first",
        ),
        (["a", "--target", "cad/socket.stl", "--goal", "0", "nan", "0", "0", "0", "0"], "a finite number is needed"),
        (
            ["a", "--target", "cad/socket.stl", "--set", "camera.position_error_m=-0.01"],
            "camera.position_error_m is -0.01: give 0 or more",
        ),
        (["a", "--target", "cad/socket.stl", "--out", "no/where"], "no does not exist: make it"),
        (["a", "--target", "cad/socket.stl", "--out", "mm.stl"], "--out mm.stl is a file"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    words: list[str], text: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad_meshes(here)
    before = sorted(here.rglob("*"))
    assert kovis(["new-task", *words]) == 2
    told = capsys.readouterr().err
    assert text in told and len(told.splitlines()) == 1 and sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--set", "target.yaw_range_deg=[60, -60]"], "yaw_range_deg is [60, -60]: the lower limit comes first"),
        (["--set", "rollout.steps=many"], "rollout: steps is 'many': a int is needed"),
        (["--set", "target.mas=1"], "key 'mas' is unknown"),
        (["--goal", "0", "0", "inf", "0", "0", "0"], "goal: position_m[2] is inf: a finite number is needed"),
    ],
)
def test_a_setting_that_cannot_be_is_told_before_meshes_are_cut(
    words: list[str], text: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert kovis(["new-task", "a", "--target", "cad/socket.stl", *words]) == 2
    told = capsys.readouterr()
    assert text in told.err and told.out == ""


def bad_meshes(folder: Path) -> None:
    """One mesh for each fault."""
    (folder / "nan.obj").write_text("v nan 0 0\nv 0.02 0 0\nv 0 0.02 0\nf 1 2 3\n")
    (folder / "empty.stl").write_text("solid nothing\nendsolid nothing\n")
    block = usb.socket_mesh(usb.UsbB())
    scaled = block.copy()
    scaled.apply_scale(1000.0)
    scaled.export(folder / "mm.stl")
    scaled.apply_scale(0.1)
    scaled.export(folder / "cm.stl")
    aside = trimesh.creation.box((0.04, 0.02, 0.06))
    aside.apply_translation((0.05, 0.0, 0.0))
    aside.export(folder / "aside.stl")
    trimesh.Trimesh(block.vertices, block.faces[:-2]).export(folder / "open.stl")
    rough = trimesh.creation.icosphere(5, 0.03)
    rough.vertices *= np.random.default_rng(0).uniform(0.7, 1.3, (len(rough.vertices), 1))
    rough.export(folder / "fine.stl")
    trimesh.creation.box((0.03, 0.09, 0.05)).export(folder / "wide.stl")
    block.export(folder / "split.stl")
    block.export(folder / "split_piece_0.stl")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--goal", "0.012", "0", "0.02", "0", "0", "0"], "is in collision: raise goal.position_m"),
        (
            ["--goal", *"0 0 0.021 0 0 0".split(), "--set", "held.rotation_range_deg=[15, 15, 0]"],
            "off in the hand by [-2, -2, -2] mm and [-15, -15, 0] deg is in collision: raise goal.position_m",
        ),
        (["--set", "target.position_range_m=[[1.5, 1.6], [0, 0.1]]"], "is out of reach"),
        (["--goal", *"0 0 2 0 0 0".split()], "is out of reach"),
        (["--goal", *"0 0 0.6 0 0 0".split()], "is out of reach"),
        (["--goal", *"0 0 1.5 0 0 0".split()], "is out of reach"),
        (["--set", "camera.look_at_m=[0.3, -0.6, -0.2]"], "check goal, camera.eye_m and look_at_m"),
    ],
)
def test_a_goal_that_cannot_be_leaves_nothing(
    words: list[str], text: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(here.rglob("*"))
    assert kovis(["new-task", "a", "--target", "cad/socket.stl", "--held", "cad/plug.stl", *words]) == 2
    told = capsys.readouterr().err
    assert text in told and len(told.splitlines()) == 1 and sorted(here.rglob("*")) == before


def test_an_existing_task_stays_without_force_and_keeps_other_files_with_it(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also told: an axis that cannot be observed, a mesh that was moved, and too small a disk."""
    Path("a").mkdir()
    Path("a/a.yaml").write_text("mine")
    Path("a/notes.txt").write_text("mine")
    words = ["new-task", "a", "--target", "peg.stl", "--held", "cad/plug.stl", "--symmetry", "1", "1", "0"]
    peg = trimesh.creation.cylinder(0.03, 0.04)  # its middle at the origin
    peg.export("peg.stl")
    assert kovis(words) == 2
    assert "a/a.yaml exists already: give --force" in capsys.readouterr().err
    assert Path("a/a.yaml").read_text() == "mine" and not Path("a/meshes").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1e9, 0, 1e9))
    assert kovis([*words, "--force"]) == 1  # a plug does not go into a block
    told = capsys.readouterr()
    assert "kovis: warning: task a: axis 'rz' is commanded" in told.err and told.err.count("\n") == 1
    assert "moved by 20.0 mm along z" in told.out and "1.0 GB are free: free some" in told.out
    assert "the completion FAILS" in told.out
    assert Path("a/notes.txt").read_text() == "mine" and load_task("a/a.yaml").symmetry == (1, 1, 0)
    assert not list(here.glob(".*"))


@pytest.mark.parametrize(
    ("shapes", "code"),
    [({"target": "cube"}, 0), ({"target": "sphere"}, 1), ({"target": "torus", "held": "capsule"}, 0)],
    ids=["cube", "sphere", "capsule in torus"],
)
def test_what_two_pegs_can_hold(
    shapes: dict[str, str], code: int, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All are written; a cube is lifted, the pegs slip off a sphere, which is said, a capsule seats in a torus."""
    words = ["new-task", "a"]
    for option, name in shapes.items():
        (ROUND | {"cube": trimesh.creation.box((0.05,) * 3)})[name].export(f"{name}.stl")
        words += [f"--{option}", f"{name}.stl"]
    assert kovis(words) == code
    assert ("it slipped off the two pegs" in capsys.readouterr().out) == bool(code)
    mesh_check.check(load_task("a/a.yaml"))
