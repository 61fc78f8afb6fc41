"""What the camera can see, in a physics client without physics: it renders faster without the rest."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import trimesh
from numpy.typing import NDArray

from kovis_ros.method import geometry
from kovis_ros.method.config import HeldConfig, TargetConfig, Task
from kovis_sim import appearance, robot
from kovis_sim.appearance import Look, Split
from kovis_sim.camera import StereoCamera
from kovis_sim.cell import TABLE_HALF, pieces
from kovis_sim.shadows import Casters, Outline
from kovis_sim.table import Plane
from kovis_sim.world import Light, Picture, World

Array = NDArray[np.float64]
BACKGROUND, TARGET, ROBOT = 0, 1, 2
SKY_GREY = 200.0  # what is beyond the table, times the background's albedo


class Visual(NamedTuple):
    """One shape to draw: a mesh file, or a box, cylinder or sphere."""

    name: str
    mesh: Path | None
    primitive: str  # "", "box", "cylinder", "sphere"
    size: tuple[float, ...]  # box: half extents; cylinder: radius, length; sphere: radius
    grey: float
    specular: float  # 0..0.6, for renderers with materials; in the picture all shine alike, by ``Light.specular``
    texture: NDArray[np.uint8] | None  # (S, S)
    xy_to_texture: Array | None  # (2, 3) affine: x, y of the shape in metres -> texture pixels; None: as the mesh says
    world_T_shape: Array


class Shot(NamedTuple):
    """What one eye sees."""

    image: NDArray[np.uint8]  # (H, W) with the table composed
    picture: Picture  # its depth, and body numbers, -1: table or nothing


class Stage:
    """The visible bodies of a task; the table is a ``Plane`` and drawn here."""

    def __init__(self, task: Task, split: Split) -> None:
        self.task = task
        self.world = World(gravity=False)
        self._mesh = robot.ASSETS / task.target.mesh
        self.world.add_mesh("target", self._mesh)
        for link in robot.LINKS:
            self.world.add_mesh(link, robot.mesh_file(link))
        self.distractors = {f"distractor_{i}": self._distractor(i) for i in range(task.appearance.distractors)}
        self._objects: dict[str, TargetConfig | HeldConfig] = {"target": task.target}
        if task.held.mesh:
            self._objects["held"] = task.held
            self.world.add_mesh("held", robot.ASSETS / task.held.mesh)
        self._split: Split = split
        self._textures: dict[int, int] = {-1: -1}  # of skins that were worn, each stays in memory
        self._kinds = self._numbered()
        self._poses: dict[str, Array] = {}
        solids = {name: [_corners(path) for path in pieces(item.collision)] for name, item in self._objects.items()}
        solids |= {link: _convex_parts(robot.mesh_file(link)) for link in robot.LINKS}
        solids |= {name: [_outline(*shape)] for name, shape in self.distractors.items()}
        self._solids, self._casters = solids, Casters(solids)

    def take(self, mesh: Path, solid: Sequence[Path]) -> None:
        """Another target, with convex pieces for its shadow, in place of the one there; it must be painted."""
        self._mesh = mesh
        self.world.remove("target")
        self.world.add_mesh("target", mesh)
        self._kinds = self._numbered()
        self._casters = Casters(self._solids | {"target": [_corners(path) for path in solid]})

    def _numbered(self) -> NDArray[np.uint8]:
        """Class of each body by its number; -1, the last, is background."""
        kinds = np.full(len(self.world) + 1, BACKGROUND, np.uint8)
        kinds[self.world.number("target")] = TARGET
        kinds[[self.world.number(body) for body in (*robot.LINKS, *(self._objects.keys() - {"target"}))]] = ROBOT
        return kinds

    def _distractor(self, i: int) -> tuple[str, tuple[float, ...]]:
        """Kind and size of the i-th distractor, built."""
        name, (a, b, c) = f"distractor_{i}", np.random.default_rng(i).uniform(0.015, 0.04, 3).tolist()
        if i % 3 == 0:
            self.world.add_box(name, (a, b, c), collides=False)
            return "box", (a, b, c)
        length = 2.0 * b if i % 3 == 1 else 0.0
        self.world.add_round(name, a, length)
        return ("cylinder", (a, length)) if length else ("sphere", (a,))

    def dress(self, look: Look, rng: np.random.Generator, world_T_target: Array) -> None:
        """Paint everything and strew the distractors around the target, clear of the gripper's way."""
        self._paint("target", look.target)
        if look.held is not None:
            self._paint("held", look.held)
        for link in robot.LINKS:
            self._paint(link, look.gripper)
        for name, surface in zip(self.distractors, look.distractors, strict=True):
            angle, radius = rng.uniform(-np.pi, np.pi), rng.uniform(0.13, 0.24)
            turn = rng.uniform(-np.pi, np.pi)
            place = geometry.pose_rpy((radius * np.cos(angle), radius * np.sin(angle), 0.02), (0, 0, turn))
            self._put(name, world_T_target @ place)
            self._paint(name, surface)

    def _paint(self, name: str, surface: appearance.Surface) -> None:
        if surface.texture not in self._textures:
            self._textures[surface.texture] = _load_texture(self.world, appearance.skin(self._split, surface.texture))
        self.world.paint(name, surface.grey, surface.specular, self._textures[surface.texture])

    def _put(self, name: str, pose: Array) -> None:
        self._poses[name] = pose
        self.world.set_pose(name, pose)

    def pose(self, world_T_tool0: Array, opening_m: float, world_T_target: Array, world_T_held: Array) -> None:
        """Put target, gripper and held object where they are now."""
        self._put("target", world_T_target)
        if "held" in self._objects:
            self._put("held", world_T_held)
        for link, pose in robot.gripper_poses(world_T_tool0, opening_m).items():
            self._put(link, pose)

    def shoot(self, eyes: Sequence[Array], stereo: StereoCamera, look: Look) -> list[Shot]:
        """What cameras at ``eyes`` (4, 4) see of the bodies as they stand."""
        outlines = self._casters.outlines(self._poses, look.light.direction) if look.light.shadow else []
        return [self._compose(eye, stereo, look, outlines) for eye in eyes]

    def _compose(self, eye: Array, stereo: StereoCamera, look: Look, outlines: list[Outline]) -> Shot:
        picture = self.world.render(eye, stereo.K, stereo.size, look.light)
        plane = Plane(eye, stereo.K, stereo.size)
        albedo = plane.albedo(look)
        table = plane.inside & (plane.depth < picture.depth)
        grey = np.where(table, 255.0 * albedo * plane.light(look.light, outlines), picture.grey)
        grey = np.where((picture.body < 0) & ~table, SKY_GREY * albedo, grey)
        depth, body = np.where(table, plane.depth, picture.depth), np.where(table, -1, picture.body)
        return Shot(np.clip(grey, 0, 255).astype(np.uint8), Picture(picture.grey, depth, body))

    @contextmanager
    def hidden(self, names: Iterable[str]) -> Iterator[None]:
        """Bodies put far below the table for a while."""
        poses = {name: self._poses[name] for name in names if name in self._poses}
        for name in names:
            self._put(name, geometry.pose((0.0, 0.0, -1.0)))
        try:
            yield
        finally:
            for name, pose in poses.items():
                self._put(name, pose)

    def shape(self, name: str, eye: Array, K: Array, size: int) -> Picture:
        """One body with nothing before it, in plain light, as an eye sees it."""
        with self.hidden(self._poses.keys() - {name}):
            return self.shapes(eye, K, size)

    def shapes(self, eye: Array, K: Array, size: int) -> Picture:
        """All bodies without the table, in plain light, as an eye sees them."""
        return self.world.render(eye, K, size, Light((0.0, 0.0, 1.0), 1.0, 0.0, 0.0, False))

    def classes(self, picture: Picture) -> NDArray[np.uint8]:
        """(H, W) segmentation: 0 background, 1 target, 2 robot."""
        return np.asarray(self._kinds[picture.body])

    def visuals(
        self, look: Look, world_T_tool0: Array, opening_m: float, world_T_target: Array, world_T_held: Array
    ) -> list[Visual]:
        """See ``Scene.visuals``."""
        grey, table = look.table_grey, None
        if look.background is not None:
            grey, table = 1.0, np.uint8(255 * np.clip(look.background, 0, 1))
        half, world_T_table = tuple(TABLE_HALF), geometry.pose((0.5, 0, -TABLE_HALF[2]))
        to_texture = look.table_to_texture @ world_T_table[np.ix_([0, 1, 3], [0, 1, 3])]
        shapes = [Visual("table", None, "box", half, grey, 0.1, table, to_texture, world_T_table)]

        def skin(surface: appearance.Surface) -> tuple[float, float, NDArray[np.uint8] | None, None]:
            texture = appearance.skin(self._split, surface.texture) if surface.texture >= 0 else None
            return surface.grey, surface.specular, texture, None

        shapes.append(Visual("target", self._mesh, "", (), *skin(look.target), world_T_target))
        if look.held is not None:
            mesh = robot.ASSETS / self.task.held.mesh
            shapes.append(Visual("held", mesh, "", (), *skin(look.held), world_T_held))
        for link, pose in robot.gripper_poses(world_T_tool0, opening_m).items():
            shapes.append(Visual(link, robot.mesh_file(link), "", (), *skin(look.gripper), pose))
        for (name, (kind, size)), surface in zip(self.distractors.items(), look.distractors, strict=True):
            shapes.append(Visual(name, None, kind, size, *skin(surface), self._poses[name]))
        return shapes


