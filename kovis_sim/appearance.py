"""What the scene looks like: backgrounds, textures, materials and light, drawn at random.

Two families that share no pattern and no elevation of the light: ``train`` for roll-outs, ``test`` for evaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from kovis_ros.method.config import AppearanceConfig
from kovis_sim import photographs
from kovis_sim.world import Light

Split = Literal["train", "test"]
Image = NDArray[np.float32]
PATTERNS = 1024  # of each family
SIDE = 256  # pixels of a pattern
OTHER_LIGHT_DEG = 10.0  # test lights stand by up to this much lower or higher than any of training


class Surface(NamedTuple):
    """Paint of one body."""

    grey: float
    specular: float
    texture: int  # number of a ``skin``, -1 for plain


class Look(NamedTuple):
    """One draw of the appearance of the whole scene."""

    light: Light
    target: Surface
    gripper: Surface
    held: Surface | None  # None: an empty hand
    distractors: tuple[Surface, ...]
    background: NDArray[np.float32] | None  # (256, 256) albedo 0..1 of the table, None for plain
    table_to_texture: NDArray[np.float64]  # (2, 3) affine: table x, y in metres -> texture pixels
    table_grey: float


def draw(config: AppearanceConfig, rng: np.random.Generator, split: Split, holding: bool = False) -> Look:
    """A random look; ``test`` lights stand lower or higher, and patterns are of kinds that training lacks.

    ``holding``: with paint for a held object, drawn last: an empty hand's look does not depend on it.
    """
    textured = rng.random(2 + config.distractors) < config.texture_probability
    surfaces = [_surface(rng, bool(flag)) for flag in textured]
    background = None
    if rng.random() < config.background_probability:
        image = pattern(split, int(rng.integers(PATTERNS))).astype(np.float32) / 255.0
        low, high = np.sort(rng.uniform(0.0, 1.0, 2))
        background = low + (high - low) * (image if rng.random() < 0.5 else 1.0 - image)
    scale = SIDE / np.exp(rng.uniform(np.log(0.25), np.log(1.2)))
    turn = rng.uniform(-np.pi, np.pi)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    affine = np.column_stack([matrix, rng.uniform(0, SIDE, 2) - matrix @ np.array([0.5, 0.0])])
    light, table_grey = _light(config, rng, split), float(rng.uniform(0.1, 1.0))
    held = _surface(rng, bool(rng.random() < config.texture_probability)) if holding else None
    return Look(light, surfaces[0], surfaces[1], held, tuple(surfaces[2:]), background, affine, table_grey)


def _surface(rng: np.random.Generator, textured: bool) -> Surface:
    return Surface(
        float(rng.uniform(0.15, 1.0)), float(rng.uniform(0.0, 0.6)), int(rng.integers(PATTERNS)) if textured else -1
    )


def _elevation_deg(config: AppearanceConfig, rng: np.random.Generator, split: Split) -> float:
    low, high = config.light_elevation_deg
    if split == "train":
        return float(rng.uniform(low, high))
    beyond = float(rng.uniform(-OTHER_LIGHT_DEG, OTHER_LIGHT_DEG))
    return (low if beyond < 0.0 else high) + beyond


def _light(config: AppearanceConfig, rng: np.random.Generator, split: Split) -> Light:
    azimuth, e = rng.uniform(-np.pi, np.pi), np.radians(_elevation_deg(config, rng, split))
    direction = (float(np.cos(e) * np.cos(azimuth)), float(np.cos(e) * np.sin(azimuth)), float(np.sin(e)))
    shadow = bool(rng.random() < config.shadow_probability)
    return Light(
        direction,
        float(rng.uniform(*config.ambient)),
        float(rng.uniform(*config.diffuse)),
        float(rng.uniform(*config.specular)),
        shadow,
    )


@lru_cache(maxsize=PATTERNS)
def pattern(split: Split, number: int) -> NDArray[np.uint8]:
    """Grey pattern (256, 256) of a family, by its number; the same on every machine."""
    families = TRAIN if split == "train" else TEST
    rng = np.random.default_rng([20_240 if split == "train" else 77_777, number])
    return np.uint8(255.0 * _stretch(families[number % len(families)](rng)))


def skin(split: Split, number: int) -> NDArray[np.uint8]:
    """Texture (128, 128) of a body: the pattern of that number, faded to a random contrast."""
    small = cv2.resize(pattern(split, number), (128, 128), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.uint8(255 - np.random.default_rng([5, number]).uniform(0.15, 0.9) * (255 - small))


def _stretch(image: Image) -> Image:
    low, high = float(image.min()), float(image.max())
    return (image - low) / max(high - low, 1e-6)


def octaves(rng: np.random.Generator) -> Image:
    """Smooth noise summed over octaves with a random slope."""
    slope, result = rng.uniform(0.4, 1.0), np.zeros((SIDE, SIDE), np.float32)
    for level in range(1, 8):
        grid = rng.random((2**level + 1, 2**level + 1), np.float32)
        result += slope**level * cv2.resize(grid, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return result


def stripes(rng: np.random.Generator) -> Image:
    """Waves in one or two directions, soft or hard."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    result = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(rng.integers(1, 3)):
        a, f = rng.uniform(0, np.pi), rng.uniform(3, 24)
        result += np.sin(2 * np.pi * f * (x * np.cos(a) + y * np.sin(a)) + rng.uniform(0, 6)).astype(np.float32)
    return np.sign(result) if rng.random() < 0.4 else result


