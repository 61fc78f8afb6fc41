"""The table as the camera sees it, in closed form: depth, light, pattern and shadows of a plane.

It covers most of every picture, and TinyRenderer takes 4 ms of 6 to fill it. As a plane it takes 0.5 ms.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry
from kovis_sim.appearance import Look
from kovis_sim.world import Light

Array = NDArray[np.float64]
Image = NDArray[np.float32]
CENTRE, HALF = (0.5, 0.0), 0.7  # of the square top, world x and y in metres; the top is z = 0
SHADED = 0.4  # share of the direct light that reaches a shadow: TinyRenderer's own
SHARPNESS = 20.0  # exponent of the highlight
SUBPIXEL = 4  # bits of the corners of shadows


class Plane:
    """The table's top seen by one eye: ``world_T_camera`` (4, 4) optical, K (3, 3), ``size`` pixels square."""

    def __init__(self, world_T_camera: Array, K: Array, size: int) -> None:
        self.size = size
        self.eye = world_T_camera[:3, 3]
        camera_T_world = geometry.inverse(world_T_camera)
        self.world_to_pixel = K @ camera_T_world[:3]
        self.pixel_to_table = np.linalg.inv(self.world_to_pixel[:, [0, 1, 3]])
        pixel = np.arange(size, dtype=np.float64)
        ray = self.pixel_to_table @ np.stack([*np.meshgrid(pixel, pixel), np.ones((size, size))]).reshape(3, -1)
        with np.errstate(divide="ignore"):
            self.depth: Image = np.where(ray[2] > 0.0, 1.0 / ray[2], np.inf).reshape(size, size).astype(np.float32)
        place = ray[:2] / np.where(np.abs(ray[2]) > 1e-9, ray[2], 1e-9)
        self.place: Image = place.reshape(2, size, size).astype(np.float32)
        self.inside = np.isfinite(self.depth) & (np.abs(self.place[0] - CENTRE[0]) < HALF)
        self.inside &= np.abs(self.place[1] - CENTRE[1]) < HALF

    def albedo(self, look: Look) -> Image:
        """Paint (size, size) 0..1: the background's pattern, or plain grey."""
        if look.background is None:
            return np.full((self.size, self.size), look.table_grey, np.float32)
        warp = np.vstack([look.table_to_texture, [0, 0, 1]]) @ self.pixel_to_table
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (self.size, self.size)
        return cv2.warpPerspective(look.background, warp, size, flags=flags, borderMode=cv2.BORDER_REFLECT)

    def light(self, light: Light, casters: Iterable[list[Array]]) -> Image:
        """Ambient, diffuse and specular light (size, size) on the plane; ``casters`` throw shadows."""
        towards = np.asarray(light.direction)
        direct = light.diffuse * max(float(towards[2]), 0.0) + light.specular * self.highlight(towards)
        if light.shadow:
            direct *= 1.0 - (1.0 - SHADED) * self.shadow(towards, casters)
        return np.asarray(light.ambient + direct, np.float32)

    def highlight(self, towards: Array) -> Image:
        """Phong's cosine between the mirrored light and the way to the eye, sharpened, (size, size)."""
        x, y = self.eye[0] - self.place[0], self.eye[1] - self.place[1]
        height = float(self.eye[2])
        cosine = (towards[2] * height - towards[0] * x - towards[1] * y) / np.sqrt(x * x + y * y + height * height)
        return np.asarray(np.clip(cosine, 0.0, 1.0) ** SHARPNESS, np.float32)

    def shadow(self, towards: Array, casters: Iterable[list[Array]]) -> Image:
        """Share (size, size) in shadow of parallel light; ``casters``: corners (n, 3) of the convex parts of bodies."""
        mask = np.zeros((self.size, self.size), np.uint8)
        for parts in casters:
            points = np.concatenate(parts)
            fallen = points - np.maximum(points[:, 2:], 0.0) * (towards / towards[2])
            seen = fallen @ self.world_to_pixel[:, :3].T + self.world_to_pixel[:, 3]
            if seen[:, 2].min() <= 1e-3:
                continue
            corners = (np.clip(seen[:, :2] / seen[:, 2:], -4 * self.size, 5 * self.size) * 2**SUBPIXEL).astype(np.int32)
            for part in np.split(corners, np.cumsum([len(points) for points in parts[:-1]])):
                cv2.fillConvexPoly(mask, cv2.convexHull(part), 255, cv2.LINE_AA, SUBPIXEL)
        return mask.astype(np.float32) / np.float32(255.0)