@cache
def _corners(mesh: Path) -> Array:
    """Corners (n, 3) of the convex hull of a mesh."""
    return np.array(trimesh.convex.hull_points(trimesh.load_mesh(mesh, process=False)))


def _convex_parts(mesh: Path) -> list[Array]:
    """Corners of the convex hull of each connected part of a mesh."""
    drawn = trimesh.load_mesh(mesh, process=False)
    whole = trimesh.Trimesh(drawn.vertices, drawn.faces, process=False)  # without normals, corners of neighbours merge
    whole.merge_vertices(digits_vertex=5)
    labels = trimesh.graph.connected_component_labels(whole.edges, len(whole.vertices))
    return [trimesh.convex.hull_points(whole.vertices[labels == label]) for label in np.unique(labels)]


def _outline(kind: str, size: tuple[float, ...]) -> Array:
    """Corners (n, 3) of a box, or of a polyhedron about a cylinder or sphere."""
    if kind == "box":
        return np.array(np.meshgrid(*[(-s, s) for s in size])).reshape(3, -1).T
    solid = trimesh.creation.icosphere(1, size[0])
    if kind == "cylinder":
        solid = trimesh.creation.cylinder(size[0], size[1], sections=16)
    return np.array(solid.vertices)


def _load_texture(world: World, image: NDArray[np.uint8]) -> int:
    """The world's number of a texture (S, S)."""
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        cv2.imwrite(file.name, cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
        return world.load_texture(Path(file.name))
