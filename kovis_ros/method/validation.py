"""How a network does on roll-outs that it never saw: losses, error of the displacement, keypoint health."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kovis_ros.method import losses, metrics, motion
from kovis_ros.method.augment import plain
from kovis_ros.method.config import Task
from kovis_ros.method.dataset import Cache
from kovis_ros.method.losses import Batch
from kovis_ros.method.networks import Network, Output

NEAR_M = (0.001, 0.010)  # samples at this distance from the goal say how precisely the servo will stop
NOISE = 0.1  # of the disturbance for jitter, in standard deviations of the image (about 5 grey levels)


def clean_batch(cache: Cache, index: NDArray[np.int64], size: int, device: torch.device) -> Batch:
    """Samples as the robot would see them, without augmentation."""
    raw = cache.raw(index, device)
    return Batch(plain(raw, size), raw.depth, raw.segmentation, *cache.labels(index, device), raw.landmarks)


@torch.no_grad()
def validate(
    network: Network, task: Task, cache: Cache, index: NDArray[np.int64], device: torch.device, batch: int = 64
) -> dict[str, float]:
    """Loss terms and figures by name, over samples ``index``; the network must be in evaluation mode."""
    loss = task.training.loss
    slope = task.servo.label_slope
    rows: dict[str, list[Tensor]] = {}
    points, noisy, shares, vectors, targets = [], [], [], [], []
    generator = torch.Generator(device).manual_seed(0)
    for start in range(0, len(index), batch):
        data = clean_batch(cache, index[start : start + batch], task.model.image_size, device)
        output: Output = network(data.images)
        parts = losses.terms(output, data, loss, slope, (network.depth_mean, network.depth_deviation))
        parts["speed_floor"] = losses.speed_floor(data.speed)
        for name, value in parts.items():
            rows.setdefault(name, []).append(value * len(data.images))
        found = output.keypoints.flatten(0, 1)
        shares.append(metrics.background_share(found, data.segmentation.flatten(0, 1), network.map_size))
        noise = torch.randn(data.images.shape, generator=generator, device=device)
        noisy.append(network.find(data.images + NOISE * noise).flatten(0, 1))
        points.append(found)
        vectors.append(output.prediction.vector)
        targets.append(data.displacement)
    result = {name: float(torch.stack(values).sum()) / len(index) for name, values in rows.items()}
    result["total"] = sum(getattr(loss, name) * result[name] for name in result if hasattr(loss, name))
    result["speed_excess"] = result["speed"] - result.pop("speed_floor")
    result.update(precision(torch.cat(vectors).cpu().numpy() / slope, torch.cat(targets).cpu().numpy(), task.axes))
    first = torch.cat(points)
    result["background_share"] = float(torch.stack(shares).mean())
    result["dead"] = float(metrics.dead(first).sum())
    result["jitter"] = metrics.jitter(first, torch.cat(noisy))
    result["usual_confidence"] = float(first[..., 2].view(-1, 2, first.shape[1]).mean((1, 2)).median())
    return result


def precision(predicted: NDArray[np.floating], target: NDArray[np.floating], axes: tuple[str, ...]) -> dict[str, float]:
    """Median error of predicted displacements (N, d) near the goal: position in m, rotation in rad."""
    distance = np.linalg.norm(target, axis=1)
    near = (distance > NEAR_M[0]) & (distance < NEAR_M[1])
    pairs = np.array([motion.error(gap, axes) for gap in (predicted - target)[near]]).reshape(-1, 2)
    position, rotation = (metrics.spread(pairs[:, i])["median"] for i in (0, 1))
    return {"near_position_m": position, "near_rotation_rad": rotation}
