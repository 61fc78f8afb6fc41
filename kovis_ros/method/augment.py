"""Appearance of training images: light, shift, background, texture, and the camera's sensor; whole batches at once.

Labels stay as they are, but for the shift, which moves depth and segmentation with the image.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from kovis_ros.method import images as camera
from kovis_ros.method import sensor, textures
from kovis_ros.method.config import AugmentConfig, SensorConfig

SHADED = 110.0  # grey of a texture below which its pattern is shadow: two fifths of it
HIDDEN = 45.0  # grey of a texture below which something stands before the camera
MOST_HIDDEN = 0.2  # share of the image; a texture of two shades would hide half of it


class Raw(NamedTuple):
    """Stereo pairs as the cache holds them."""

    images: Tensor  # (B, 2, C, C) uint8
    mask: Tensor  # (B, 2, C, C) uint8 segmentation at the size of the images
    depth: Tensor  # (B, 2, D, D) float32 metres, 0 unknown
    segmentation: Tensor  # (B, 2, D, D) int64
    landmarks: Tensor  # (B, 2, L, 3) network coordinates, and 1 where in the image


class Augmenter:
    """Random appearance of a batch; the pool of textures is drawn once from the seed."""

    def __init__(
        self, config: AugmentConfig, imager: SensorConfig, image_size: int, seed: int = 0,
        device: str | torch.device = "cpu", pool: int = 384,
    ) -> None:  # fmt: skip
        self.config, self.imager, self.size = config, sensor.at(imager, image_size), image_size
        drawn = textures.pool(np.random.default_rng(seed), pool, max(192, 3 * image_size // 2))
        self.pool = torch.from_numpy(drawn).to(device)

    def __call__(self, raw: Raw, rng: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Prepared images (B, 2, S, S); depth, segmentation and landmarks of ``raw``, moved with the images."""
        count, side = raw.images.shape[0], raw.images.shape[-1]
        image = self.deepen(raw.images.float(), raw, rng)
        image = self.paint(image, raw.mask, rng)
        image = self.light(image, rng)
        shift = self.config.shift_px * (2.0 * draw((count, 2), rng, image) - 1.0)
        image = shifted_resample(image, shift, self.size)
        cells = (shift * raw.depth.shape[-1] / side).round().long()
        image = sensor.expose(image, sensor.draw(self.imager, count, rng, image.device), rng)
        landmarks = raw.landmarks.clone()
        landmarks[..., :2] -= (2.0 / side) * shift[:, None, None]
        return camera.normalise(image), moved(raw.depth, cells), moved(raw.segmentation, cells), landmarks

    def deepen(self, image: Tensor, raw: Raw, rng: Generator) -> Tensor:
        """Images (B, 2, C, C) with the target darker the deeper it is: less light reaches into a hollow."""
        depth = F.interpolate(raw.depth, image.shape[-2:])
        target = (raw.mask == 1) & (depth > 0.0)
        near = depth.where(target, torch.inf).amin((2, 3), keepdim=True)
        far = depth.where(target, 0.0).amax((2, 3), keepdim=True)
        share = ((depth - near) / (far - near).clamp_min(1e-3)).clamp(0.0, 1.0)
        strength = chance(self.config.hollow, len(image), rng, image) * draw((len(image), 1, 1, 1), rng, image)
        return image * (1.0 - self.config.hollow_strength * strength * share.where(target, 0.0))

    def paint(self, image: Tensor, mask: Tensor, rng: Generator) -> Tensor:
        """Images (B, 2, C, C) with new background, blobs in it, textures on target and gripper, occlusions, shadows."""
        c, count = self.config, image.shape[0]
        new, other = self.stereo_texture(image, rng), self.stereo_texture(image, rng)
        grey, span = 255.0 * draw((count, 1, 1, 1), rng, image), draw((count, 1, 1, 1), rng, image)
        share = chance(c.background, count, rng, image) * (0.4 + 0.6 * draw((count, 1, 1, 1), rng, image)).sqrt()
        outside = (mask == 0).float()
        image = image + outside * share * (grey + span * (new - 128.0) - image)
        blob = outside * (other > 190.0) * chance(c.cutout, count, rng, image)
        image = image + blob * (255.0 * draw((count, 1, 1, 1), rng, image) - image)
        for kind in (1, 2):
            strength = chance(c.texture, count, rng, image) * c.texture_strength
            strength = strength * draw((count, 1, 1, 1), rng, image) * (mask == kind)
            image = image * (1.0 + strength * ((other if kind == 1 else new) / 96.0 - 1.33))
        hidden = (other < HIDDEN) & (chance(c.occlusion, count, rng, image) > 0.0)
        hidden &= hidden.float().mean((1, 2, 3), keepdim=True) < MOST_HIDDEN
        image = torch.where(hidden, 255.0 * draw((count, 1, 1, 1), rng, image), image)
        shade = chance(c.shadow, count, rng, image) * c.shadow_strength * draw((count, 1, 1, 1), rng, image)
        return image * (1.0 - shade * (new < SHADED))

    def light(self, image: Tensor, rng: Generator) -> Tensor:
        """Gradient across the picture, contrast, gamma and brightness, a little different in each eye."""
        c, count, side = self.config, image.shape[0], image.shape[-1]
        ramp = torch.linspace(-1.0, 1.0, side, device=image.device)
        slope = c.gradient * (2.0 * draw((2, count, 1, 1, 1), rng, image) - 1.0) * 0.5
        image = image * (1.0 + slope[0] * ramp + slope[1] * ramp[:, None])
        gain = torch.exp(c.contrast * self.pairwise(count, rng, image))
        gamma = torch.exp(c.gamma * self.pairwise(count, rng, image))
        offset = c.brightness * self.pairwise(count, rng, image)
        grey = ((image * gain + offset) * (1.0 / 255.0)).clamp_(1e-3, 1.0)
        return 255.0 * (gamma * grey.log_()).exp_()

    def pairwise(self, count: int, rng: Generator, like: Tensor) -> Tensor:
        """(B, 2, 1, 1) in about [-1, 1]: the same in both eyes but for the mismatch."""
        shared = 2.0 * draw((count, 1, 1, 1), rng, like) - 1.0
        return shared + self.config.eye_mismatch * (2.0 * draw((count, 2, 1, 1), rng, like) - 1.0)

    def stereo_texture(self, image: Tensor, rng: Generator) -> Tensor:
        """(B, 2, C, C) float32 textures, 0..255; the right eye sees them moved by a disparity of up to 12 %."""
        count, side = image.shape[0], image.shape[-1]
        windows = self.pool.unfold(1, side, 1).unfold(2, side, 1)
        room = windows.shape[2] - 1 - side // 8
        which = torch.randint(len(self.pool), (count,), generator=rng, device=image.device)
        row = torch.randint(windows.shape[1], (count,), generator=rng, device=image.device)
        column = torch.randint(room + 1, (count,), generator=rng, device=image.device)
        disparity = torch.randint(side // 8 + 1, (count,), generator=rng, device=image.device)
        pair = torch.stack([windows[which, row, column], windows[which, row, column + disparity]], 1)
        return pair.float()


def draw(shape: tuple[int, ...], rng: Generator, like: Tensor) -> Tensor:
    """Uniform numbers in [0, 1)."""
    return torch.rand(shape, generator=rng, device=like.device)


def chance(probability: float, count: int, rng: Generator, like: Tensor) -> Tensor:
    """(B, 1, 1, 1) of 0 and 1."""
    return (draw((count, 1, 1, 1), rng, like) < probability).float()


def shifted_resample(image: Tensor, shift: Tensor, size: int) -> Tensor:
    """Area-average pairs (B, 2, C, C) to (B, 2, S, S), each seen through a box moved by ``shift`` (B, 2) (x, y) px.

    With no shift it is ``images.resample`` of the whole image. Pixels outside repeat the border.
    """
    side = image.shape[-1]
    columns, rows = (area_weights(side, shift[:, axis], size) for axis in (0, 1))
    return rows[:, None] @ image @ columns[:, None].transpose(-1, -2)


def area_weights(side: int, start: Tensor, size: int) -> Tensor:
    """(B, size, side): ``images.area_weights`` of the whole image for each of the offsets ``start`` (B,)."""
    edges = start[:, None] + side * torch.arange(size + 1, device=start.device) / size
    pixel = torch.arange(side, device=start.device, dtype=torch.float32)
    left, right = pixel.clone(), pixel + 1.0
    left[0], right[-1] = -1e6, 1e6
    high = torch.minimum(edges[:, 1:, None], right)
    low = torch.maximum(edges[:, :-1, None], left)
    return (high - low).clamp_min(0.0) * (size / side)


def moved(image: Tensor, cells: Tensor) -> Tensor:
    """Pairs (B, 2, D, D) seen through a box moved by whole ``cells`` (B, 2) (x, y), borders repeated."""
    size = image.shape[-1]
    index = torch.arange(size, device=image.device)
    columns = (index + cells[:, :1]).clamp(0, size - 1)
    rows = (index + cells[:, 1:]).clamp(0, size - 1)
    batch = torch.arange(len(image), device=image.device)[:, None, None]
    return image.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def plain(raw: Raw, size: int) -> Tensor:
    """Prepared images (B, 2, S, S) of a batch without augmentation: the path of the robot."""
    side = float(raw.images.shape[-1])
    prepared = camera.prepare(raw.images.flatten(0, 1), camera.Crop(-0.5, -0.5, side), size)
    return prepared.reshape(-1, 2, size, size)
