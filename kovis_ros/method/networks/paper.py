"""The architecture at the paper's sizes, built from its text: the reference of the speed figures.

Encoder (Section III, Fig. 5): U-Net of DenseBlocks of 2 to 4 layers, growth 24, dilation growing with the layer, from
64x64 to K maps of 32x32. Decoder: expanding DenseBlocks from the maps to 64x64. Layers run at the size of the image,
which is what ours leave out. At K = 10: 0.57 M, 0.12 M and 0.31 M parameters, 0.5 and 0.6 GFLOP an image.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kovis_ros.method.config import ModelConfig, Task
from kovis_ros.method.keypoints import attention, gaussian_maps, keypoints
from kovis_ros.method.networks.decoder import CLASSES, Reconstruction
from kovis_ros.method.networks.layers import ConvBlock, DenseBlock
from kovis_ros.method.networks.network import Network, Output
from kovis_ros.method.networks.servo import Servo

GROWTH, WIDTH, MAP = 24, 48, 32
DOWN, UP = (2, 3, 4, 4, 4), (3, 4, 2)  # layers from 64 to 4 pixels, and from 8 to 32
EXPANDING = (2, 3, 4)  # layers at 16, 32 and 64 pixels
RHO = 2.5


class PaperEncoder(nn.Module):
    """Images (B, 1, 64, 64) to logits (B, K, 32, 32)."""

    fold = 64 // MAP

    def __init__(self, count: int) -> None:
        super().__init__()
        self.stem = ConvBlock(1, GROWTH)
        inputs = (GROWTH, *[WIDTH] * (len(DOWN) - 1))
        self.down = nn.ModuleList(stage(n, layers) for n, layers in zip(inputs, DOWN, strict=True))
        self.up = nn.ModuleList(stage(2 * WIDTH, layers) for layers in UP)
        self.head = nn.Conv2d(WIDTH, count, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, 64, 64) -> (B, K, 32, 32)."""
        x = self.stem(images)
        skips = []
        for level, block in enumerate(self.down):
            x = block(F.avg_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), skips.pop()], 1))
        logits: Tensor = self.head(x)
        return logits


class PaperDecoder(nn.Module):
    """Keypoint maps (B, K, 32, 32) to depth and segmentation of 64x64."""

    def __init__(self, count: int, width: int = 32) -> None:
        super().__init__()
        inputs = (count, count + width, width)
        self.blocks = nn.ModuleList(stage(n, layers, width) for n, layers in zip(inputs, EXPANDING, strict=True))
        self.head = nn.Conv2d(width, 1 + CLASSES, 3, padding=1)

    def forward(self, maps: Tensor) -> Reconstruction:
        """(B, K, 32, 32) -> depth (B, 64, 64) and segmentation logits (B, 3, 64, 64)."""
        small, middle, large = self.blocks
        x = F.interpolate(small(F.avg_pool2d(maps, 2)), scale_factor=2.0)
        x = F.interpolate(middle(torch.cat([x, maps], 1)), scale_factor=2.0)
        image = self.head(large(x))
        return Reconstruction(image[:, 0].float(), image[:, 1:].float())


class PaperNetwork(nn.Module):
    """Encoder, keypointer, decoder of both eyes, and servo, as ``Network`` has them."""

    def __init__(self, count: int, axes: int) -> None:
        super().__init__()
        self.encoder, self.decoder = PaperEncoder(count), PaperDecoder(count)
        self.servo = Servo(ModelConfig(keypoints=count, servo_hidden=(512, 512)), axes)

    def forward(self, images: Tensor) -> Output:
        """Prepared stereo pairs (B, 2, 64, 64) -> ``Output``."""
        logits = self.encoder(images.flatten(0, 1).unsqueeze(1))
        weight, points = attention(logits), keypoints(logits)
        maps = gaussian_maps(points, MAP, RHO)
        pairs = points.reshape(*images.shape[:2], *points.shape[1:])
        every = torch.arange(len(maps), device=maps.device)
        return Output(pairs, weight, maps, self.decoder(maps), every, self.servo(pairs))


class PaperSized(Network):
    """``Network`` with encoder, decoder and servo of the paper's sizes: trained and served as ours, to compare success.

    As ours it decodes one eye of a pair in training; the task must have the sizes that ``sized`` gives.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        theirs = PaperNetwork(task.model.keypoints, len(task.axes))
        self.encoder = theirs.encoder  # type: ignore[assignment]
        self.decoder = theirs.decoder  # type: ignore[assignment]
        self.servo = theirs.servo


def sized(task: Task) -> Task:
    """The task with the sizes that ``PaperSized`` needs."""
    return dataclasses.replace(task, model=dataclasses.replace(task.model, image_size=64, map_size=MAP, rho=RHO))


def stage(inputs: int, layers: int, width: int = WIDTH) -> nn.Sequential:
    """A DenseBlock and the 1x1 convolution after it: ``inputs`` to ``width`` channels."""
    block = DenseBlock(inputs, layers, GROWTH)
    return nn.Sequential(block, ConvBlock(block.outputs, width, kernel=1))
