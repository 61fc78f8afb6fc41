"""Meshes of a task looked at before anything is built of them: there, in metres, within the budget, pieces convex."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from kovis_ros.method.config import ConfigError, HeldConfig, TargetConfig, Task
from kovis_sim import robot
from kovis_sim.cell import pieces

BUDGET = 6000  # triangles of one object: TinyRenderer takes 1 ms more for every 5000 in each image
LONG_MM = 10.0  # a length beyond this is in millimetres, a shorter one of more than a metre in centimetres
LARGEST_M, SMALLEST_M = 1.0, 0.002  # longest side: nothing longer is handled, nothing shorter fills a pixel
BEYOND_M = 0.005  # by which a collision piece may reach out of its mesh
FLAT = 0.05  # share of its hull that a collision piece may lack and still count as convex
LEAST_M3 = 1e-12  # of a collision piece: a tenth of a millimetre in each direction


def check(task: Task) -> None:
    """ConfigError names the first mesh that cannot be used, what is wrong with it, and the remedy."""
    _check(task.target, f"task {task.name}: target")
    if task.held.mesh:
        _check(task.held, f"task {task.name}: held")


def _check(item: TargetConfig | HeldConfig, where: str) -> None:
    """One object: its visual mesh and its collision pieces."""
    name = f"{where}.mesh {item.mesh!r}"
    mesh = load(robot.ASSETS / item.mesh, name)
    if len(mesh.faces) > BUDGET:
        raise ConfigError(f"{name} has {len(mesh.faces)} triangles of at most {BUDGET}: simplify it")
    files = pieces(item.collision)
    if not files:
        raise ConfigError(
            f"{where}.collision {item.collision!r} matches no file in {robot.ASSETS}: give a glob of convex pieces"
        )
    for file in files:
        check_piece(read(file, f"{where}.collision {str(file)!r}"), mesh, f"{where}.collision {str(file)!r}")


def load(path: Path, name: str, scale: float = 1.0, remedy: str = "scale it by") -> trimesh.Trimesh:
    """The mesh of a file times ``scale``; ConfigError with its ``name`` when that cannot be an object in metres."""
    mesh = read(path, name)
    mesh.apply_scale(scale)
    longest = float(mesh.extents.max())
    if longest > LARGEST_M:
        unit, factor = ("millimetres", 0.001) if longest > LONG_MM else ("centimetres", 0.01)
        raise ConfigError(f"{name} is {longest:.3g} m long: it seems to be in {unit}, {remedy} {factor}")
    if longest < SMALLEST_M:
        raise ConfigError(f"{name} is {1e3 * longest:.2g} mm long: no camera sees it, export it in metres")
    return mesh


def read(path: Path, name: str) -> trimesh.Trimesh:
    """The mesh of a file as it is; ConfigError when there is none, it cannot be read, or it has no triangles.

    Nor may a coordinate be infinite or no number.
    """
    if path.is_dir():
        raise ConfigError(f"{name} is a folder: give the file of a mesh")
    if not path.is_file():
        raise ConfigError(f"{name} is no file in {path.parent}: add it")
    try:
        mesh = trimesh.load(path, force="mesh", process=False)
        count = len(mesh.faces)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{name} is of a format that needs more than trimesh: export it as OBJ or STL") from error
    except Exception as error:  # trimesh raises whatever its parsers do
        raise ConfigError(f"{name} cannot be read ({error}): export it as OBJ or STL") from error
    if count == 0:
        raise ConfigError(f"{name} is empty: export it with its triangles")
    faulty = np.flatnonzero(~np.isfinite(mesh.vertices).all(1))
    if len(faulty):
        where = ", ".join(f"{value:g}" for value in mesh.vertices[faulty[0]])
        raise ConfigError(f"{name} has a vertex at ({where}): export it with finite coordinates")
    return mesh


def check_piece(piece: trimesh.Trimesh, mesh: trimesh.Trimesh, name: str) -> None:
    """ConfigError for a collision piece that is not convex and closed, or reaches far out of its mesh.

    Physics takes the convex hull of a piece, without a word: an open or concave one would close a hole. A piece out of
    its mesh is in other units, or of another object.
    """
    (low, high), (inner, outer) = piece.bounds, mesh.bounds
    beyond = float(max((inner - low).max(), (high - outer).max()))
    if beyond > BEYOND_M:
        raise ConfigError(f"{name} reaches {beyond:.3g} m out of its mesh: export both with one unit and one origin")
    if not is_solid(piece):
        raise ConfigError(
            f"{name} is not convex and closed: physics would fill it up to its hull, split it into convex pieces"
        )


def is_solid(piece: trimesh.Trimesh) -> bool:
    """Is a mesh closed, and all but ``FLAT`` of its convex hull?"""
    whole = trimesh.Trimesh(piece.vertices, piece.faces, process=False)  # without normals corners of neighbours merge
    whole.merge_vertices()
    whole.update_faces(whole.nondegenerate_faces())  # what rounding in a file leaves of slivers
    if not whole.is_watertight:
        return False
    if not whole.is_winding_consistent:
        whole.fix_normals()
    volume = abs(float(whole.volume))
    return volume > LEAST_M3 and volume >= (1.0 - FLAT) * float(whole.convex_hull.volume)
