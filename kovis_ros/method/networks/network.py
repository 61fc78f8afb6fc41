"""The whole of KOVIS (Fig. 3): Encoder, keypointer, Decoder and Servo."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from kovis_ros.method.config import Task
from kovis_ros.method.keypoints import attention, gaussian_maps, keypoints
from kovis_ros.method.networks.decoder import Decoder, Reconstruction
from kovis_ros.method.networks.encoder import Encoder
from kovis_ros.method.networks.servo import Prediction, Servo


class Output(NamedTuple):
    """Everything the losses need; N = 2 B images, ordered (pair, eye)."""

    keypoints: Tensor  # (B, 2, K, 3) x, y in network coordinates and confidence
    attention: Tensor  # (N, K, H', W') softmax of Eq. 2
    maps: Tensor  # (N, K, H', W') of Eq. 4
    reconstruction: Reconstruction  # of the images ``decoded``
    decoded: Tensor  # (M,) places among the N images
    prediction: Prediction  # of the B pairs


class Network(nn.Module):
    """Encoder, Decoder and Servo of one task, and the statistics that the checkpoint carries."""

    depth_mean: Tensor
    depth_deviation: Tensor
    usual_confidence: Tensor

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.encoder = Encoder(task.model)
        self.decoder = Decoder(task.model)
        self.servo = Servo(task.model, len(task.axes))
        self.rho = task.model.rho
        self.map_size = task.model.map_size
        self.register_buffer("depth_mean", torch.tensor(0.2))  # metres, over target and gripper
        self.register_buffer("depth_deviation", torch.tensor(0.05))
        self.register_buffer("usual_confidence", torch.tensor(1.0))  # median over training of a pair's mean

    def forward(self, images: Tensor, rho: float | Tensor | None = None) -> Output:
        """Prepared stereo pairs (B, 2, S, S) -> ``Output``; rho departs from the task's while it is ramped up.

        In training one eye of each pair is decoded, left and right in turn: the other would cost a fifth of the step
        and show the same scene again.
        """
        logits = self.encoder(images.flatten(0, 1).unsqueeze(1))
        weight, points = attention(logits), keypoints(logits)
        maps = gaussian_maps(points, self.map_size, self.rho if rho is None else rho)
        pairs = points.reshape(*images.shape[:2], *points.shape[1:])
        every = torch.arange(len(maps), device=maps.device)
        decoded = every[every % 4 // 2 == every % 2] if self.training else every
        return Output(pairs, weight, maps, self.decoder(maps[decoded]), decoded, self.servo(pairs))

    def find(self, images: Tensor) -> Tensor:
        """Keypoints (B, 2, K, 3) of prepared stereo pairs (B, 2, S, S)."""
        points = keypoints(self.encoder(images.flatten(0, 1).unsqueeze(1)))
        return points.reshape(*images.shape[:2], *points.shape[1:])

    def depth_metres(self, depth: Tensor) -> Tensor:
        """The decoder's depth in metres."""
        return depth * self.depth_deviation + self.depth_mean
