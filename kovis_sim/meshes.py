"""Meshes made by code: a parametric mug, a two-finger gripper with hooked fingertips, and what ``parts`` makes.

``python -m kovis_sim.meshes`` writes them to ``kovis_sim/assets``. Metres; convex pieces beside each visual mesh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

from kovis_sim import parts
from kovis_sim.gripper import FINGERTIP, INNER_KNUCKLE, OUTER_LINK, PEG, Bar

ASSETS = Path(__file__).parent / "assets"
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mug:
    """A mug, upright on z = 0 about the z axis, with its handle along +x."""

    radius: float = 0.040
    wall: float = 0.004
    height: float = 0.095
    taper: float = 0.94  # radius at the bottom over radius at the rim
    hole_width: float = 0.032  # from the body to the handle's inner side
    hole_bottom: float = 0.028
    hole_top: float = 0.072
    bar: float = 0.012  # thickness of the handle seen along the hole
    depth: float = 0.020  # along the hole's axis
    corner: float = 0.014  # radius of the handle's inner corners

    def radius_at(self, z: float) -> float:
        """Outer radius at a height."""
        return self.radius * (self.taper + (1.0 - self.taper) * z / self.height)


def mug_profile(mug: Mug) -> Array:
    """Closed half section (n, 2) of the body as (radius, z), from the axis below to the axis inside."""
    r0, r1, w = mug.radius_at(0.0), mug.radius, mug.wall
    return np.array(
        [[0, 0.002], [r0 - 0.008, 0.002], [r0 - 0.006, 0], [r0 - 0.002, 0], [r0, 0.003], [r1, mug.height - 0.001]]
        + [[r1 - 0.001, mug.height], [r1 - w + 0.001, mug.height], [r1 - w, mug.height - 0.002]]
        + [[r0 - w, 0.010], [r0 - w - 0.004, 0.006], [0, 0.006]]
    )


def handle_path(mug: Mug, steps: int) -> Array:
    """Centre line (n, 2) of the handle as (x, z): out along the top bar, down, and back along the bottom bar."""
    half, corner = mug.bar / 2.0, mug.corner
    outer = mug.radius + mug.hole_width + half
    top, bottom = mug.hole_top + half, mug.hole_bottom - half
    angles = np.linspace(0.0, np.pi / 2.0, steps)
    turn = corner + half
    upper = [(outer - turn + turn * np.sin(a), top - turn + turn * np.cos(a)) for a in angles]
    lower = [(outer - turn + turn * np.cos(a), bottom + turn - turn * np.sin(a)) for a in angles]
    inside = mug.wall * 0.5
    start = (mug.radius_at(top) - inside, top)
    end = (mug.radius_at(bottom) - inside, bottom)
    return np.array([start, *upper, *lower, end])


def handle_rings(mug: Mug, steps: int) -> Array:
    """Cross sections (n, 8, 3) along the handle: rounded rectangles of ``bar`` by ``depth``; ``steps`` a corner."""
    path = handle_path(mug, steps)
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    b, d = mug.bar / 2.0, mug.depth / 2.0
    section = np.array([(b, 0.6 * d), (0.6 * b, d), (-0.6 * b, d), (-b, 0.6 * d)])
    section = np.vstack([section, -section])
    rings = []
    for (x, z), (tx, tz) in zip(path, tangent, strict=False):
        normal = np.array([tz, 0.0, -tx])
        rings.append([np.array([x, 0, z]) + s * normal + np.array([0, t, 0]) for s, t in section])
    return np.array(rings)


def mug_mesh(mug: Mug) -> trimesh.Trimesh:
    """Visual mesh: body of revolution and handle, each closed."""
    body = trimesh.creation.revolve(mug_profile(mug), sections=40)
    rings = handle_rings(mug, steps=5)
    count = rings.shape[1]
    faces = []
    for i in range(len(rings) - 1):
        for j in range(count):
            a, b = i * count + j, i * count + (j + 1) % count
            faces += [[a, b, b + count], [a, b + count, a + count]]
    handle = trimesh.Trimesh(rings.reshape(-1, 3), faces, process=False)
    handle.fix_normals()
    return trimesh.util.concatenate([body, handle])


def mug_pieces(mug: Mug, sectors: int = 16) -> list[trimesh.Trimesh]:
    """Convex pieces: bottom disc, wall sectors, and one piece for each stretch of the handle: its hole stays open."""
    height = 0.006 - parts.MARGIN_M  # of the disc, upwards from the margin: the mug stands where it is drawn
    middle = _raised(0.006 - 0.5 * height)
    pieces = [trimesh.creation.cylinder(mug.radius_at(0.0), height, transform=middle, sections=24)]
    edges = np.linspace(0.0, 2.0 * np.pi, sectors + 1)
    for low, high in zip(edges[:-1], edges[1:], strict=False):
        corners = []
        for z in (0.003, mug.height):  # clear of the table: the disc alone stands on it
            for r in (mug.radius_at(z) - mug.wall, mug.radius_at(z)):
                corners += [[r * np.cos(a), r * np.sin(a), z] for a in (low, high)]
        pieces.append(trimesh.convex.convex_hull(np.array(corners)))
    rings = handle_rings(mug, steps=3)
    pieces += [trimesh.convex.convex_hull(np.vstack([a, b])) for a, b in zip(rings[:-1], rings[1:], strict=False)]
    return pieces


def _raised(z: float) -> Array:
    transform = np.eye(4)
    transform[2, 3] = z
    return transform


def plate(outline: Sequence[tuple[float, float]], width: float, bevel: float = 0.002) -> trimesh.Trimesh:
    """Convex plate: an outline (x, z) extruded along y about y = 0, its long edges bevelled."""
    points = np.array(outline)
    centre = points.mean(0)
    shrunk = centre + (points - centre) * (1.0 - bevel / np.linalg.norm(points - centre, axis=1, keepdims=True))
    layers = [(points, width / 2 - bevel), (points, -width / 2 + bevel), (shrunk, width / 2), (shrunk, -width / 2)]
    return trimesh.convex.convex_hull(
        np.vstack([np.column_stack([p[:, 0], np.full(len(p), y), p[:, 1]]) for p, y in layers])
    )


def bar_mesh(bar: Bar) -> trimesh.Trimesh:
    """A bar of the linkage in its own frame: capsule-like plates between its pins."""
    angles = np.linspace(0.0, 2.0 * np.pi, 10, endpoint=False)
    circle = bar.radius * np.column_stack([np.cos(angles), np.sin(angles)])
    plates = []
    for start, end in zip(bar.pins[:-1], bar.pins[1:], strict=False):
        points = np.vstack([circle + start, circle + end])
        plates.append(plate([(x, z) for x, z in points], bar.width))
    return trimesh.util.concatenate(plates)


def fingertip_pieces() -> list[trimesh.Trimesh]:
    """Convex pieces of the right fingertip in its own frame: knuckle, pad and the hooked peg."""
    pieces = [plate(outline, width) for outline, width in FINGERTIP]
    (x0, x1), (y0, y1), (z0, z1) = PEG
    peg = trimesh.creation.box(bounds=[[x0, y0, z0], [x1, y1, z1]])
    return [*pieces, peg]


def gripper_base() -> trimesh.Trimesh:
    """Body of the gripper from its flange (z = 0) to the palm."""
    angles = np.linspace(0.0, 2.0 * np.pi, 20, endpoint=False)
    ring = np.column_stack([np.cos(angles), np.sin(angles)])
    lower = np.vstack([np.column_stack([0.0375 * ring, np.full(20, z)]) for z in (0.0, 0.030)])
    corners = [
        [sx * x, sy * y, z]
        for sx in (-1, 1)
        for sy in (-1, 1)
        for x, y, z in ((0.044, 0.022, 0.055), (0.036, 0.018, 0.072))
    ]
    return trimesh.convex.convex_hull(np.vstack([lower, corners]))


def write_obj(path: Path, mesh: trimesh.Trimesh, smooth_deg: float = 35.0) -> None:
    """OBJ with normals (smooth below an angle) and seamless cylindrical texture coordinates."""
    shaded = trimesh.graph.smooth_shade(mesh, angle=np.radians(smooth_deg))
    v, n = shaded.vertices, shaded.vertex_normals
    low, high = v.min(0), v.max(0)
    turn = np.abs(np.arctan2(v[:, 1], v[:, 0])) / np.pi
    texture = np.column_stack([turn, (v[:, 2] - low[2]) / max(high[2] - low[2], 1e-9)])
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in v]
    lines += [f"vt {a:.4f} {b:.4f}" for a, b in texture]
    lines += [f"vn {x:.4f} {y:.4f} {z:.4f}" for x, y, z in n]
    lines += ["f " + " ".join(f"{i + 1}/{i + 1}/{i + 1}" for i in face) for face in shaded.faces]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def write_mug(folder: Path, mug: Mug) -> None:
    """Visual mesh and convex pieces of a mug."""
    write_obj(folder / "mug.obj", mug_mesh(mug))
    for i, piece in enumerate(mug_pieces(mug)):
        write_obj(folder / f"piece_{i:02d}.obj", piece)


def write_gripper(folder: Path) -> None:
    """Visual meshes of the gripper's links, and the fingertip's convex pieces."""
    write_obj(folder / "base.obj", gripper_base())
    write_obj(folder / "outer_link.obj", bar_mesh(OUTER_LINK))
    write_obj(folder / "inner_knuckle.obj", bar_mesh(INNER_KNUCKLE))
    pieces = fingertip_pieces()
    write_obj(folder / "fingertip.obj", trimesh.util.concatenate(pieces))
    for i, piece in enumerate(pieces):
        write_obj(folder / f"fingertip_piece_{i}.obj", piece)


def write_object(folder: Path, name: str, mesh: trimesh.Trimesh, pieces: Sequence[trimesh.Trimesh]) -> None:
    """Visual mesh of an object and its convex pieces beside it."""
    write_obj(folder / f"{name}.obj", mesh)
    for i, piece in enumerate(pieces):
        write_obj(folder / f"{name}_piece_{i:02d}.obj", piece)


def write_shaft_and_bearing(folder: Path) -> None:
    """What ``insert_shaft`` needs."""
    bearing, shaft = parts.Bearing(), parts.shaft_mesh(parts.Shaft())
    write_object(folder, "bearing", parts.bearing_mesh(bearing), parts.bearing_pieces(bearing))
    write_object(folder, "shaft", shaft, [parts.inset(shaft)])


def write_plug_and_screw(folder: Path) -> None:
    """What ``insert_plug`` needs."""
    screw, plug = parts.screw_parts(parts.Screw()), parts.Plug()
    write_object(folder, "screw", trimesh.util.concatenate(screw), [parts.inset(part) for part in screw])
    write_object(folder, "plug", parts.plug_mesh(plug), parts.plug_pieces(plug))


def main(folder: Path = ASSETS) -> None:
    """Write every mesh of the package."""
    write_mug(folder / "mug", Mug())
    write_gripper(folder / "gripper")
    write_shaft_and_bearing(folder / "bearing")
    write_plug_and_screw(folder / "screw")


if __name__ == "__main__":
    main()
