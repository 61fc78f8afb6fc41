"""Decoder: expanding DenseBlocks from K keypoint maps to depth and segmentation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kovis_ros.method.config import ModelConfig
from kovis_ros.method.networks.layers import ConvBlock, DenseBlock

CLASSES = 3  # 0 background, table, distractors; 1 target; 2 gripper and held object


class Reconstruction(NamedTuple):
    """What the decoder sees in the keypoints; the size is twice that of the maps."""

    depth: Tensor  # (B, 2 H', 2 W') in standard deviations, see ``Network.depth_metres``
    segmentation: Tensor  # (B, 3, 2 H', 2 W') logits


class Decoder(nn.Module):
    """Keypoint maps (B, K, H', W') to ``Reconstruction``.

    The maps enter at a quarter, half and full size, because at rho = 2.5 a keypoint is hardly wider than one cell.
    Departure from the paper: the last step to the size of the image is a pixel-shuffle, see ``Encoder``.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = (4 * config.growth) // 3
        inputs = [config.keypoints] + [config.keypoints + width] * (len(config.decoder_layers) - 1)
        pairs = zip(inputs, config.decoder_layers, strict=True)
        blocks = [DenseBlock(count, layers, config.growth, config.dilation) for count, layers in pairs]
        self.blocks = nn.ModuleList(blocks)
        self.squeeze = nn.ModuleList(ConvBlock(block.outputs, width, kernel=1) for block in blocks)
        self.head = nn.Conv2d(width, 4 * (1 + CLASSES), 3, padding=1)

    def forward(self, maps: Tensor) -> Reconstruction:
        """(B, K, H', W') -> depth (B, 2 H', 2 W') and segmentation logits (B, 3, 2 H', 2 W')."""
        pyramid = [maps]
        for _ in range(len(self.blocks) - 1):
            pyramid.append(2.0 * F.avg_pool2d(pyramid[-1], 2))
        x = pyramid.pop()
        for level, (block, squeeze) in enumerate(zip(self.blocks, self.squeeze, strict=True)):
            if level:
                x = torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), pyramid.pop()], 1)
            x = squeeze(block(x))
        image = F.pixel_shuffle(self.head(x), 2).float()
        return Reconstruction(image[:, 0], image[:, 1:])
