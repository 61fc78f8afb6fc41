"""A package that is not installed: `kovis` and each node's executable end with exit code 3 and the line that helps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kovis_ros.bringup import graph

ROOT = Path(__file__).resolve().parents[1]
HIDDEN = """
import runpy, sys
sys.modules[{package!r}] = None
sys.argv[1:] = {words!r}
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""


def without(package: str, module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A module run as a program where a package is not installed."""
    code = HIDDEN.format(package=package, module=module, words=list(words))
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("package", "words"),
    [("torch", ["servo", "--help"]), ("safetensors", ["servo", "--arguments"])],
)
def test_help_needs_none_of_them(package: str, words: list[str]) -> None:
    answer = without(package, "kovis_ros.cli.main", *words)
    assert answer.returncode == 0 and not answer.stderr, answer.stderr


@pytest.mark.parametrize(
    ("package", "words", "line"),
    [
        ("torch", ["train", "pick_mug", "--data", "none"], "pip install 'kovis_ros[torch]'"),
        ("pybullet", ["record", "pick_mug", "--out", "none"], "pip install 'kovis_ros[sim]'"),
    ],
)
def test_a_command_says_how_to_install_it(package: str, words: list[str], line: str) -> None:
    pytest.importorskip("pybullet")
    answer = without(package, "kovis_ros.cli.main", *words)
    assert answer.returncode == 3
    assert answer.stderr == f"kovis: {package} is not installed: {line}\n"


@pytest.mark.ros
@pytest.mark.parametrize(
    ("node", "package"), [("keypoint", "torch"), ("servo", "torch"), ("sim", "torch"), ("sim", "pybullet")]
)
def test_a_node_says_how_to_install_it(node: str, package: str, ros_domain: int) -> None:
    """The program is the one that bring-up starts."""
    pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
    pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")
    pytest.importorskip("pybullet", reason="needs pybullet: run make setup")
    (module,) = [process.command[-1] for process in graph({}) if process.name == node]
    answer = without(package, module)
    assert answer.returncode == 3, answer.stderr
    assert package in answer.stderr and "run `make setup`, or pip install" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
