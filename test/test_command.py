"""The `kovis` command: finding commands, exit codes, one line for what a user can mend."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from kovis_ros.bags import BagError
from kovis_ros.cli import main as cli
from kovis_ros.cli import save_json
from kovis_ros.method.config import ConfigError

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
            1,
            "kovis: pybullet is not installed: pip install",
        ),
        (ModuleNotFoundError("no", name="rclpy.node"), 1, "kovis: rclpy is not installed: run `make setup`"),
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
    for words in (["--cups", "two"], ["--sugar"], ["--json", str(tmp_path / "nowhere" / "out.json")]):
        with pytest.raises(SystemExit) as caught:
            cli.main(["make-tea", *words])
        assert caught.value.code == 2


def test_json_is_whole(tmp_path: Path) -> None:
    data = {"rate": np.float32(0.5), "wilson95": np.array([0.25, 0.75]), "path": tmp_path, "trials": np.int64(3)}
    save_json(tmp_path / "out.json", data)
    assert json.loads((tmp_path / "out.json").read_text()) == {
        "rate": 0.5, "wilson95": [0.25, 0.75], "path": str(tmp_path), "trials": 3,
    }  # fmt: skip
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]
    save_json(None, data)


def test_every_command_has_help_and_a_first_line() -> None:
    known = cli.commands()
    for name, file in known.items():
        assert cli.first_line(file), f"kovis {name} has no docstring"
        answer = subprocess.run(
            [sys.executable, "-m", "kovis_ros.cli.main", name, "--help"], capture_output=True, text=True
        )
        assert answer.returncode == 0 and "--json" in answer.stdout, answer.stderr
