"""A USB-B plug and its socket at four times life size, made by code: the object of the tutorial (docs/new_task.md).

``python -m kovis_sim.usb FOLDER`` writes ``socket.stl`` and ``plug.stl`` as CAD would export them: closed meshes in
metres, the socket standing on z = 0, the plug with the middle of its leading end at the origin. Two bevelled corners
make the fit unique: there is no symmetry.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import manifold3d
import numpy as np
import trimesh
from numpy.typing import NDArray

from kovis_sim import parts
from kovis_sim.decompose import mesh_of, solid_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class UsbB:
    """Four times the outer dimensions of a USB-B plug; metres. At life size the play would be a tenth of a millimetre,
    ten times less than what a servo leaves."""

    width: float = 0.0338  # of the plug's shell, along x
    height: float = 0.0311  # along y: the fingers close across it
    bevel: float = 0.0066  # of the two corners at +y
    shell: float = 0.034  # length of the shell
    body: tuple[float, float, float] = (0.044, 0.040, 0.040)  # what the fingers hold, above the shell
    play: float = 0.004  # between shell and hole, on the whole width
    chamfer: float = 0.0015
    depth: float = 0.024  # of the hole
    housing: tuple[float, float, float] = (0.070, 0.064, 0.032)


def section(usb: UsbB, grown: float, z: float) -> Array:
    """Corners (6, 3) of the shell's outline at a height, each side moved outwards by ``grown``."""
    x, y, b = usb.width / 2.0 + grown, usb.height / 2.0 + grown, usb.bevel + 0.6 * grown
    outline = [(-x, -y), (x, -y), (x, y - b), (x - b, y), (-x + b, y), (-x, y - b)]
    return np.array([(px, py, z) for px, py in outline])


def box(size: tuple[float, float, float], low: float, chamfer: float) -> trimesh.Trimesh:
    """A block about the z axis from a height upwards, its upper edges chamfered."""
    x, y, high = size[0] / 2.0, size[1] / 2.0, low + size[2]
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
    levels = [(x, y, low), (x, y, high - chamfer), (x - chamfer, y - chamfer, high)]
    return parts.hull(*[np.column_stack([corners * (px, py), np.full(4, z)]) for px, py, z in levels])


def plug_mesh(usb: UsbB) -> trimesh.Trimesh:
    """Shell with a chamfered end, and the body behind it."""
    c = usb.chamfer
    shell = parts.hull(section(usb, -c, 0.0), section(usb, 0.0, c), section(usb, 0.0, usb.shell + 0.002))
    body = solid_of(box(usb.body, usb.shell, 0.004))
    return mesh_of(solid_of(shell) + body)


def socket_mesh(usb: UsbB) -> trimesh.Trimesh:
    """A block with a blind hole of the shell's shape, its mouth chamfered."""
    top, play, c = usb.housing[2], usb.play / 2.0, usb.chamfer
    hole = parts.hull(section(usb, play, top - usb.depth), section(usb, play, top + 0.01))
    mouth = parts.hull(section(usb, play, top - c), section(usb, play + c, top), section(usb, play + c, top + 0.01))
    block: manifold3d.Manifold = solid_of(box(usb.housing, 0.0, 0.003))
    return mesh_of(block - solid_of(hole) - solid_of(mouth))


def main(folder: Path) -> None:
    """Write both meshes."""
    folder.mkdir(parents=True, exist_ok=True)
    socket_mesh(UsbB()).export(folder / "socket.stl")
    plug_mesh(UsbB()).export(folder / "plug.stl")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "usb"))
