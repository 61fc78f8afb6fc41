"""What an infrared camera does to an image: lens, exposure, motion, noise and eight bits.

One model for training (random draws for whole batches) and for the simulated cell (one draw a trial). It works on
images that were already averaged to the network's size, the projector is off. Where each number comes from stands at
``config.SensorConfig``.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from kovis_ros.method.config import SensorConfig

Image = NDArray[np.uint8]
# tangent of the angle to the corner of 59 deg across, a D435's 848x480 cropped: sqrt(2) tan(29.5 deg)
CORNER_TAN = 0.80
STATED_PX = 128  # size of the image that the numbers of ``config.SensorConfig`` are of


class Exposure(NamedTuple):
    """One draw for B stereo pairs; everything (B, 2, 1, 1)."""

    grey: Tensor  # mean grey level that automatic exposure settles at
    corner: Tensor  # light in the corner of the image relative to its centre
    smear_x: Tensor  # weight of both neighbours in a row, 0..1/3
    smear_y: Tensor  # and in a column
    noise: Tensor  # standard deviation in grey levels


def at(config: SensorConfig, size: int) -> SensorConfig:
    """The same sensor, its pixels averaged to images of another size: lengths in pixels and noise grow with it.

    A pixel of an image twice as wide is the mean of a quarter of the raw ones, so its noise is twice as high.
    """
    scale = size / STATED_PX
    low, high = config.noise
    return dataclasses.replace(
        config,
        motion_px=scale * config.motion_px,
        defocus_px=scale * config.defocus_px,
        noise=(scale * low, scale * high),
    )


def draw(config: SensorConfig, count: int, rng: Generator, device: torch.device | str = "cpu") -> Exposure:
    """Random parameters of ``count`` pairs: exposure, lens and movement shared, gain a little different in each eye."""

    def uniform(low: float, high: float, eyes: int = 1) -> Tensor:
        drawn = low + (high - low) * torch.rand((count, eyes, 1, 1), generator=rng, device=device)
        return drawn.expand(count, 2, 1, 1)

    wrong, mismatch = config.exposure_error, config.eye_mismatch
    grey = config.grey * uniform(1.0 - wrong, 1.0 + wrong) * uniform(1.0 - mismatch, 1.0 + mismatch, 2)
    smear_x, smear_y = (smear(uniform(0.0, config.motion_px), uniform(0.0, config.defocus_px)) for _ in range(2))
    return Exposure(grey, uniform(*config.corner), smear_x, smear_y, uniform(*config.noise, 2))


def smear(motion_px: Tensor, defocus_px: Tensor) -> Tensor:
    """Weight of a neighbour whose three-tap filter has the variance of a movement and of a Gaussian blur.

    A movement by m is a box of variance m^2 / 12; weights (w, 1 - 2 w, w) have variance 2 w.
    """
    return (0.5 * (motion_px.square() / 12.0 + defocus_px.square())).clamp_max(1.0 / 3.0)


def expose(images: Tensor, exposure: Exposure, rng: Generator) -> Tensor:
    """Images (B, 2, S, S) of any brightness to what the sensor delivers: whole grey levels 0..255, float32."""
    light = images * falloff(images.shape[-1], exposure.corner)
    light = light + exposure.smear_x * neighbours(light, -1)
    light = light + exposure.smear_y * neighbours(light, -2)
    light = light * (exposure.grey / light.mean((-2, -1), keepdim=True).clamp_min(1.0))
    noise = torch.randn(images.shape, generator=rng, device=images.device)
    return (light + exposure.noise * noise).round_().clamp_(0.0, 255.0)


def falloff(size: int, corner: Tensor) -> Tensor:
    """Light (..., size, size) relative to the centre: a power of the cosine that is ``corner`` in the corner.

    cos^4 alone would be 0.37 there; shading correction is assumed to leave 0.55 and more.
    """
    place = (2.0 * torch.arange(size, device=corner.device) + 1.0) / size - 1.0
    square = 0.5 * CORNER_TAN**2 * (place.square() + place.square()[:, None])
    power = torch.log(corner) / np.log1p(CORNER_TAN**2)
    return torch.exp(power * torch.log1p(square))


def neighbours(image: Tensor, axis: int) -> Tensor:
    """Sum of both neighbours along an axis minus twice the pixel itself, borders repeated."""
    size = image.shape[axis]
    index = torch.arange(size, device=image.device)
    low, high = (index - 1).clamp_min(0), (index + 1).clamp_max(size - 1)
    return image.index_select(axis, low) + image.index_select(axis, high) - 2.0 * image


class InfraredSensor:
    """One camera: the same exposure for all its images, new noise in each."""

    def __init__(self, config: SensorConfig, size: int, seed: int) -> None:
        """``size``: S of its images."""
        self.rng = torch.Generator().manual_seed(seed)
        self.exposure = draw(at(config, size), 1, self.rng)

    def __call__(self, left: Image, right: Image) -> tuple[Image, Image]:
        """Stereo pair (S, S) uint8 as rendered to the pair as delivered."""
        pair = torch.from_numpy(np.stack([left, right])[None]).float()
        seen = expose(pair, self.exposure, self.rng)[0].to(torch.uint8).numpy()
        return seen[0], seen[1]
