"""Cameras as OpenGL describes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kovis_ros.method import geometry

NEAR_M, FAR_M = 0.03, 4.0


def view(world_T_camera: ArrayLike) -> list[float]:
    """View matrix (16,), column major, of an optical frame (z forward, y down)."""
    matrix = np.diag([1.0, -1.0, -1.0, 1.0]) @ geometry.inverse(world_T_camera)
    return list(matrix.T.ravel().tolist())


def projection(K: ArrayLike, size: int) -> list[float]:
    """Projection (16,), column major, of intrinsics whose pixel (0, 0) is the centre of the first pixel."""
    k = np.asarray(K, float)
    fx, fy = 2.0 * k[0, 0] / size, 2.0 * k[1, 1] / size
    cx, cy = 2.0 * (k[0, 2] + 0.5) / size - 1.0, 1.0 - 2.0 * (k[1, 2] + 0.5) / size
    a, b = -(FAR_M + NEAR_M) / (FAR_M - NEAR_M), -2.0 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    matrix = np.array([[fx, 0, -cx, 0], [0, fy, -cy, 0], [0, 0, a, b], [0, 0, -1, 0]])
    return list(matrix.T.ravel())


def metres(buffer: NDArray[np.float32]) -> NDArray[np.float32]:
    """Depth along the optical axis of a depth buffer's values 0..1."""
    return np.asarray(FAR_M * NEAR_M / (FAR_M - (FAR_M - NEAR_M) * buffer))
