"""The stereo camera on the wrist: where it is, how wide it sees, and by how much its mount is wrong."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry, images
from kovis_ros.method.config import CameraConfig

Array = NDArray[np.float64]


class StereoCamera(NamedTuple):
    """One draw of the camera: both imagers have the same intrinsics and parallel axes."""

    tool0_T_centre: Array  # (4, 4) optical frame midway between the imagers
    K: Array  # (3, 3)
    baseline_m: float
    size: int

    @property
    def field_of_view_deg(self) -> float:
        """Across the image."""
        return images.field_of_view(self.K, self.size)

    def eyes(self, world_T_tool0: Array) -> tuple[Array, Array]:
        """``world_T_left`` and ``world_T_right`` (4, 4), optical frames."""
        centre = world_T_tool0 @ self.tool0_T_centre
        half = geometry.pose((self.baseline_m / 2.0, 0.0, 0.0))
        return centre @ geometry.inverse(half), centre @ half


def nominal(config: CameraConfig) -> StereoCamera:
    """The camera as designed: middle of every range, mount exact."""
    mount = geometry.look_at(config.eye_m, config.look_at_m)
    return StereoCamera(
        mount, images.intrinsics(sum(config.field_of_view_deg) / 2.0, config.size_px), config.baseline_m, config.size_px
    )


def draw(config: CameraConfig, rng: np.random.Generator, scale: float = 1.0) -> StereoCamera:
    """A camera with its mount wrong by up to ``scale`` times the ranges of the task, in all six axes."""
    position = rng.uniform(-1.0, 1.0, 3) * config.position_error_m * scale
    turn = rng.uniform(-1.0, 1.0, 3) * np.radians(config.rotation_error_deg) * scale
    return mounted(config, rng, position, turn)


def mounted(config: CameraConfig, rng: np.random.Generator, position: Array, turn: Array) -> StereoCamera:
    """A camera whose mount is wrong by ``position`` (3,) m and ``turn`` (3,) rad in its optical frame."""
    mount = geometry.look_at(config.eye_m, config.look_at_m) @ geometry.exp(np.concatenate([position, turn]))
    K = images.intrinsics(rng.uniform(*config.field_of_view_deg), config.size_px)
    return StereoCamera(mount, K, float(rng.uniform(*config.baseline_range_m)), config.size_px)
