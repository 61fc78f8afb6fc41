"""Numbers that say how good a servo and its keypoints are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from kovis_ros.method.losses import background_cells

DEAD = 0.1  # a keypoint whose confidence never exceeds this is dead: it takes no part


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval (95 % at z = 1.96) of a success rate: (0.722, 1) for 10 of 10; (0, 1) of no trial."""
    if trials == 0:
        return 0.0, 1.0
    rate, n = successes / trials, trials
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def spread(values: ArrayLike) -> dict[str, float]:
    """Median and 90th percentile; NaN of no value."""
    array = np.asarray(values, float)
    if not array.size:
        return {"median": float("nan"), "p90": float("nan")}
    return {"median": float(np.median(array)), "p90": float(np.percentile(array, 90))}


class Health(NamedTuple):
    """Of the keypoints over a set of images."""

    background_share: float  # confidence-weighted share of keypoints whose centroid lies on the background
    dead: int  # keypoints whose confidence never exceeds ``DEAD``
    jitter: float  # confidence-weighted motion under noise, in shares of the image's side; dead ones left out


def background_share(keypoints: Tensor, segmentation: Tensor, size: int) -> Tensor:
    """Confidence-weighted share of keypoints (N, K, 3) on background cells of segmentation (N, H, W)."""
    mask = background_cells(segmentation, size).flatten(1)
    column, row = (((keypoints[..., i] + 1.0) * 0.5 * size).long().clamp(0, size - 1) for i in (0, 1))
    outside = mask.gather(1, row * size + column).float()
    weight = keypoints[..., 2]
    return (outside * weight).sum() / weight.sum().clamp_min(1e-9)


def dead(keypoints: Tensor) -> NDArray[np.bool_]:
    """(K,) which of the keypoints (N, K, 3) never exceed ``DEAD``."""
    return np.asarray((keypoints[..., 2].amax(0) < DEAD).cpu().numpy())


def jitter(first: Tensor, second: Tensor) -> float:
    """Confidence-weighted distance between keypoints (N, K, 3) of the same images with and without a disturbance.

    In shares of the image's side, as in Table I of the paper; dead keypoints are left out, because one that is dead
    never moves.
    """
    alive = ~(torch.from_numpy(dead(first)).to(first.device))
    gap = 0.5 * torch.linalg.vector_norm(first[..., :2] - second[..., :2], dim=-1)[:, alive]
    weight = first[..., 2][:, alive]
    return float((gap * weight).sum() / weight.sum().clamp_min(1e-9))
