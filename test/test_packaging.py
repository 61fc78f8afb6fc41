"""What colcon and pip make of the repository, and what package.xml names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def colcon(*arguments: str, cwd: Path) -> str:
    """Output of the environment's colcon, with the ROS 2 of this environment as the one that is sourced."""
    pytest.importorskip("colcon_core")
    environment = dict(os.environ)
    for name in ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH"):
        environment[name] = os.pathsep.join(filter(None, [environment.get(name), sys.prefix]))
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = [sys.executable, "-m", "colcon", "--log-base", "/dev/null", *arguments]
    answer = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_colcon_sees_both_packages(tmp_path: Path) -> None:
    """Plain, in the repository; and with both paths named, from a workspace."""
    wanted = {("kovis_msgs", "(ros.ament_cmake)"), ("kovis_ros", "(ros.ament_python)")}
    rows = [line.split() for line in colcon("list", cwd=ROOT).splitlines()]
    assert {(row[0], row[-1]) for row in rows} == wanted
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "kovis").symlink_to(ROOT)
    named = colcon("list", "--base-paths", "src/kovis", "src/kovis/kovis_msgs", cwd=tmp_path)
    assert {(row.split()[0], row.split()[-1]) for row in named.splitlines()} == wanted


CHECK = """
import kovis_msgs.msg, kovis_ros, kovis_sim, sys
from ament_index_python import get_package_share_directory
from kovis_ros.method.config import share, task_names
prefix = sys.argv[1]
for found in (kovis_msgs.__file__, kovis_ros.__file__, kovis_sim.__file__, get_package_share_directory("kovis_ros"),
              str(share("config", "tasks")), str(share("kovis_msgs", "msg"))):
    assert found.startswith(prefix), found
assert "pick_mug" in task_names()
"""


@pytest.mark.slow
@pytest.mark.parametrize("words", [[], ["--base-paths", "src/kovis", "src/kovis/kovis_msgs"]], ids=["plain", "named"])
def test_colcon_builds_and_installs(words: list[str], tmp_path: Path) -> None:
    """The repository alone, or a workspace; what is installed is complete and does not look back at the sources."""
    source = tmp_path / "src" / "kovis" if words else tmp_path
    subprocess.run(["git", "clone", "-q", ROOT, source], check=True)
    colcon("build", *words, cwd=tmp_path)
    executables = {p.name for p in (tmp_path / "install" / "kovis_ros" / "lib" / "kovis_ros").iterdir()}
    assert executables == {"kovis", "keypoint", "servo", "sim", "stereo_camera", "ur5"}
    shared = tmp_path / "install" / "kovis_ros" / "share" / "kovis_ros"
    for path in [*(ROOT / "config").rglob("*.*"), *(ROOT / "launch").glob("*.launch.py")]:
        assert (shared / path.relative_to(ROOT)).is_file(), path
    clean = subprocess.check_output(["git", "status", "--short"], cwd=source, text=True)
    assert clean == ""
    run = f". install/setup.sh && cd / && exec {sys.executable} -c '{CHECK}' {tmp_path}/install"
    environment = dict(os.environ) | {"AMENT_PREFIX_PATH": sys.prefix}
    answer = subprocess.run(["sh", "-c", run], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


PIP_CHECK = """
import sys
for name in ("rclpy", "sensor_msgs", "std_msgs", "kovis_msgs", "cv_bridge"):
    sys.modules[name] = None
from pathlib import Path
from kovis_ros import bags, method
from kovis_ros.method.config import load_task
from made_bag import make_bag
assert load_task("pick_mug").name == "pick_mug"
assert bags.info(make_bag(Path(sys.argv[2]))).samples == 18
assert bags.__file__.startswith(sys.argv[1]), bags.__file__
"""


@pytest.mark.slow
def test_pip_gives_bags_without_ros(tmp_path: Path) -> None:
    """A wheel carries settings and message texts: bags are written and read with no ROS in sight."""
    subprocess.run(["git", "clone", "-q", ROOT, tmp_path / "source"], check=True)
    options = ["--no-deps", "--no-build-isolation", "--ignore-installed", "-q", "--prefix", tmp_path / "prefix"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, tmp_path / "source"], check=True)
    site = next((tmp_path / "prefix").glob("lib/python3*/site-packages"))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "made_bag.py").write_bytes((ROOT / "test" / "made_bag.py").read_bytes())
    environment = dict(os.environ) | {"PYTHONPATH": f"{site}{os.pathsep}{tmp_path / 'tests'}"}
    command = [sys.executable, "-c", PIP_CHECK, str(tmp_path / "prefix"), str(tmp_path / "bag")]
    answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "prefix" / "bin" / "kovis").is_file()


def test_package_xml_names_what_the_code_imports() -> None:
    """Every ROS package that a node imports is a dependency that rosdep can install."""
    declared = set(re.findall(r"<(?:exec_depend|depend)>([\w-]+)<", (ROOT / "package.xml").read_text()))
    ros = r"\w+_msgs|\w+_interfaces|std_srvs|rclpy|cv_bridge|launch\w*"
    files = [p for folder in ("kovis_ros", "kovis_sim", "launch") for p in (ROOT / folder).rglob("*.py")]
    used = {name for p in files for name in re.findall(rf"^\s*(?:from|import) ({ros})\b", p.read_text(), re.M)}
    assert "rclpy" in used
    assert used <= declared, used - declared
