"""What a cache keeps of one sample: images at the stored size, truth of each cell, landmarks in network coordinates."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from kovis_ros.method import images
from kovis_ros.method.config import ModelConfig


class DataError(ValueError):
    """Samples or a cache cannot be used; the message names the thing, the value and the remedy."""


class Sample(Protocol):
    """One stereo image of a roll-out, as ``kovis_ros.bags.Sample`` has it."""

    rollout: int
    left: NDArray[np.uint8]  # (H, W)
    right: NDArray[np.uint8]
    depth: NDArray[np.uint16]  # (2, H, W), 0.1 mm
    segmentation: NDArray[np.uint8]  # (2, H, W)
    K: NDArray[np.float64]  # (3, 3)
    direction: NDArray[np.float32]  # (d,)
    speed: float
    displacement: NDArray[np.float32]  # (d,) m
    keypoints: NDArray[np.float32]  # (2, L, 3) landmarks of target, then tool: x, y in pixels, 1 where in the image


def stored_px(model: ModelConfig) -> int:
    """Side of the stored images; depth and labels have half of it, which is what the networks reconstruct."""
    return 4 * model.map_size


def pack(sample: Sample, limits: tuple[float, float], side: int) -> dict[str, NDArray[Any]]:
    """What the cache stores of one sample, by name; images (2, side, side)."""
    pair = np.stack([images.check(sample.left, "left"), images.check(sample.right, "right")])
    segmentation, depth = np.asarray(sample.segmentation), np.asarray(sample.depth)
    if segmentation.shape != pair.shape or depth.shape != pair.shape:
        raise DataError(
            f"roll-out {sample.rollout}: images {pair.shape}, segmentation {segmentation.shape} and depth "
            f"{depth.shape} differ: record the bag again"
        )
    crop = images.Crop(-0.5, -0.5, float(side))
    if pair.shape[1:] != (side, side):
        crop = images.crop_for(sample.K, (pair.shape[1], pair.shape[2]), limits)
        pair, segmentation, depth = _resize(pair, segmentation, depth, crop, side)
    labels = majority(segmentation)
    return {
        "images": pair,
        "mask": segmentation.astype(np.uint8),
        "segmentation": labels,
        "depth": block_depth(depth, segmentation, labels),
        "direction": np.asarray(sample.direction, np.float32),
        "speed": np.asarray(sample.speed, np.float32),
        "displacement": np.asarray(sample.displacement, np.float32),
        "landmarks": in_network(sample.keypoints, crop),
        "rollout": np.asarray(sample.rollout, np.int64),
    }


def _resize(
    pair: NDArray[np.uint8],
    segmentation: NDArray[np.uint8],
    depth: NDArray[np.uint16],
    crop: images.Crop,
    side: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint16]]:
    """The robot's crop at the size of the cache: images averaged, truth by the nearest pixel."""
    grey = images.resample(torch.from_numpy(pair), crop, side).round().clamp(0, 255).numpy().astype(np.uint8)
    place = (np.arange(side) + 0.5) * crop.side / side
    rows = np.clip(np.round(place + crop.y), 0, pair.shape[1] - 1).astype(int)
    columns = np.clip(np.round(place + crop.x), 0, pair.shape[2] - 1).astype(int)
    return grey, segmentation[:, rows][:, :, columns], depth[:, rows][:, :, columns]


def in_network(points: NDArray[np.float32], crop: images.Crop) -> NDArray[np.float32]:
    """Landmarks (2, L, 3) in network coordinates; what the crop cuts off counts as not in the image."""
    place = images.to_network(points[..., :2], crop)
    inside = (points[..., 2] > 0.0) & np.all(np.abs(place) < 1.0, axis=-1)
    return np.asarray(np.concatenate([place, inside[..., None]], -1), np.float32)


def blocks(image: NDArray[Any]) -> NDArray[Any]:
    """(2, 2 D, 2 D) as (2, D, D, 4): the four pixels of each cell."""
    size = image.shape[-1] // 2
    cells: NDArray[Any] = image.reshape(2, size, 2, size, 2).transpose(0, 1, 3, 2, 4).reshape(2, size, size, 4)
    return cells


def majority(segmentation: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The class (2, D, D) that most pixels of each cell have; the higher one when they are equal."""
    votes = np.stack([(blocks(segmentation) == kind).sum(-1) for kind in (2, 1, 0)])
    return np.asarray(2 - votes.argmax(0), np.uint8)


def block_depth(
    depth: NDArray[np.uint16], segmentation: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> NDArray[np.uint16]:
    """Mean depth (2, D, D) of the pixels that have the class of their cell; 0 where none is known."""
    values = blocks(depth).astype(np.float64)
    use = (blocks(segmentation) == labels[..., None]) & (values > 0)
    return np.asarray(((values * use).sum(-1) / np.maximum(use.sum(-1), 1)).round(), np.uint16)
