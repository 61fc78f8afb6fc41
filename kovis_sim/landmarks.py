"""Places on target and tool that keypoints learn to find, and where the camera sees them.

They come from the CAD models alone: of what the nominal camera sees at the goal, points far from each other at the
corners of outlines and edges. On a plain surface a keypoint can only be guessed: two points in the middle of the palm
were 0.42 and 0.26 cells off (median), those at fingertips and handle 0.1. Where one thing is to be put on another, the
first of each lie on the axis that they share, where they will meet.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry
from kovis_ros.method.config import LANDMARKS
from kovis_sim.revolution import Revolution

Array = NDArray[np.float64]
COUNT = LANDMARKS  # of target and of tool, in an order of which every beginning is well spread
VIEW_PX = 256
EDGE_PX = 4  # so far inside an outline, where a pixel more or less is not another object
CORNER_PX = 4.0  # standard deviation of the window that corners are looked for in
NEAR_PX, NEARER_M = 8, 0.015  # what is farther than something beside it only borders on that one's corners
DISTINCT = 0.5  # power of ``corners`` that a distance is weighed with
BORDER = 0.12  # share of the picture's side along its border that a wrong mount may push out of sight


class Landmarks(NamedTuple):
    """Points in the frames of their objects.

    With an empty hand the tool's all lie on the gripper. With an object in the hand every other one, beginning with
    the first, lies on that object and moves with its pose in the hand: they tell what decides an insertion, where its
    leading end is. The gripper's tell how the camera is turned to the axes that are commanded; a tilted object cannot.
    """

    target: Array  # (COUNT, 3) in the target frame
    tool: Array  # (COUNT, 3) in the frame of the held object where ``held``, else in tool0
    held: NDArray[np.bool_]  # (COUNT,)
    revolution: Revolution | None = None  # of target and held object: both then turn with the eye

    def project(
        self, poses: tuple[Array, Array, Array], eyes: tuple[Array, Array], K: Array, size: int
    ) -> NDArray[np.float32]:
        """(2, 2 COUNT, 3): x and y in pixels of left and right image, and 1 where that lies in the image, else 0.

        ``poses``: of target, tool0 and held object in the world.
        """
        target, tool0, held = poses
        if self.revolution is not None:
            centre = 0.5 * (eyes[0] + eyes[1])[:3, 3]
            target, held = self.revolution.target_faced(target, centre), self.revolution.faced(held, centre)
        tool = np.where(self.held[:, None], moved(self.tool, held), moved(self.tool, tool0))
        world = np.vstack([moved(self.target, target), tool])
        seen = np.stack([moved(world, geometry.inverse(eye)) @ K.T for eye in eyes])
        pixel = seen[..., :2] / np.maximum(seen[..., 2:], 1e-6)
        inside = (seen[..., 2] > 0.0) & np.all((pixel > -0.5) & (pixel < size - 0.5), axis=-1)
        return np.concatenate([np.where(inside[..., None], pixel, 0.0), inside[..., None]], -1).astype(np.float32)


def inner(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask (S, S) away from its outline."""
    kernel = np.ones((2 * EDGE_PX + 1, 2 * EDGE_PX + 1), np.uint8)
    return cv2.erode(mask.astype(np.uint8), kernel) > 0


def in_front(points: Array) -> NDArray[np.bool_]:
    """The pixels of a picture (S, S, 3) that are not behind something close to them."""
    depth = points[..., 2].astype(np.float32)
    return np.asarray(depth - cv2.erode(depth, np.ones((2 * NEAR_PX + 1, 2 * NEAR_PX + 1), np.uint8)) < NEARER_M)


def unproject(depth: NDArray[np.float32], K: Array) -> Array:
    """Points (S, S, 3) in the camera's frame of a picture's pixels."""
    rows, columns = np.indices(depth.shape)
    ray = np.linalg.solve(K, np.stack([columns, rows, np.ones_like(rows)]).reshape(3, -1).astype(float))
    return np.asarray((ray * depth.ravel()).T.reshape(*depth.shape, 3))


def corners(points: Array, mask: NDArray[np.bool_]) -> Array:
    """(S, S) how far outline and edges of an object turn at each pixel: 0 on a plane and along a straight edge.

    The smaller eigenvalue of the structure tensor (Shi and Tomasi, CVPR 1994) of the mask and of the surface's normal
    (points (S, S, 3) as the camera sees them), so that paint and light do not matter.
    """
    surface = np.where(mask[..., None], points, np.nan)
    normal = np.cross(np.gradient(surface, axis=1), np.gradient(surface, axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        normal = np.nan_to_num(normal / np.linalg.norm(normal, axis=2, keepdims=True))
    shape = np.dstack([normal, mask.astype(float)])
    x, y = np.gradient(shape, axis=1), np.gradient(shape, axis=0)
    xx, xy, yy = (cv2.GaussianBlur((a * b).sum(2), (0, 0), CORNER_PX) for a, b in ((x, x), (x, y), (y, y)))
    smaller = 0.5 * (xx + yy) - np.sqrt(0.25 * (xx - yy) ** 2 + xy**2)
    return np.asarray(np.clip(smaller, 0.0, None))


def in_both(points: Array, baseline_m: float, K: Array, size: int) -> NDArray[np.bool_]:
    """Which points (n, 3), in the frame midway between the eyes, both of them see clear of the border."""
    low, high = BORDER * size, (1.0 - BORDER) * size - 1.0
    inside = np.ones(len(points), bool)
    for side in (-0.5, 0.5):
        seen = (points - [side * baseline_m, 0.0, 0.0]) @ K.T
        pixel = seen[:, :2] / seen[:, 2:]
        inside &= np.all((pixel > low) & (pixel < high), axis=1)
    return inside


def spread(points: Array, weight: Array, count: int) -> Array:
    """``count`` of the points (n, 3): the first has the largest weight (n,), each other the largest weighted distance.

    Distances are those from all points chosen before.
    """
    chosen = [int(weight.argmax())]
    gap = np.full(len(points), np.inf)
    for _ in range(count - 1):
        gap = np.minimum(gap, np.linalg.norm(points - points[chosen[-1]], axis=1))
        chosen.append(int((gap * weight).argmax()))
    return points[chosen]


def moved(points: Array, a_T_b: Array) -> Array:
    """Points (n, 3) of frame b in frame a."""
    return points @ a_T_b[:3, :3].T + a_T_b[:3, 3]


class View(NamedTuple):
    """A picture of the nominal camera."""

    points: Array  # (S, S, 3) of its pixels, camera frame
    baseline_m: float
    K: Array

    def choose(
        self, mask: NDArray[np.bool_], count: int, corner: Array | None = None, lead: Array | None = None
    ) -> Array:
        """Points (count, 3) of an object with pixels ``mask`` (S, S), in the camera's frame.

        corner: (S, S) as ``corners`` gives it for the object alone, where others hide parts of it and draw outlines
        that are not its own. lead: (3,); only that half of the pixels counts which is nearer to this point.
        ValueError when both eyes see fewer than ``count`` pixels.
        """
        corner = corners(self.points, mask) if corner is None else corner
        use = inner(mask)
        points, weight = self.points[use], corner[use] ** DISTINCT
        use = in_both(points, self.baseline_m, self.K, len(mask))
        if lead is not None and use.any():
            away = np.linalg.norm(points - lead, axis=1)
            use &= away <= np.median(away[use])
        if use.sum() < count:
            raise ValueError(f"both eyes see {use.sum()} pixels and {count} landmarks are wanted")
        return spread(points[use], weight[use], count)
