"""The `kovis` dispatcher: help without imports, wrong usage and what a user can mend in one line, JSON."""

from __future__ import annotations

import argparse
import json
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

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
