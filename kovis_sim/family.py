"""A target as one of many: the members of a task's family, their meshes, goals and landmarks.

Without a family the task's own mesh is the only member, and nothing is drawn. With one, that mesh is the nominal
member, at which the task is checked, shown, and its landmarks are chosen. Meshes are made when first wanted and kept in
the user's cache directory.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import trimesh
from numpy.typing import NDArray

from kovis_ros.method.config import ConfigError, TargetConfig
from kovis_ros.method.parsing import Triple
from kovis_sim import meshes, mugs, robot
from kovis_sim.appearance import Split
from kovis_sim.cell import pieces
from kovis_sim.meshes import Mug

Array = NDArray[np.float64]


class Member(NamedTuple):
    """One shape of the target."""

    mesh: Path
    pieces: tuple[Path, ...]  # convex, for contacts
    goal_shift_m: Triple  # of its goal from the nominal member's, target frame


class Family:
    """The members that a scene draws its target from, and where landmarks are on them."""

    def __init__(self, target: TargetConfig, split: Split, landmarks: Array) -> None:
        """``landmarks``: (n, 3) on the nominal member, in its frame; ConfigError when that is not the family's own."""
        mesh = robot.ASSETS / target.mesh
        self.nominal = Member(mesh, tuple(pieces(target.collision)), (0.0, 0.0, 0.0))
        self._shapes = mugs.members(split) if target.family else ()
        self._landmarks = {mesh: landmarks}
        if target.family and mesh != meshes.ASSETS / "mug" / "mug.obj":
            raise ConfigError(f"target.mesh {target.mesh!r} is not the nominal member: give 'mug/mug.obj'")

    def draw(self, rng: np.random.Generator) -> Member:
        """The member of a trial or roll-out. Without a family: no draw."""
        if not self._shapes:
            return self.nominal
        mug = self._shapes[rng.integers(len(self._shapes))]
        found = member(mug)
        if found.mesh not in self._landmarks:
            self._landmarks[found.mesh] = carried(self._landmarks[self.nominal.mesh], mug)
        return found

    def landmarks(self, of: Member) -> Array:
        """(n, 3) the same places on a member that was drawn, in its frame."""
        return self._landmarks[of.mesh]


@lru_cache(maxsize=mugs.COUNT)
def member(mug: Mug) -> Member:
    """A mug with its files."""
    folder = files(mug)
    return Member(folder / "mug.obj", tuple(sorted(folder.glob("piece_*.obj"))), mugs.goal_shift(mug))


def files(mug: Mug) -> Path:
    """Folder with a mug's meshes, written whole unless it is there; its name tells shape and the code that makes it."""
    name = hashlib.sha256(Path(meshes.__file__).read_bytes() + repr(mug).encode()).hexdigest()[:16]
    folder = cache() / name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as part:
                meshes.write_mug(Path(part) / name, mug)
                _keep(Path(part) / name, folder)
    except OSError as error:
        raise ConfigError(f"meshes cannot be kept in {folder.parent} ({error}): set XDG_CACHE_HOME") from error
    return folder


def _keep(made: Path, folder: Path) -> None:
    """Move a folder into place; of two processes that made it, the first one's stays."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def cache() -> Path:
    """Where generated meshes are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kovis_ros" / "meshes"


def carried(points: Array, mug: Mug) -> Array:
    """Points (n, 3) at the nominal mug's surface, moved to the same places of another mug.

    Every mug's mesh has the same triangles, so a point moves as the corners of the triangle next to it do, weighed by
    its barycentric coordinates there.
    """
    nominal, other = meshes.mug_mesh(mugs.NOMINAL), meshes.mug_mesh(mug)
    near, _, index = trimesh.proximity.closest_point_naive(nominal, points)
    weights = trimesh.triangles.points_to_barycentric(nominal.triangles[index], near)
    moves = (other.vertices - nominal.vertices)[nominal.faces[index]]
    return np.asarray(points + np.einsum("nc,ncd->nd", weights, moves))
