"""Who may import whom: the rooms of docs/architecture.md as a table, proved by walking every import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
MESSAGES = {
    "action_msgs", "builtin_interfaces", "diagnostic_msgs", "geometry_msgs", "kovis_msgs", "rcl_interfaces",
    "sensor_msgs", "std_msgs", "std_srvs", "trajectory_msgs", "unique_identifier_msgs", "visualization_msgs",
}  # fmt: skip
VENDOR = {
    "realsense": {"pyrealsense2"},
    "ur5": {"rtde_control", "rtde_receive", "rtde_io", "dashboard_client"},
}


GEOMETRY = {"manifold3d", "scipy", "trimesh"}


class Room(NamedTuple):
    """What a room may import besides the standard library, numpy and itself."""

    anywhere: set[str]
    inside_functions: set[str]  # imported where it is used, so that the module loads without it


TABLE = {
    "kovis_ros.method": Room({"torch", "safetensors"}, set()),
    "kovis_ros.drivers": Room({"kovis_ros.method"}, set()),
    "kovis_ros.conversions": Room({"kovis_ros.method"}, {"cv_bridge", *MESSAGES}),
    "kovis_ros.bags": Room({"kovis_ros.method", "kovis_ros.conversions", "yaml"}, {"rosbags"}),
    "kovis_ros.nodes": Room(
        {"rclpy", "cv2", "kovis_ros.method", "kovis_ros.drivers", "kovis_ros.conversions", *MESSAGES}, set()
    ),
    "kovis_ros.report": Room({"kovis_ros.method.metrics", "kovis_ros.method.plain_arrays"}, {"matplotlib"}),
    "kovis_ros.bringup": Room({"kovis_ros.method.config", "kovis_ros.method.config_file"}, set()),
    "kovis_sim": Room({"kovis_ros.method", "kovis_ros.bags", "cv2", *GEOMETRY, "tqdm", "yaml"}, {"PIL"}),
    "launch": Room({"kovis_ros.bringup", "launch", "launch_ros", "ament_index_python"}, set()),
}
SINGLE = {  # modules that own what the rest of their room must not touch
    "kovis_ros.method.config_file": {"yaml"},
    "kovis_ros.method.train": {"lightning", "tqdm"},
    "kovis_ros.method.pictures": {"matplotlib"},
    "kovis_sim.path_tracer": {"mitsuba", "drjit"},
    "kovis_sim.world": {"pybullet", "pybullet_utils"},
    "kovis_sim.sim_node": {"rclpy", "kovis_ros.conversions", "kovis_ros.nodes", *MESSAGES},
    "kovis_sim.start_sim": {"kovis_ros.nodes"},
}


class Import(NamedTuple):
    """One imported module and where."""

    module: str
    name: str
    line: int
    inside_function: bool


def imports(path: Path) -> Iterator[Import]:
    """Every import of a file, with `from package import module` as package.module where that is a module of ours."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    tree = ast.parse(path.read_text())
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))]
    inside = {id(child) for function in functions for child in ast.walk(function)}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = node.module or ""
            if node.level:
                package = ".".join([*module.split(".")[: -node.level], *package.split(".")]).strip(".")
            names = [
                f"{package}.{alias.name}" if is_ours(f"{package}.{alias.name}") else package for alias in node.names
            ]
        for name in names:
            yield Import(module, name, getattr(node, "lineno", 0), id(node) in inside)


def is_ours(name: str) -> bool:
    """Is a dotted name a module or package of this repository."""
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def room_of(module: str) -> str | None:
    """The table's row for a module; None for the command line, the package roots and tests."""
    return next((room for room in sorted(TABLE, key=len, reverse=True) if within(module, {room})), None)


def within(name: str, allowed: set[str]) -> bool:
    """Is a dotted name one of the allowed ones or below one."""
    return any(name == top or name.startswith(f"{top}.") for top in allowed)


def complaint(entry: Import) -> str | None:
    """Why an import is not allowed, or None."""
    room = room_of(entry.module)
    top = entry.name.partition(".")[0]
    if room is None or top in sys.stdlib_module_names or top in ("numpy", "__future__"):
        return None
    if within(entry.name, {room}) or entry.name == "kovis_ros":
        return None
    own = next((names for module, names in SINGLE.items() if within(entry.module, {module})), set())
    if room == "kovis_ros.drivers" and top in VENDOR.get(entry.module.split(".")[2], set()):
        own = {top} if entry.inside_function else set()
    if within(entry.name, TABLE[room].anywhere | own):
        return None
    if entry.inside_function and within(entry.name, TABLE[room].inside_functions):
        return None
    return f"{entry.module.replace('.', '/')}.py:{entry.line} imports {entry.name}"


def sources() -> list[Path]:
    """All of the project's Python files that belong to a room."""
    return sorted(p for folder in ("kovis_ros", "kovis_sim", "launch") for p in (ROOT / folder).rglob("*.py"))


def test_every_import_is_in_the_table() -> None:
    found = [c for path in sources() for entry in imports(path) if (c := complaint(entry))]
    assert not found, "\n".join(found)


def test_walk_sees_the_rooms() -> None:
    """The walk is not empty, and it finds what must not be there."""
    rooms = {room_of(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in sources()}
    assert {"kovis_ros.method", "kovis_ros.bags", "kovis_ros.conversions", "kovis_sim"} <= rooms
    bad = [
        Import("kovis_ros.method.policy", "rclpy", 1, False),
        Import("kovis_ros.method.policy", "kovis_ros.bags", 1, True),
        Import("kovis_ros.method.losses", "lightning", 1, False),
        Import("kovis_ros.drivers.ur5", "rtde_control", 1, False),
        Import("kovis_ros.bags.reading", "rosbags.rosbag2", 1, False),
        Import("kovis_ros.nodes.servo", "torch", 1, False),
        Import("kovis_ros.nodes.servo", "kovis_sim.scene", 1, True),
        Import("kovis_sim.scene", "pybullet", 1, True),
        Import("kovis_sim.materials", "mitsuba", 1, True),
        Import("kovis_sim.scene", "kovis_ros.conversions", 1, False),
    ]
    assert all(complaint(entry) for entry in bad)
    assert not complaint(Import("kovis_ros.drivers.ur5", "rtde_control", 1, True))
    assert not complaint(Import("kovis_sim.world", "pybullet", 1, False))


@pytest.mark.parametrize(
    "module",
    ["kovis_ros.method.policy", "kovis_ros.bags", "kovis_ros.conversions", "kovis_ros.bringup", "kovis_ros.cli.main"],
)
def test_loads_without_heavy_packages(module: str) -> None:
    """The method, bags, conversions and the command load on a machine with none of ROS, simulator and drivers."""
    if not is_ours(module):
        pytest.skip(f"{module} is not there yet")
    code = f"""
import sys
for name in ("rclpy", "pybullet", "rtde_control", "rtde_receive", "pyrealsense2", "rosbags", "cv_bridge", "sensor_msgs",
             "kovis_msgs"):
    sys.modules[name] = None
import {module}
"""
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("node", ["ur5", "stereo_camera"])
def test_device_nodes_load_without_torch(node: str) -> None:
    """It is most of what a node loads, and the arm's is started anew after a lost link."""
    pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")
    code = f"import sys; sys.modules['torch'] = None; import kovis_ros.nodes.{node}"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
