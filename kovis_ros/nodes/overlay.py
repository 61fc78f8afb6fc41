"""A stereo pair side by side with its keypoints, as a picture for people."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from kovis_ros.method.images import StereoKeypoints

Picture = NDArray[np.uint8]
SMALLEST_HEIGHT = 320  # pixels; smaller images are enlarged by a whole number
FAINT = 0.3  # confidence below which a keypoint is drawn hollow


def colour(index: int, count: int) -> tuple[int, int, int]:
    """Blue, green, red 0..255 of keypoint ``index`` of ``count``: around the colour wheel."""
    red, green, blue = colorsys.hsv_to_rgb(index / max(count, 1), 0.85, 1.0)
    return int(255 * blue), int(255 * green), int(255 * red)


def draw(
    left: NDArray[np.uint8], right: NDArray[np.uint8], keypoints: StereoKeypoints | None, text: str = ""
) -> Picture:
    """Picture (H', 2 W', 3) bgr8 of two images (H, W), enlarged to at least ``SMALLEST_HEIGHT`` rows.

    A dot is a keypoint: filled when trusted, hollow when faint, the same colour in both images.
    """
    scale = max(1, -(-SMALLEST_HEIGHT // left.shape[0]))
    pair = np.hstack((left, right))  # while it is grey: a third of the bytes
    large = cv2.resize(pair, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST) if scale > 1 else pair
    both: Picture = cv2.cvtColor(large, cv2.COLOR_GRAY2BGR)
    sides = np.hsplit(both, 2)
    for picture, points in zip(sides, (None, None) if keypoints is None else keypoints[:2], strict=True):
        for i, (x, y, confidence) in enumerate([] if points is None else points.tolist()):
            centre = round((x + 0.5) * scale - 0.5), round((y + 0.5) * scale - 0.5)
            radius = max(3, picture.shape[0] // 60)
            cv2.circle(picture, centre, radius + 1, (0, 0, 0), -1 if confidence >= FAINT else 2, cv2.LINE_AA)
            filled = -1 if confidence >= FAINT else 1
            cv2.circle(picture, centre, radius, colour(i, len(points)), filled, cv2.LINE_AA)
    for offset, ink in ((2, (0, 0, 0)), (1, (255, 255, 255))):
        cv2.putText(both, text, (8, both.shape[0] - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, offset, cv2.LINE_AA)
    return both
