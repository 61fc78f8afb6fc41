"""Convex hulls for contacts: made smaller by Bullet's margin, with few corners, at the digits of their file.

A smooth surface cut into triangles has hundreds of corners a fraction of a millimetre apart. To move all its faces
inwards makes thousands, with splinters of faces between them that the file's digits tear open.
"""

from __future__ import annotations

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from kovis_sim import parts

Array = NDArray[np.float64]
CORNERS = 96  # of a hull: of a sphere of 30 mm 1.5 mm are lost at most, of a capsule of 12 mm 0.6 mm
NEAR_M = 2e-5  # by which a corner must stand out
DIGITS = 6  # of a metre, in an OBJ file of ``meshes.write_obj``
SLIVER_M2 = 1e-10  # a face whose normal is rounding


def for_contacts(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """A mesh's hull made smaller by Bullet's margin, or by half of what a thin one has; nowhere out of the mesh's."""
    hull = trimesh.convex.convex_hull(corners(trimesh.convex.convex_hull(mesh.vertices).vertices))
    hull.update_faces(hull.area_faces > SLIVER_M2)
    inner = np.einsum("ij,ij->i", hull.face_normals, hull.triangles[:, 0] - hull.vertices.mean(0))
    small = parts.inset(hull, min(parts.MARGIN_M, 0.5 * float(inner.min())))
    return trimesh.convex.convex_hull(np.round(corners(small.vertices), DIGITS))


def corners(points: Array) -> Array:
    """Those of the points (n, 3) of a solid that span it almost, ``CORNERS`` at most, in metres.

    Greedy: of the points farthest out of the faces that the chosen ones have, a tenth more are chosen, again and again.
    """
    chosen = simplex(points)
    while len(chosen) < CORNERS:
        planes = ConvexHull(points[chosen]).equations
        out = points @ planes[:, :3].T + planes[:, 3]
        faces = np.argsort(-out.max(0), kind="stable")
        farthest = out.argmax(0)[faces[out.max(0)[faces] > NEAR_M]]
        if not len(farthest):
            break
        chosen += list(dict.fromkeys(farthest.tolist()))[: max(len(chosen) // 10, 1)]
    return points[chosen[:CORNERS]]


def simplex(points: Array) -> list[int]:
    """Four of the points (n, 3) that lie in no plane: each is far from what those before it span."""
    off = points - points[0]
    second = int(np.linalg.norm(off, axis=1).argmax())
    third = int(np.linalg.norm(np.cross(off, off[second]), axis=1).argmax())
    fourth = int(np.abs(off @ np.cross(off[second], off[third])).argmax())
    return [0, second, third, fourth]
