"""Meshes of the insertion tasks, made by code: a tapered roller bearing and its shaft, a screw and its plug.

Targets stand upright on z = 0; held objects have the middle of their leading end at the origin and rise along +z.
Clearances are diametral. Metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import HalfspaceIntersection

Array = NDArray[np.float64]
Profile = Sequence[tuple[float, float]]  # (radius, z)
MARGIN_M = 0.001  # that Bullet adds around a convex hull: collision pieces are made smaller by it
FEET = 6  # every sixth sector stands on the table, the others are clear of it: fewer contacts to solve
CLEAR_M = 0.004  # at 1 mm the margins of contacts still met: 0.6 ms a step of physics, 0.2 ms now


@dataclass(frozen=True)
class Bearing:
    """A tapered roller bearing with the boundary dimensions of a 30308, its bore chamfered."""

    bore: float = 0.020  # radius
    outer: float = 0.045  # radius of the cup
    height: float = 0.02525  # to the face of the cone: the rim
    cup: float = 0.020  # height of the cup
    foot: float = 0.00225  # the cone's lower face
    rib: float = 0.032  # radius of the cone's upper rib
    chamfer: float = 0.0015
    rollers: int = 17


@dataclass(frozen=True)
class Shaft:
    """A round shaft: 4 mm less than the bore."""

    radius: float = 0.018
    length: float = 0.070
    chamfer: float = 0.002


@dataclass(frozen=True)
class Screw:
    """An M13 screw that stands in a hexagonal foot."""

    radius: float = 0.0065
    top: float = 0.040  # the rim
    foot: float = 0.010  # thickness
    flats: float = 0.100  # the foot's width across flats
    chamfer: float = 0.0015


@dataclass(frozen=True)
class Plug:
    """A hexagonal plug with a blind round bore: 4 mm more than the screw."""

    bore: float = 0.0085  # radius
    depth: float = 0.030
    flats: float = 0.030  # width across flats
    length: float = 0.050
    chamfer: float = 0.0015


def circle(radius: float, z: float, count: int) -> Array:
    """Ring (count, 3) of points about the z axis."""
    angle = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.full(count, z)])


def hexagon(flats: float, z: float, count: int = 6) -> Array:
    """Ring (count, 3) on a hexagon with a flat towards +x; ``count`` a multiple of 12 has its corners, 6 only them."""
    angle = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False) + (np.pi / 6.0 if count == 6 else 0.0)
    off = (angle + np.pi / 6.0) % (np.pi / 3.0) - np.pi / 6.0
    radius = flats / 2.0 / np.cos(off)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.full(count, z)])


def skin(rings: Sequence[Array], closed: bool) -> trimesh.Trimesh:
    """Surface through rings (n, 3) one after the other; ``closed``: the last meets the first."""
    count, number = len(rings[0]), len(rings)
    faces = []
    for i in range(number if closed else number - 1):
        for j in range(count):
            a, b = i * count + j, i * count + (j + 1) % count
            c, d = (i + 1) % number * count + j, (i + 1) % number * count + (j + 1) % count
            faces += [[a, b, d], [a, d, c]]
    return trimesh.Trimesh(np.vstack(rings), faces, process=True, validate=True)


def hull(*rings: ArrayLike) -> trimesh.Trimesh:
    """Convex hull of rings of points."""
    return trimesh.convex.convex_hull(np.vstack(rings))


def inset(solid: trimesh.Trimesh, by: float = MARGIN_M) -> trimesh.Trimesh:
    """A convex solid with every face moved inwards."""
    normals = solid.face_normals
    offset = np.einsum("ij,ij->i", normals, solid.triangles[:, 0]) - by
    planes = np.unique(np.round(np.column_stack([normals, -offset]), 9), axis=0)
    return trimesh.convex.convex_hull(HalfspaceIntersection(planes, solid.vertices.mean(0)).intersections)


def sectors(inner: Profile, outer: Profile, count: int) -> list[trimesh.Trimesh]:
    """Convex sectors of a ring between two profiles; their chords keep clear of the hole."""
    wide = 1.0 / np.cos(np.pi / count)
    points = [(r * wide, z) for r, z in inner] + list(outer)
    pieces = []
    for i in range(count):
        low, high = 2.0 * np.pi * i / count, 2.0 * np.pi * (i + 1) / count
        pieces.append(hull([[r * np.cos(a), r * np.sin(a), z] for r, z in points for a in (low, high)]))
    return pieces


def bearing_mesh(b: Bearing, sections: int = 36) -> trimesh.Trimesh:
    """Cup, cone with its upper rib, cage, and what the tapered rollers show of themselves: each triangle costs time."""
    cup: Profile = [
        (0.033, 0.0), (b.outer, 0.0), (b.outer, b.cup - b.chamfer), (b.outer - b.chamfer, b.cup), (0.0385, b.cup),
    ]  # fmt: skip
    cone: Profile = [
        (b.bore, b.foot), (b.bore, b.height - b.chamfer), (b.bore + b.chamfer, b.height), (b.rib, b.height),
        (b.rib, b.height - 0.004), (0.026, b.foot),
    ]  # fmt: skip
    cage: Profile = [(0.037, 0.012), (0.028, 0.012)]
    rings = [[circle(r, z, sections) for r, z in profile] for profile in (cup, cone, cage)]
    parts = [skin(rings[0], closed=True), skin(rings[1], closed=True), skin(rings[2], closed=False)]
    for angle in np.linspace(0.0, 2.0 * np.pi, b.rollers, endpoint=False):
        out = np.array([np.cos(angle), np.sin(angle), 0.0])
        parts.append(hull(circle(0.0041, 0.0115, 8) + 0.0313 * out, circle(0.0045, 0.019, 8) + 0.0336 * out))
    return trimesh.util.concatenate(parts)


def bearing_pieces(b: Bearing, count: int = 24) -> list[trimesh.Trimesh]:
    """Convex sectors around the bore: it stays open."""
    made = []
    for low in (0.0, CLEAR_M):
        inner = [(b.bore, low), (b.bore, b.height - b.chamfer), (b.bore + b.chamfer, b.height)]
        made.append(sectors(inner, [(b.rib, b.height), (b.outer, b.cup), (b.outer, low)], count))
    return [inset(made[0][i] if i % FEET == 0 else made[1][i]) for i in range(count)]


def shaft_mesh(s: Shaft, sections: int = 32) -> trimesh.Trimesh:
    """The shaft, chamfered at both ends; convex, so that its one collision piece is the same, inset."""
    c = s.chamfer
    profile = [(s.radius - c, 0.0), (s.radius, c), (s.radius, s.length - c), (s.radius - c, s.length)]
    return hull(*[circle(r, z, sections) for r, z in profile])


def screw_parts(s: Screw) -> list[trimesh.Trimesh]:
    """Foot and shank, both convex."""
    c = 0.001
    foot = hull(hexagon(s.flats, 0.0), hexagon(s.flats, s.foot - c), hexagon(s.flats - 2 * c, s.foot))
    profile = [(s.radius, s.foot - 0.003), (s.radius, s.top - s.chamfer), (s.radius - s.chamfer, s.top)]
    return [foot, hull(*[circle(r, z, 24) for r, z in profile])]


def plug_mesh(p: Plug, count: int = 24) -> trimesh.Trimesh:
    """Hexagonal outside, blind bore with a chamfered mouth."""
    bore = [circle(r, z, count) for r, z in ((0.0, p.depth), (p.bore, p.depth), (p.bore, p.chamfer))]
    mouth = circle(p.bore + p.chamfer, 0.0, count)
    outside = [hexagon(p.flats, 0.0, count), hexagon(p.flats, p.length, count), circle(0.0, p.length, count)]
    return skin([*bore, mouth, *outside], closed=False)


def plug_pieces(p: Plug, count: int = 12) -> list[trimesh.Trimesh]:
    """Convex sectors around the bore, and the solid end above it."""
    wide, pieces = 1.0 / np.cos(np.pi / count), []
    outside = [hexagon(p.flats, z, count) for z in (0.0, p.depth)]
    inside = [
        circle(r * wide, z, count) for r, z in ((p.bore + p.chamfer, 0.0), (p.bore, p.chamfer), (p.bore, p.depth))
    ]
    for i in range(count):
        pieces.append(hull(*[ring[[i, (i + 1) % count]] for ring in (*outside, *inside)]))
    return [inset(piece) for piece in [*pieces, hull(hexagon(p.flats, p.depth), hexagon(p.flats, p.length))]]
