"""A pool of procedural grey textures for training: noise, gradients, stripes, checks and patches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> Float:
    """(size, size) in [0, 1]: random values on a grid of ``cells``, blended smoothly between."""
    grid = rng.random((cells + 1, cells + 1))
    place = np.linspace(0.0, cells, size, endpoint=False)
    index = place.astype(int)
    blend = place - index
    blend = blend * blend * (3.0 - 2.0 * blend)
    rows = grid[index] * (1.0 - blend)[:, None] + grid[index + 1] * blend[:, None]
    return np.asarray(rows[:, index] * (1.0 - blend) + rows[:, index + 1] * blend)


def fractal(rng: np.random.Generator, size: int) -> Float:
    """Octaves of smooth noise, from a few blobs to single pixels."""
    decay = rng.uniform(0.4, 0.9)
    octaves = range(int(rng.integers(1, 3)), int(rng.integers(5, 8)))
    return np.asarray(sum(decay**i * smooth_noise(rng, size, 2**i) for i in octaves))


def stripes(rng: np.random.Generator, size: int) -> Float:
    """Parallel waves, sinus or hard-edged, bent by a little noise."""
    y, x = np.mgrid[:size, :size] / size
    angle, count = rng.uniform(0.0, np.pi), rng.uniform(2.0, 30.0)
    phase = np.cos(angle) * x + np.sin(angle) * y + rng.uniform(0.0, 0.1) * smooth_noise(rng, size, 4)
    wave = np.sin(2.0 * np.pi * count * phase)
    return np.asarray(np.sign(wave) if rng.random() < 0.5 else wave)


def checks(rng: np.random.Generator, size: int) -> Float:
    """A turned chessboard."""
    y, x = np.mgrid[:size, :size] / size
    angle, count = rng.uniform(0.0, np.pi), rng.uniform(2.0, 15.0)
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    return np.asarray((np.floor(count * u) + np.floor(count * v)) % 2)


def gradient(rng: np.random.Generator, size: int) -> Float:
    """Grey that rises along one direction."""
    y, x = np.mgrid[:size, :size] / size
    angle = rng.uniform(0.0, 2.0 * np.pi)
    return np.asarray(np.cos(angle) * x + np.sin(angle) * y)


def patches(rng: np.random.Generator, size: int) -> Float:
    """Rectangles and ellipses of any size, one over the other."""
    image = gradient(rng, size) * rng.uniform(0.0, 1.0)
    y, x = np.mgrid[:size, :size]
    for _ in range(int(rng.integers(5, 60))):
        cx, cy = rng.uniform(0.0, size, 2)
        a, b = rng.uniform(2.0, size / 4, 2)
        angle = rng.uniform(0.0, np.pi)
        u = (np.cos(angle) * (x - cx) + np.sin(angle) * (y - cy)) / a
        v = (np.cos(angle) * (y - cy) - np.sin(angle) * (x - cx)) / b
        inside = np.maximum(abs(u), abs(v)) < 1.0 if rng.random() < 0.6 else u * u + v * v < 1.0
        image[inside] = rng.random() + rng.uniform(0.0, 0.3) * u[inside]
    return image


KINDS = (fractal, fractal, stripes, checks, gradient, patches, patches)


def pool(rng: np.random.Generator, count: int, size: int) -> NDArray[np.uint8]:
    """(count, size, size) uint8: textures over the whole range of grey, half of them a blend of two kinds."""
    result = np.empty((count, size, size), np.uint8)
    for i in range(count):
        image = KINDS[rng.integers(len(KINDS))](rng, size)
        if rng.random() < 0.5:
            image = stretch(image) + rng.uniform(0.1, 1.0) * stretch(KINDS[rng.integers(len(KINDS))](rng, size))
        result[i] = 255.0 * stretch(image)
    return result


def stretch(image: Float) -> Float:
    """The same picture over [0, 1]."""
    low, high = image.min(), image.max()
    return np.asarray((image - low) / max(high - low, 1e-9))
