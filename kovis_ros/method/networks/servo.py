"""Servo: fully connected layers from the keypoints of a stereo pair to direction and speed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from kovis_ros.method.config import ModelConfig

FEATURES = 9  # of a keypoint, see ``stereo_features``
LEAST_DISPARITY = 0.1  # network coordinates; 50 mm of baseline and 58 deg see 0.9 m away with it


class Prediction(NamedTuple):
    """Motion towards the goal, in units of the label (see ``kovis_ros.method.motion``)."""

    vector: Tensor  # (B, d): label slope times displacement
    direction: Tensor  # (B, d) unit vectors
    speed: Tensor  # (B,) in [0, 1)


class Standardise(nn.Module):
    """Zero mean and unit deviation by running statistics, in training too: batch statistics would add noise."""

    mean: Tensor
    square: Tensor
    seen: Tensor

    def __init__(self, count: int, momentum: float = 0.01) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("square", torch.ones(count))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(B, N) -> (B, N); in training mode the statistics follow the batch."""
        if self.training:
            with torch.no_grad():
                self.seen += 1.0
                weight = torch.clamp(1.0 / self.seen, min=self.momentum)
                self.mean.lerp_(x.mean(0), weight)
                self.square.lerp_(x.square().mean(0), weight)
        deviation = (self.square - self.mean.square()).clamp_min(1e-6).sqrt()
        return (x - self.mean.clone()) / deviation


class Servo(nn.Module):
    """Keypoints (B, 2, K, 3) of left and right, network coordinates, to ``Prediction``; always fp32.

    Departure from the paper: one output vector v gives both ``direction = v / |v|`` and ``speed = 1 - exp(-|v|)``,
    the label's own law, in place of a sigmoid beside it. v passes smoothly through zero at the goal, where direction
    and speed of two separate outputs both have a singularity.
    """

    def __init__(self, config: ModelConfig, axes: int) -> None:
        super().__init__()
        sizes = (FEATURES * config.keypoints, *config.servo_hidden)
        self.standardise = Standardise(sizes[0])
        layers: list[nn.Module] = []
        for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(inputs, outputs), nn.SiLU(), nn.Dropout(config.dropout)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(sizes[-1], axes)

    def forward(self, keypoints: Tensor) -> Prediction:
        """(B, 2, K, 3) -> vector and direction (B, d), speed (B,)."""
        with torch.autocast(keypoints.device.type, enabled=False):
            vector = 4.0 * self.head(self.layers(self.standardise(stereo_features(keypoints.float()))))
            length = torch.sqrt(vector.square().sum(-1) + 1e-8)
            return Prediction(vector, vector / length[:, None], -torch.expm1(-length))


def stereo_features(keypoints: Tensor) -> Tensor:
    """(B, 2, K, 3) -> (B, 9 K): place, disparity and both confidences of each keypoint, and where it is in space.

    Place and disparity are left and right in another basis: standardised one by one, the small disparity weighs as
    much as the place. With disparity d and place (x, y), the point (x, y, 1) / d is the one that both eyes see, in
    units of baseline and focal length, so that the displacement between tool and target is nearly linear in them.
    """
    left, right = keypoints[:, 0], keypoints[:, 1]
    place, disparity = 0.5 * (left + right)[..., :2], (left - right)[..., :2]
    distance = 1.0 / disparity[..., :1].clamp_min(LEAST_DISPARITY)
    point = torch.cat([place * distance, distance], -1)
    return torch.cat([place, disparity, left[..., 2:], right[..., 2:], point], -1).flatten(1)
