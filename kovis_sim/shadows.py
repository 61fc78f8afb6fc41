"""Shadows of bodies on the table: each convex part throws one convex outline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Outline = NDArray[np.float32]  # (n, 2) corners of a convex polygon on the table, world x and y in metres


class Casters:
    """Bodies as convex parts: of each body the corners (n, 3) of its parts, in its frame."""

    def __init__(self, parts: Mapping[str, Sequence[Array]]) -> None:
        self.bodies = {name: np.concatenate(corners).astype(np.float32) for name, corners in parts.items()}
        sizes = [len(corners) for body in parts.values() for corners in body]
        ends = np.cumsum(sizes)
        self.parts = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]

    def outlines(self, poses: Mapping[str, Array], towards: Sequence[float]) -> list[Outline]:
        """Outline of each part's shadow; ``poses`` (4, 4) in the world, ``towards`` (3,) parallel light from above."""
        placed = [body @ poses[name][:3, :3].T + poses[name][:3, 3] for name, body in self.bodies.items()]
        corners = np.concatenate(placed)
        slide = np.array(towards[:2]) / towards[2]
        fallen = (corners[:, :2] - np.maximum(corners[:, 2:], 0.0) * slide).astype(np.float32)
        return [cv2.convexHull(fallen[part])[:, 0] for part in self.parts]
