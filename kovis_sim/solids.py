"""From a CAD export to an object of the simulator: in metres, standing on z = 0, within the budget, with pieces."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import trimesh

from kovis_ros.method.config import ConfigError
from kovis_sim import decompose, mesh_check

FINEST_M, COARSEST_M = 5e-5, 8e-4  # what simplification may move a surface by: half a pixel at 0.2 m is 0.8 mm


class Solid(NamedTuple):
    """One object and what was done to it."""

    mesh: trimesh.Trimesh  # closed unless the pieces were given
    pieces: list[trimesh.Trimesh]  # convex
    notes: list[str]  # for people


def prepare(path: Path, option: str, scale: float = 1.0) -> Solid:
    """The object of a mesh file; ConfigError names ``option``, the file, what is wrong with it, and the remedy.

    Convex pieces that lie beside the mesh as ``NAME_piece_*`` are taken, otherwise they are made.
    """
    name = f"{option} {path}"
    mesh = mesh_check.load(path, name, scale, "give --scale")
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    mesh.update_faces(mesh.nondegenerate_faces())
    lowest = float(mesh.bounds[0, 2])
    mesh.apply_translation((0.0, 0.0, -lowest))
    notes = [f"moved by {-1e3 * lowest:.1f} mm along z, to stand on z = 0"] if abs(lowest) > 1e-4 else []
    beside = sorted(path.parent.glob(f"{path.stem}_piece_*{path.suffix}"))
    if beside:
        pieces = [_piece(file, scale, lowest, mesh) for file in beside]
        return Solid(reduced(mesh, name, notes), pieces, [*notes, f"{len(pieces)} convex pieces from beside the mesh"])
    if not mesh.is_watertight or decompose.solid_of(mesh).is_empty():
        raise ConfigError(
            f"{name} is not watertight, and contacts need closed surfaces: close it in CAD, or put convex pieces "
            f"{path.stem}_piece_*{path.suffix} beside it"
        )
    mesh.fix_normals()
    mesh = reduced(mesh, name, notes)
    pieces, overfill = decompose.convex_pieces(mesh)
    if not pieces or not all(map(mesh_check.is_solid, pieces)):
        raise ConfigError(
            f"{name} cannot be cut into convex pieces: put pieces {path.stem}_piece_*{path.suffix} beside it"
        )
    return Solid(mesh, pieces, [*notes, f"{len(pieces)} convex pieces, {100 * overfill:.1f} % fuller than the mesh"])


def reduced(mesh: trimesh.Trimesh, name: str, notes: list[str]) -> trimesh.Trimesh:
    """The mesh within the triangle budget; a simplification is noted, one that would change the shape refused."""
    count, tolerance = len(mesh.faces), FINEST_M
    if count <= mesh_check.BUDGET:
        return mesh
    solid = decompose.solid_of(mesh)
    while not solid.is_empty() and tolerance <= COARSEST_M:
        made = decompose.mesh_of(solid.simplify(tolerance))
        if 0 < len(made.faces) <= mesh_check.BUDGET:
            notes.append(f"simplified from {count} to {len(made.faces)} triangles, within {1e3 * tolerance:.2g} mm")
            return made
        tolerance *= 2.0
    raise ConfigError(f"{name} has {count} triangles of at most {mesh_check.BUDGET}: simplify it in CAD")


def _piece(file: Path, scale: float, lowest: float, mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """A convex piece that was given, moved as its mesh was."""
    name = f"collision piece {file}"
    piece = mesh_check.load(file, name, scale, "give --scale")
    piece.merge_vertices(merge_tex=True, merge_norm=True)
    piece.apply_translation((0.0, 0.0, -lowest))
    mesh_check.check_piece(piece, mesh, name)
    return piece.convex_hull
