"""Places on target and gripper that keypoints learn to find, and where the camera sees them.

They come from the CAD models alone: of what the nominal camera sees at the goal, the points farthest from each other.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry
from kovis_ros.method.config import LANDMARKS

Array = NDArray[np.float64]
COUNT = LANDMARKS  # of each object, in an order of which every beginning is well spread
VIEW_PX = 256
EDGE_PX = 4  # so far inside an outline, where a pixel more or less is not another object
BORDER = 0.10  # share of the picture's side along its border that a wrong mount may push out of sight


class Landmarks(NamedTuple):
    """Points in the frames of their objects."""

    target: Array  # (COUNT, 3) in the target frame
    tool: Array  # (COUNT, 3) in tool0

    def project(
        self, world_T_target: Array, world_T_tool0: Array, eyes: tuple[Array, Array], K: Array, size: int
    ) -> NDArray[np.float32]:
        """(2, 2 COUNT, 3): x and y in pixels of left and right image, and 1 where that lies in the image, else 0."""
        world = np.vstack([moved(self.target, world_T_target), moved(self.tool, world_T_tool0)])
        seen = np.stack([moved(world, geometry.inverse(eye)) @ K.T for eye in eyes])
        pixel = seen[..., :2] / np.maximum(seen[..., 2:], 1e-6)
        inside = (seen[..., 2] > 0.0) & np.all((pixel > -0.5) & (pixel < size - 0.5), axis=-1)
        return np.concatenate([np.where(inside[..., None], pixel, 0.0), inside[..., None]], -1).astype(np.float32)


def unproject(depth: NDArray[np.float32], mask: NDArray[np.bool_], K: Array) -> Array:
    """Points (n, 3) in the camera's frame of the pixels of a mask, away from its outline."""
    kernel = np.ones((2 * EDGE_PX + 1, 2 * EDGE_PX + 1), np.uint8)
    rows, columns = np.nonzero(cv2.erode(mask.astype(np.uint8), kernel))
    ray = np.linalg.solve(K, np.stack([columns, rows, np.ones(len(rows))]))
    return np.asarray((ray * depth[rows, columns]).T)


def in_both(points: Array, baseline_m: float, K: Array, size: int) -> NDArray[np.bool_]:
    """Which points (n, 3), in the frame midway between the eyes, both of them see clear of the border."""
    low, high = BORDER * size, (1.0 - BORDER) * size - 1.0
    inside = np.ones(len(points), bool)
    for side in (-0.5, 0.5):
        seen = (points - [side * baseline_m, 0.0, 0.0]) @ K.T
        pixel = seen[:, :2] / seen[:, 2:]
        inside &= np.all((pixel > low) & (pixel < high), axis=1)
    return inside


def farthest(points: Array, count: int) -> Array:
    """``count`` of the points (n, 3): the first is farthest from their mean, each other from all before it."""
    chosen = [int(np.linalg.norm(points - points.mean(0), axis=1).argmax())]
    gap = np.full(len(points), np.inf)
    for _ in range(count - 1):
        gap = np.minimum(gap, np.linalg.norm(points - points[chosen[-1]], axis=1))
        chosen.append(int(gap.argmax()))
    return points[chosen]


def moved(points: Array, a_T_b: Array) -> Array:
    """Points (n, 3) of frame b in frame a."""
    return points @ a_T_b[:3, :3].T + a_T_b[:3, 3]