def clutter(rng: np.random.Generator) -> Image:
    """Overlapping rectangles, ellipses and lines."""
    image = np.full((SIDE, SIDE), rng.random(), np.float32)
    for _ in range(rng.integers(10, 60)):
        a, b = rng.integers(0, SIDE, 2), rng.integers(4, 80, 2)
        shade, thickness = float(rng.random()), -1 if rng.random() < 0.7 else int(rng.integers(1, 6))
        kind = rng.integers(3)
        if kind == 0:
            cv2.rectangle(image, tuple(map(int, a)), tuple(map(int, a + b)), shade, thickness)
        elif kind == 1:
            cv2.ellipse(
                image, tuple(map(int, a)), tuple(map(int, b)), float(rng.uniform(0, 180)), 0, 360, shade, thickness
            )
        else:
            cv2.line(
                image, tuple(map(int, a)), tuple(map(int, rng.integers(0, SIDE, 2))), shade, int(rng.integers(1, 10))
            )
    return cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 2.0)))


def grains(rng: np.random.Generator) -> Image:
    """Fine noise of a random grain over a gradient."""
    noise = cv2.GaussianBlur(rng.random((SIDE, SIDE), np.float32), (0, 0), float(rng.uniform(0.5, 3.0)))
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    return _stretch(noise) + float(rng.normal()) * x + float(rng.normal()) * y


def checker(rng: np.random.Generator) -> Image:
    """Tiles of random shades with joints."""
    n = int(rng.integers(3, 20))
    tiles = cv2.resize(rng.random((n, n), np.float32), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    period = SIDE // n
    tiles[::period] = tiles[:, ::period] = rng.random()
    return tiles


def wood(rng: np.random.Generator) -> Image:
    """Rings of a cut trunk, bent by smooth noise."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    bend = _stretch(octaves(rng)) * rng.uniform(0.1, 0.6)
    radius = np.hypot(x * rng.uniform(0.1, 0.4) + bend, y - rng.uniform(-1, 2))
    return np.abs(np.sin(np.pi * rng.uniform(5, 25) * radius)).astype(np.float32) + 0.2 * rng.random(
        (SIDE, SIDE), np.float32
    )


def cells(rng: np.random.Generator) -> Image:
    """Voronoi cells: stones, leather, terrazzo."""
    n = int(rng.integers(20, 200))
    seeds = rng.uniform(0, SIDE, (n, 2)).astype(np.float32)
    y, x = np.mgrid[:SIDE:2, :SIDE:2].astype(np.float32)
    gap = (x[..., None] - seeds[:, 0]) ** 2 + (y[..., None] - seeds[:, 1]) ** 2
    shade = rng.random(n).astype(np.float32)[gap.argmin(-1)]
    two = np.sqrt(np.partition(gap, 1, axis=-1)[..., :2])
    return cv2.resize(shade * np.clip((two[..., 1] - two[..., 0]) / 3.0, 0, 1), (SIDE, SIDE))


def writing(rng: np.random.Generator) -> Image:
    """Lines of text in random sizes."""
    image = np.full((SIDE, SIDE), rng.integers(120, 256), np.uint8)
    for _ in range(rng.integers(4, 16)):
        word = "".join(chr(rng.integers(48, 123)) for _ in range(rng.integers(4, 18)))
        at = tuple(map(int, rng.integers(-20, SIDE, 2)))
        size, shade, width = float(rng.uniform(0.4, 2.5)), int(rng.integers(0, 128)), int(rng.integers(1, 4))
        cv2.putText(image, word, at, cv2.FONT_HERSHEY_SIMPLEX, size, shade, width)
    return image.astype(np.float32)


def known_photograph(rng: np.random.Generator) -> Image:
    """A piece of a photograph for training."""
    return photographs.piece(rng, photographs.TRAIN, SIDE)


def other_photograph(rng: np.random.Generator) -> Image:
    """A piece of a photograph that training lacks."""
    return photographs.piece(rng, photographs.TEST, SIDE)


TRAIN: tuple[Callable[[np.random.Generator], Image], ...] = (
    octaves, stripes, clutter, grains, checker, known_photograph,
)  # fmt: skip
TEST: tuple[Callable[[np.random.Generator], Image], ...] = (wood, cells, writing, other_photograph)
