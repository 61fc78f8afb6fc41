"""From a camera image to the network's input: one path for training and robot.

Convention:
    Pixel (0, 0) is the *centre* of the top-left pixel, so an image W pixels wide spans -0.5 .. W - 0.5.
    A crop is a square box in these coordinates; its content is area-averaged to the network's size.
    Network coordinates are (x, y) in [-1, 1] across the crop, x right, y down.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.nn import functional as F

Float = NDArray[np.float32]
NEAR_PX = 4  # of ``local_contrast``: it looks at 9x9 pixels of the network's image
LEAST_STRUCTURE = 2.5  # of ``structure``: noise has 0.9 to 1.5, 900 images of the simulated cell had 5.4 to 100
FAINT = 0.08  # contrast, in deviations of the image, below which it is taken for noise


class ImageError(ValueError):
    """An image or its intrinsics cannot be used; the message names the thing, the value and the remedy."""


class Crop(NamedTuple):
    """Square box in pixels; (x, y) is its top-left outer corner."""

    x: float
    y: float
    side: float


class StereoKeypoints(NamedTuple):
    """Keypoints of a stereo pair in pixels of the camera images."""

    left: Float  # (K, 3): x px, y px, confidence 0..1
    right: Float  # (K, 3)
    image_size: tuple[int, int]  # (H, W) of the camera image
    crop: Crop  # box that the network saw, the same in both images


def check(image: ArrayLike, name: str) -> NDArray[np.uint8]:
    """The (H, W) uint8 image itself; ImageError when shape or type is wrong, or when it is black all over."""
    array = np.asarray(image)
    if array.ndim != 2 or array.dtype != np.uint8:
        raise ImageError(f"{name} image is {array.dtype} {array.shape}: give one grey channel, (H, W) uint8 (mono8)")
    if min(array.shape) < 16:
        raise ImageError(f"{name} image is only {array.shape[1]}x{array.shape[0]}: at least 16x16 is needed")
    if int(array.max()) < 8:
        raise ImageError(f"{name} image is black (maximum {int(array.max())}): check lens cap, exposure and light")
    return array


def structure(image: NDArray[np.uint8]) -> float:
    """How much more than noise an image (H, W) shows: 1 for white noise, also on a glow that a covered lens lets in.

    Bends of the means over blocks, which a smooth glow lacks, against steps from pixel to pixel: for noise of variance
    s and blocks of b x b pixels E[(m1 - 2 m2 + m3)^2] = 6 s / b^2 and E[(p1 - p2)^2] = 2 s.
    """
    b = max(4, min(image.shape) // 60)
    height, width = (length // b * b for length in image.shape)
    grey = image.astype(np.float32)
    means = grey[:height, :width].reshape(height // b, b, width // b, b).mean((1, 3))
    bends, steps = (
        sum(float(np.square(np.diff(values, order, axis=axis)).mean()) for axis in (0, 1))
        for values, order in ((means, 2), (grey, 1))
    )
    return b * b * (bends / 6.0) / max(steps / 2.0, 1e-6)


def intrinsics(field_of_view_deg: float, size: int) -> NDArray[np.float64]:
    """K (3, 3) of a square image; the principal point is the image's centre."""
    focal = 0.5 * size / np.tan(np.radians(field_of_view_deg) / 2.0)
    centre = (size - 1) / 2.0
    return np.array([[focal, 0.0, centre], [0.0, focal, centre], [0.0, 0.0, 1.0]])


def field_of_view(K: ArrayLike, side: float) -> float:
    """Degrees seen across ``side`` pixels at the focal length of intrinsics K (3, 3)."""
    return float(np.degrees(2.0 * np.arctan(0.5 * side / np.asarray(K, float)[0, 0])))


def crop_for(K: ArrayLike, size: tuple[int, int], limits_deg: tuple[float, float]) -> Crop:
    """The largest square about the principal point whose field of view lies in the trained ``limits_deg``.

    K (3, 3) intrinsics in pixels, size (H, W). ImageError when the image is narrower than trained or K is no camera.
    """
    k = np.asarray(K, float)
    if k.shape != (3, 3) or not np.all(np.isfinite(k)) or k[0, 0] <= 0.0 or k[1, 1] <= 0.0:
        raise ImageError(f"intrinsics K = {k.tolist()} are no camera: check camera_info")
    cx, cy, (height, width) = k[0, 2], k[1, 2], size
    room = 2.0 * min(cx + 0.5, cy + 0.5, width - 0.5 - cx, height - 0.5 - cy)
    widest = 2.0 * k[0, 0] * np.tan(np.radians(limits_deg[1]) / 2.0)
    side = min(room, widest)
    seen = field_of_view(k, side)
    if seen < limits_deg[0] - 0.05:
        raise ImageError(
            f"field of view {seen:.1f} deg of the largest centred square is below the trained "
            f"{limits_deg[0]:.0f}-{limits_deg[1]:.0f} deg: choose another camera mode"
        )
    return Crop(float(cx - side / 2.0), float(cy - side / 2.0), float(side))


