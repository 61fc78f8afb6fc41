"""Do left and right image of a sample show one moment of one scene, as depth, intrinsics and baseline say they must?"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

TOLERANCE_M, TOLERANCE = 0.002, 0.01  # of depth, and as a share of it: a pixel beside another on a slanted surface
LEAST_PIXELS = 50  # that a correlation is taken over


class StereoSample(Protocol):
    """What is looked at of a sample; see ``kovis_ros.bags.Sample``."""

    left: NDArray[np.uint8]  # (H, W)
    right: NDArray[np.uint8]
    depth: NDArray[np.uint16]  # (2, H, W), 0.1 mm, 0 unknown
    segmentation: NDArray[np.uint8]  # (2, H, W): 0 background, 1 target, 2 tool
    K: NDArray[np.float64]  # (3, 3)
    baseline_m: float
    keypoints: NDArray[np.float32]  # (2, L, 3): x, y in pixels, 1 where in the image


class Match(NamedTuple):
    """How one pair fits; NaN where there was nothing to look at."""

    depth: float  # share of the left pixels of target and tool whose depth the right image has where it must be
    grey: float  # correlation of the grey values of those that have it
    rows_px: float  # largest difference in row of a landmark between left and right


def match(sample: StereoSample) -> Match:
    """A left pixel (x, y) at depth z lies at (x - f baseline / z, y) in the right image, unless something hides it."""
    rows, columns = np.nonzero((sample.segmentation[0] > 0) & (sample.depth[0] > 0))
    z = sample.depth[0, rows, columns] * 1e-4
    there = np.round(columns - sample.K[0, 0] * sample.baseline_m / np.maximum(z, 1e-4)).astype(int)
    inside = (there >= 0) & (there < sample.right.shape[1])
    rows, columns, there, z = rows[inside], columns[inside], there[inside], z[inside]
    tolerance = np.maximum(TOLERANCE_M, TOLERANCE * z)
    further = sample.depth[1, rows, there] * 1e-4 - z
    fits = np.abs(further) <= tolerance
    seen = np.count_nonzero(further >= -tolerance)  # nearer: something hides the place from the right eye
    depth = np.count_nonzero(fits) / seen if seen else np.nan
    grey = correlation(sample.left[rows, columns][fits], sample.right[rows, there][fits])
    return Match(float(depth), grey, rows_apart(sample.keypoints))


def correlation(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> float:
    """Pearson's, of grey values (n,); NaN for too few, or without contrast."""
    if len(left) < LEAST_PIXELS or min(left.std(), right.std()) < 1.0:
        return float("nan")
    return float(np.corrcoef(left.astype(float), right.astype(float))[0, 1])


def rows_apart(keypoints: NDArray[np.float32]) -> float:
    """Largest |y_left - y_right| in pixels of landmarks (2, L, 3) in both images; NaN when there are none."""
    both = (keypoints[..., 2] > 0).all(0)
    return float(np.abs(keypoints[0, both, 1] - keypoints[1, both, 1]).max()) if both.any() else float("nan")
