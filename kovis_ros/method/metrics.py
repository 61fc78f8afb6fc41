"""Numbers that say how good a servo and its keypoints are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from kovis_ros.method import losses
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


class Difference(NamedTuple):
    """One success rate minus another, and the 95 % interval of that."""

    value: float
    low: float
    high: float


def difference(first: tuple[int, int], second: tuple[int, int]) -> Difference:
    """Of two independent (successes, trials): Newcombe's interval (1998, method 10), made of both Wilson intervals.

    56 of 70 minus 48 of 80: 0.20, 0.0524 to 0.3339.
    """
    p, q = (successes / trials for successes, trials in (first, second))
    (p_low, p_high), (q_low, q_high) = wilson(*first), wilson(*second)
    below, above = np.hypot(p - p_low, q_high - q), np.hypot(p_high - p, q - q_low)
    return Difference(p - q, p - q - float(below), p - q + float(above))


def spread(values: ArrayLike) -> dict[str, float]:
    """Median and 90th percentile; NaN of no value."""
    array = np.asarray(values, float)
    if not array.size:
        return {"median": float("nan"), "p90": float("nan")}
    return {"median": float(np.median(array)), "p90": float(np.percentile(array, 90))}


def within(values: ArrayLike, limits: Sequence[float]) -> list[list[float]]:
    """[limit, share of the values that are at most that] for each limit; NaN is beyond all of them."""
    array = np.asarray(values, float)
    return [[limit, float(np.mean(array <= limit)) if array.size else 0.0] for limit in limits]


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


class Stability(NamedTuple):
    """Change of keypoints under a disturbance, an entry of Table I of the paper; both 0..1."""

    location: float  # see ``jitter``
    confidence: float  # mean change over images and keypoints that are not dead
    dead: int  # keypoints left out


def stability(first: ArrayLike, second: ArrayLike) -> Stability:
    """Of keypoints (N, K, 3) of the same images without and with a disturbance, in network coordinates."""
    plain, disturbed = (torch.as_tensor(np.asarray(points, np.float32)) for points in (first, second))
    gone = dead(plain)
    if gone.all():
        return Stability(float("nan"), float("nan"), len(gone))
    change = (plain - disturbed)[..., 2].abs().numpy()[:, ~gone]
    return Stability(jitter(plain, disturbed), float(change.mean()), int(gone.sum()))


class Consistency(NamedTuple):
    """Losses of predicted motions, an entry of Table II of the paper."""

    direction: float  # first part of Eq. 7
    speed: float  # second part of Eq. 7
    speed_floor: float  # entropy of the labels: no prediction has a lower ``speed``


def consistency(direction: ArrayLike, speed: ArrayLike, wanted: ArrayLike, wanted_speed: ArrayLike) -> Consistency:
    """Of directions (N, d) and speeds (N,) predicted and labelled; see ``losses.direction`` and ``losses.speed``."""
    u, beta, label, label_speed = (
        torch.as_tensor(np.asarray(values, np.float64)) for values in (direction, speed, wanted, wanted_speed)
    )
    return Consistency(
        float(losses.direction(u, label, label_speed)),
        float(losses.speed(beta, label_speed)),
        float(losses.speed_floor(label_speed)),
    )


class Bin(NamedTuple):
    """Trials whose condition lies between two limits."""

    low: float
    high: float
    trials: int
    successes: int


def binned(values: ArrayLike, succeeded: ArrayLike, edges: ArrayLike) -> list[Bin]:
    """Trials counted by their condition (N,) between neighbours of ``edges``; the last bin has its upper edge too."""
    value, good, limits = np.asarray(values, float), np.asarray(succeeded, bool), np.asarray(edges, float)
    trials = np.histogram(value, limits)[0]
    successes = np.histogram(value[good], limits)[0]
    return [
        Bin(float(low), float(high), int(n), int(s))
        for low, high, n, s in zip(limits[:-1], limits[1:], trials, successes, strict=True)
    ]
