"""Meshes of a task looked at before anything is built of them: there, not empty, in metres, within the budget."""

from __future__ import annotations

import trimesh

from kovis_ros.method.config import ConfigError, HeldConfig, TargetConfig, Task
from kovis_sim import robot
from kovis_sim.cell import pieces

BUDGET = 6000  # triangles of one object: TinyRenderer takes 1 ms more for every 5000 in each image
LARGEST_M = 1.0


def check(task: Task) -> None:
    """ConfigError names the first mesh that cannot be used, what is wrong with it, and the remedy."""
    _check(task.target, f"task {task.name}: target")
    if task.held.mesh:
        _check(task.held, f"task {task.name}: held")


def _check(item: TargetConfig | HeldConfig, where: str) -> None:
    """One object: its visual mesh and its collision pieces."""
    path = robot.ASSETS / item.mesh
    if not item.mesh or not path.is_file():
        raise ConfigError(f"{where}.mesh {item.mesh!r} is no file in {robot.ASSETS}: add it")
    try:
        mesh = trimesh.load(path, force="mesh", process=False)
        count = len(mesh.faces)
    except Exception as error:  # trimesh raises whatever its parsers do
        raise ConfigError(f"{where}.mesh {item.mesh!r} cannot be read ({error}): export it as OBJ or STL") from error
    if count == 0:
        raise ConfigError(f"{where}.mesh {item.mesh!r} is empty: export it with its triangles")
    longest = float(mesh.extents.max())
    if longest > LARGEST_M:
        raise ConfigError(
            f"{where}.mesh {item.mesh!r} is {longest:.3g} m long: it seems to be in millimetres, scale it by 0.001"
        )
    if count > BUDGET:
        raise ConfigError(f"{where}.mesh {item.mesh!r} has {count} triangles of at most {BUDGET}: simplify it")
    if not pieces(item.collision):
        raise ConfigError(
            f"{where}.collision {item.collision!r} matches no file in {robot.ASSETS}: give a glob of convex pieces"
        )
