"""The loss of Eq. 8, term by term: Eq. 5 and 6 of the keypoints, reconstruction, Eq. 7 of the servo."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from kovis_ros.method.config import LossConfig
from kovis_ros.method.keypoints import cell_centres, centroids
from kovis_ros.method.networks import Output

ROUNDED = 0.3  # label slope times metres


class Batch(NamedTuple):
    """Stereo pairs ready for the network, and their truth."""

    images: Tensor  # (B, 2, S, S) float32, normalised
    depth: Tensor  # (B, 2, 2 H', 2 W') float32 in metres, 0 where unknown
    segmentation: Tensor  # (B, 2, 2 H', 2 W') int64
    direction: Tensor  # (B, d)
    speed: Tensor  # (B,)
    displacement: Tensor  # (B, d) metres
    landmarks: Tensor  # (B, 2, L, 3) network coordinates, and 1 where in the image


def proximity(keypoints: Tensor, gamma: float) -> Tensor:
    """Eq. 5 of keypoints (N, K, 3): sum over pairs of a a' exp(-gamma |j - j'|^2), mean over images.

    The print leaves open whether the norm is squared. Squared, gamma = 20 keeps keypoints 10 % of the image apart;
    unsquared it ends after 2 % and they crowd.
    """
    place, confidence = keypoints[..., :2], keypoints[..., 2]
    first, second = torch.triu_indices(place.shape[-2], place.shape[-2], 1, device=place.device)
    gap = (place[:, first] - place[:, second]).square().sum(-1)
    return (confidence[:, first] * confidence[:, second] * torch.exp(-gamma * gap)).sum(-1).mean()


def background_cells(segmentation: Tensor, size: int) -> Tensor:
    """(N, size, size) bool: cells of the map that hold nothing but background, of segmentation (N, H, W)."""
    return F.adaptive_max_pool2d((segmentation > 0).float()[:, None], size)[:, 0] < 0.5


def background(maps: Tensor, segmentation: Tensor) -> Tensor:
    """Eq. 6 of maps (N, K, H', W'): what lies on background cells, summed over them and keypoints, mean over images."""
    mask = background_cells(segmentation, maps.shape[-1])
    return (maps.sum(1) * mask).sum((-2, -1)).mean()


def anchor(attention: Tensor, segmentation: Tensor) -> Tensor:
    """Cross-entropy of the share of Eq. 2's softmax (N, K, H', W') on a keypoint's own object, mean over keypoints.

    Ours. The first half of the keypoints belongs to the target, the others to the gripper with what it holds: the
    paper's "peg-AND-hole". Without it all keypoints gathered on the mug, none on the gripper, and the camera's
    unknown mount could not be told from a displacement (direction loss 0.21 after one epoch of 35 k samples).
    Unlike Eq. 6, whose Gaussians end a cell away, it pulls from anywhere; the share itself in place of its logarithm
    left three of five gripper keypoints on the mug.
    """
    size, first = attention.shape[-1], (attention.shape[1] + 1) // 2
    target, gripper = (F.adaptive_max_pool2d((segmentation == kind).float()[:, None], size) for kind in (1, 2))
    on_target = (attention[:, :first] * target).sum((-2, -1))
    on_gripper = (attention[:, first:] * gripper).sum((-2, -1))
    seen = torch.cat([target.amax((-2, -1)).expand_as(on_target), gripper.amax((-2, -1)).expand_as(on_gripper)], 1)
    off = -torch.log(torch.cat([on_target, on_gripper], 1) + 1e-6) * seen
    return off.sum() / seen.sum().clamp_min(1.0)


def spread(attention: Tensor) -> Tensor:
    """Variance of the softmax of Eq. 2 (N, K, H', W') about its centroid, network coordinates, mean over keypoints.

    Ours. Without it a keypoint of the gripper splits over both fingers, and its centroid lies between them, on
    the target or the background. One cell of a 32x32 map has a variance of 0.001, the whole map one of 0.67.
    """
    place = centroids(attention)
    y, x = (cell_centres(size, attention.device) for size in attention.shape[-2:])
    squares = (attention.sum(3) * y.square()).sum(-1) + (attention.sum(2) * x.square()).sum(-1)
    return (squares - place.square().sum(-1)).mean()


def chosen(landmarks: Tensor, count: int) -> Tensor:
    """The landmarks (B, 2, K, 3) of ``count`` keypoints, of all (B, 2, L, 3).

    The first half of the landmarks lies on the target, the second on the tool; keypoints take the first ones of their
    object (see ``anchor``).
    """
    first, half = (count + 1) // 2, landmarks.shape[2] // 2
    return torch.cat([landmarks[:, :, :first], landmarks[:, :, half : half + count - first]], 2)


def landmark(keypoints: Tensor, landmarks: Tensor, size: int) -> Tensor:
    """Distance of keypoints (B, 2, K, 3) to their landmarks (B, 2, K, 3), cells of a map of ``size``, mean.

    Ours. Both eyes and all images then find the same points of the CAD model. Left to themselves, keypoints found
    repeatable places that were no points: left and right were 1.1 cells off the disparity that depth asks for, and
    along the camera's axis the servo saw 37 % of a displacement near the goal.
    """
    square = (0.5 * size * (keypoints[..., :2] - landmarks[..., :2])).square().sum(-1)
    seen = landmarks[..., 2]
    return (torch.sqrt(square + 1e-3) * seen).sum() / seen.sum().clamp_min(1.0)


def disparity(keypoints: Tensor, landmarks: Tensor, size: int) -> Tensor:
    """Error of the disparity of keypoints (B, 2, K, 3) against their landmarks', cells of a map of ``size``, mean.

    Ours. Errors that both eyes share move a point sideways, those that differ move it along the camera's axis, ten
    times as far: 0.7 pixels of disparity (of 128) were 3.5 mm, and what was left of the error in closed loop lay there.
    """
    off = 0.5 * size * (keypoints[..., 0] - landmarks[..., 0])
    seen = landmarks[:, 0, :, 2] * landmarks[:, 1, :, 2]
    return (torch.sqrt((off[:, 0] - off[:, 1]).square() + 1e-3) * seen).sum() / seen.sum().clamp_min(1.0)


def hardest(errors: Tensor, share: float) -> Tensor:
    """Mean of the largest ``share`` (0, 1] of the errors (N, ...) of each image, then over images.

    The authors' released training does the same: small parts that decide the motion, such as a handle, are one in a
    hundred pixels and would drown in the mean over all.
    """
    flat = errors.flatten(1)
    return flat.topk(max(1, round(share * flat.shape[1])), dim=1, sorted=False).values.mean()


def depth(prediction: Tensor, target: Tensor, segmentation: Tensor, share: float = 1.0) -> Tensor:
    """Mean squared error of depth (N, H, W), in standard deviations, over the hardest pixels of target and gripper.

    Departure from the paper: the background is left out, because its depth is random and tells nothing of the task.
    """
    mask = ((segmentation > 0) & torch.isfinite(target)).float()
    error = (prediction - torch.nan_to_num(target)).square() * mask
    return hardest(error, share) / (mask.mean().clamp_min(1e-3) if share == 1.0 else 1.0)


def direction(prediction: Tensor, label: Tensor, speed: Tensor) -> Tensor:
    """First part of Eq. 7: speed* (1 - u . u*) of unit vectors (B, d), mean over the batch."""
    return (speed * (1.0 - (prediction * label).sum(-1))).mean()


def speed(prediction: Tensor, label: Tensor) -> Tensor:
    """Second part of Eq. 7: binary cross-entropy of speeds (B,) in [0, 1]."""
    p = prediction.clamp(1e-6, 1.0 - 1e-6)
    return -(label * p.log() + (1.0 - label) * (1.0 - p).log()).mean()


def speed_floor(label: Tensor) -> Tensor:
    """Entropy of the speed labels (B,): the lowest value that ``speed`` can reach."""
    return speed(label, label)


def displacement(vector: Tensor, target: Tensor) -> Tensor:
    """Error of the servo's vector (B, d) relative to the distance, both in label slope times metres.

    |v - v*| / (1 + |v*|): 1 mm counts 0.2 at the goal and 0.015 at 60 mm (slope 200/m), so that precision is asked
    for where the servo stops; Eq. 7 weighs the direction by the speed and so asks for none there. Errors below 1.5 mm
    count as squares, that is, the mean is learned: the median of many images at the goal would be the goal itself.
    """
    relative: Tensor = rounded(vector - target) / (1.0 + torch.linalg.vector_norm(target, dim=-1))
    return relative.mean()


def rounded(gap: Tensor) -> Tensor:
    """Length of vectors (B, d) in label slope times metres, below 1.5 mm its square: (B,)."""
    return torch.sqrt(gap.square().sum(-1) + ROUNDED**2) - ROUNDED


def terms(
    output: Output, batch: Batch, config: LossConfig, slope: float, scale: tuple[Tensor, Tensor]
) -> dict[str, Tensor]:
    """Every term of Eq. 8 by name, unweighted; ``scale`` is mean and deviation of the depth in metres."""
    segmentation = batch.segmentation.flatten(0, 1)
    metres = batch.depth.flatten(0, 1)[output.decoded]
    standard = torch.where(metres > 0.0, (metres - scale[0]) / scale[1], torch.nan)
    decoded = segmentation[output.decoded]
    reconstruction, prediction = output.reconstruction, output.prediction
    wanted, cells = chosen(batch.landmarks, output.keypoints.shape[2]), output.maps.shape[-1]
    return {
        "depth": depth(reconstruction.depth, standard, decoded, config.hardest),
        "segmentation": hardest(
            F.cross_entropy(reconstruction.segmentation, decoded, reduction="none"), config.hardest
        ),
        "direction": direction(prediction.direction, batch.direction, batch.speed),
        "speed": speed(prediction.speed, batch.speed),
        "displacement": displacement(prediction.vector, slope * batch.displacement),
        "proximity": proximity(output.keypoints.flatten(0, 1), config.gamma),
        "background": background(output.maps, segmentation),
        "anchor": anchor(output.attention, segmentation),
        "spread": spread(output.attention),
        "landmark": landmark(output.keypoints, wanted, cells),
        "disparity": disparity(output.keypoints, wanted, cells),
    }


def total(parts: dict[str, Tensor], config: LossConfig) -> Tensor:
    """Eq. 8: the weighted sum of ``terms``."""
    return torch.stack([getattr(config, name) * value for name, value in parts.items()]).sum()
