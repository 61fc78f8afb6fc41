"""Convex collision pieces of a closed mesh.

Greedy: the piece that its convex hull overfills most is cut by the plane whose worse side is overfilled least, and so
on. The planes tried are those of the faces that meet at notches (reflex edges), and those that halve the notches: a
hole is halved first, then walled by flat sides.
"""

from __future__ import annotations

from typing import NamedTuple

import manifold3d
import numpy as np
import trimesh
from numpy.typing import NDArray

from kovis_sim import hulls

Array = NDArray[np.float64]
MOST = 32  # pieces: each costs time in every step of physics
OVERFILL = 0.002  # of the whole volume; what a hull may overfill
GAIN = 0.02  # of what a hull overfills; a cut that wins less is not made
CANDIDATES = 32  # planes tried for one cut
CRUMB_M3 = 1e-9  # a piece that hits nothing
NOTCH_RAD = np.radians(4.0)  # flatter edges are those of a smooth surface


class Part(NamedTuple):
    """A piece on the way."""

    solid: manifold3d.Manifold
    hull_m3: float

    @property
    def overfill_m3(self) -> float:
        """What the hull has and the solid has not."""
        return self.hull_m3 - float(self.solid.volume())


def convex_pieces(mesh: trimesh.Trimesh) -> tuple[list[trimesh.Trimesh], float]:
    """Convex pieces of a closed mesh, made smaller by Bullet's margin, and the share of its volume they overfill."""
    done: list[Part] = []
    left = [_part(solid) for solid in solid_of(mesh).decompose() if solid.volume() > 0.0]
    volume = sum(float(part.solid.volume()) for part in left)
    while left:
        worst = max(left, key=lambda part: part.overfill_m3)
        left.remove(worst)
        full = len(left) + len(done) + 2 > MOST
        halves = None if full or worst.overfill_m3 <= OVERFILL * volume else best_cut(worst)
        if halves:
            left += halves
        else:
            done.append(worst)
    overfill = max(sum(part.overfill_m3 for part in done) / volume, 0.0)
    return [hulls.for_contacts(mesh_of(part.solid)) for part in done if part.hull_m3 > CRUMB_M3], overfill


def best_cut(part: Part) -> list[Part] | None:
    """The parts of the cut whose worst hull overfills least; None when none is worth it."""
    best, least = None, (1.0 - GAIN) * part.overfill_m3
    for plane in notch_planes(mesh_of(part.solid)):
        sides = part.solid.split_by_plane(plane[:3].tolist(), float(plane[3]))
        halves = [_part(solid) for side in sides for solid in side.decompose() if solid.volume() > 0.0]
        worst = max((half.overfill_m3 for half in halves), default=np.inf)
        if len(halves) > 1 and worst < least:
            best, least = halves, worst
    return best


def notch_planes(mesh: trimesh.Trimesh) -> Array:
    """Planes (n, 4), normal and offset, at reflex edges: the longest and sharpest edges first."""
    reflex = ~mesh.face_adjacency_convex & (mesh.face_adjacency_angles > NOTCH_RAD)
    edges = mesh.vertices[mesh.face_adjacency_edges[reflex]]
    weight = np.linalg.norm(edges[:, 0] - edges[:, 1], axis=1) * mesh.face_adjacency_angles[reflex]
    order = np.argsort(-weight, kind="stable")
    first, second = mesh.face_normals[mesh.face_adjacency[reflex][order]].transpose(1, 0, 2)
    halving = first - second
    halving /= np.linalg.norm(halving, axis=1, keepdims=True)
    normals = np.stack([first, second, halving], 1)
    offsets = np.einsum("nij,nj->ni", normals, edges[order, 0])
    planes = np.concatenate([normals, offsets[..., None]], -1).reshape(-1, 4)
    _, places = np.unique(np.round(planes, 5), axis=0, return_index=True)
    return planes[np.sort(places)][:CANDIDATES]


def solid_of(mesh: trimesh.Trimesh) -> manifold3d.Manifold:
    """A closed mesh for Boolean operations; empty when it is not closed."""
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.uint64)
    return manifold3d.Manifold(manifold3d.Mesh64(vertices, faces))


def mesh_of(solid: manifold3d.Manifold) -> trimesh.Trimesh:
    """The triangles of a solid."""
    made = solid.to_mesh64()
    return trimesh.Trimesh(np.asarray(made.vert_properties)[:, :3], np.asarray(made.tri_verts), process=True)


def _part(solid: manifold3d.Manifold) -> Part:
    return Part(solid, float(solid.hull().volume()))