def area_weights(size: int, start: float, side: float, count: int) -> Float:
    """(count, size) matrix that averages ``size`` pixels over ``count`` equal bins from ``start`` to ``start + side``.

    Pixels outside the image count as the nearest one inside, so each row sums to 1.
    """
    edges = start + 0.5 + side * np.arange(count + 1) / count
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(size)[None, :]
    left = np.where(pixel == 0, -np.inf, pixel)
    right = np.where(pixel == size - 1, np.inf, pixel + 1)
    overlap = np.clip(np.minimum(high, right) - np.maximum(low, left), 0.0, None)
    return np.asarray(overlap / overlap.sum(1, keepdims=True), np.float32)


def resample(images: torch.Tensor, crop: Crop, size: int) -> torch.Tensor:
    """Area-average a crop of images (..., H, W) to (..., size, size) float32, values unchanged in scale."""
    height, rows = _used(images.shape[-2], crop.y, crop.side, size)
    width, columns = _used(images.shape[-1], crop.x, crop.side, size)
    return rows.to(images.device) @ images[..., height, width].float() @ columns.T.to(images.device)


@lru_cache(maxsize=16)
def _used(size: int, start: float, side: float, count: int) -> tuple[slice, torch.Tensor]:
    """Pixels that ``area_weights`` uses, and their weights (count, pixels): the same for every image of a camera."""
    weights = area_weights(size, start, side, count)
    used = np.flatnonzero(weights.any(0))
    pixels = slice(int(used[0]), int(used[-1]) + 1)
    return pixels, torch.from_numpy(np.ascontiguousarray(weights[:, pixels]))


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Zero mean and unit deviation of each image (..., S, S): exposure and gain of the camera drop out."""
    mean = images.mean((-2, -1), keepdim=True)
    deviation = images.std((-2, -1), keepdim=True)
    return (images - mean) / deviation.clamp_min(2.0)


def local_contrast(images: torch.Tensor) -> torch.Tensor:
    """Each pixel of normalised images (B, 1, S, S) against its surroundings: light and paint drop out, edges stay.

    (x - mean) / sqrt(variance + ``FAINT``^2), local contrast normalisation (Jarrett et al., ICCV 2009) over a box.
    """
    off = images - box_mean(images)
    return off * torch.rsqrt(box_mean(off.square()) + FAINT**2)


def box_mean(images: torch.Tensor) -> torch.Tensor:
    """Mean over the ``NEAR_PX`` neighbours on each side of every pixel (B, 1, S, S), borders repeated."""
    width = 2 * NEAR_PX + 1
    total = F.pad(images.float(), (NEAR_PX,) * 4, mode="replicate").cumsum(-1).cumsum(-2)
    total = F.pad(total, (1, 0, 1, 0))
    rows = total[..., width:, :] - total[..., :-width, :]
    return (rows[..., width:] - rows[..., :-width]) / width**2


def prepare(images: torch.Tensor, crop: Crop, size: int) -> torch.Tensor:
    """Camera images (B, H, W), 0..255, to network input (B, 1, size, size): the path of training and robot."""
    return normalise(resample(images, crop, size)).unsqueeze(-3)


def to_pixels(points: ArrayLike, crop: Crop) -> Float:
    """Network coordinates (..., 2) in [-1, 1] to pixels of the camera image."""
    p = np.asarray(points, np.float64)
    origin = np.array([crop.x, crop.y])
    return np.asarray(origin + (p + 1.0) * 0.5 * crop.side, np.float32)


def to_network(pixels: ArrayLike, crop: Crop) -> Float:
    """Pixels (..., 2) of the camera image to network coordinates: the inverse of ``to_pixels``."""
    p = np.asarray(pixels, np.float64) - np.array([crop.x, crop.y])
    return np.asarray(p * 2.0 / crop.side - 1.0, np.float32)
