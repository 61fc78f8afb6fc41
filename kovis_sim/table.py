"""The table as the camera sees it, in closed form: depth, light, pattern and shadows of a plane.

It covers most of every picture, and TinyRenderer takes 4 ms of 6 to fill it. As a plane it takes 0.5 ms.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry
from kovis_sim.appearance import Look
from kovis_sim.shadows import Outline
from kovis_sim.world import Light

Array = NDArray[np.float64]
Image = NDArray[np.float32]
CENTRE, HALF = (0.5, 0.0), 0.7  # of the square top, world x and y in metres; the top is z = 0
SHADED = 0.4  # share of the direct light that reaches a shadow: TinyRenderer's own
LEAST_NEARNESS = 1e-3  # 1/m; nothing of the table is a kilometre away
SUBPIXEL = 4  # bits of the corners of shadows


class Plane:
    """The table's top seen by one eye: ``world_T_camera`` (4, 4) optical, K (3, 3), ``size`` pixels square."""

    def __init__(self, world_T_camera: Array, K: Array, size: int) -> None:
        self.size = size
        self.eye = world_T_camera[:3, 3]
        self.table_to_pixel = (K @ geometry.inverse(world_T_camera)[:3])[:, [0, 1, 3]]
        self.pixel_to_table = np.linalg.inv(self.table_to_pixel)
        pixel = np.arange(size, dtype=np.float32)
        x, y, nearness = (a * pixel + (b * pixel + c)[:, None] for a, b, c in self.pixel_to_table.astype(np.float32))
        self.inside = nearness > LEAST_NEARNESS
        self.depth: Image = 1.0 / np.maximum(nearness, LEAST_NEARNESS)
        self.place: tuple[Image, Image] = (x * self.depth, y * self.depth)
        for place, centre in zip(self.place, CENTRE, strict=True):
            self.inside &= np.abs(place - np.float32(centre)) < HALF

    def albedo(self, look: Look) -> Image:
        """Paint (size, size) 0..1: the background's pattern, or plain grey."""
        if look.background is None:
            return np.full((self.size, self.size), look.table_grey, np.float32)
        warp = np.vstack([look.table_to_texture, [0, 0, 1]]) @ self.pixel_to_table
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (self.size, self.size)
        return cv2.warpPerspective(look.background, warp, size, flags=flags, borderMode=cv2.BORDER_REFLECT)

    def light(self, light: Light, outlines: Sequence[Outline]) -> Image:
        """Ambient, diffuse and specular light (size, size) on the plane; ``outlines`` of shadows dim the last two."""
        direct = np.float32(light.specular) * self.highlight(light.direction)
        direct += light.diffuse * max(light.direction[2], 0.0)
        if outlines:
            direct *= 1.0 - np.float32(1.0 - SHADED) * self.shadow(outlines)
        return np.asarray(light.ambient + direct, np.float32)

    def highlight(self, towards: Sequence[float]) -> Image:
        """20th power of Phong's cosine between the mirrored light (3,) and the way to the eye, (size, size)."""
        (right, ahead, height), (tx, ty, tz) = self.eye.tolist(), [float(v) for v in towards]
        x, y = right - self.place[0], ahead - self.place[1]
        cosine = (tz * height - tx * x - ty * y) / np.sqrt(x * x + y * y + height * height)
        fourth = np.square(np.square(np.maximum(cosine, 0.0)))
        return np.asarray(fourth * np.square(np.square(fourth)))

    def shadow(self, outlines: Sequence[Outline]) -> Image:
        """Share (size, size) in shadow, of outlines on the table."""
        mask = np.zeros((self.size, self.size), np.uint8)
        if not outlines:
            return mask.astype(np.float32)
        seen = np.concatenate(outlines) @ self.table_to_pixel[:, :2].T + self.table_to_pixel[:, 2]
        ahead = np.maximum(seen[:, 2:], 1e-3)
        corners = (np.clip(seen[:, :2] / ahead, -4 * self.size, 5 * self.size) * 2**SUBPIXEL).astype(np.int32)
        end = 0
        for outline in outlines:
            begin, end = end, end + len(outline)
            if seen[begin:end, 2].min() > 1e-3:
                cv2.fillConvexPoly(mask, corners[begin:end], 255, cv2.LINE_AA, SUBPIXEL)
        return mask * np.float32(1.0 / 255.0)
