"""Poses as URScript writes them: metres and a rotation vector."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kovis_ros.method import geometry

Array = npt.NDArray[np.float64]


def pose_of(vector: Array) -> Array:
    """(6,) -> (4, 4)."""
    pose = np.eye(4)
    pose[:3, :3] = geometry.rotation(vector[3:])
    pose[:3, 3] = vector[:3]
    return pose


def vector_of(pose: Array) -> Array:
    """(4, 4) -> (6,)."""
    return np.concatenate([pose[:3, 3], geometry.rotvec(pose[:3, :3])])
