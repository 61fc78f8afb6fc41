"""Small stand-in for a bag: a bright disc (target) and two bars (gripper) whose places follow the displacement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import motion

SIZE = 128
FOCAL = 0.5 * SIZE / np.tan(np.radians(29.0))
K = np.array([[FOCAL, 0.0, 63.5], [0.0, FOCAL, 63.5], [0.0, 0.0, 1.0]])


class Sample(NamedTuple):
    """The fields of ``kovis_ros.bags.Sample`` that the method reads."""

    rollout: int
    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    depth: NDArray[np.uint16]
    segmentation: NDArray[np.uint8]
    K: NDArray[np.float64]
    baseline_m: float
    direction: NDArray[np.float32]
    speed: float
    displacement: NDArray[np.float32]


def draw(
    rng: np.random.Generator, displacement: NDArray[np.float64], eye: int, tilt: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.uint8]]:
    """Image, depth and segmentation of one eye: a textured disc behind two bars."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    image = 90.0 + 60.0 * np.sin(x * rng.uniform(0.02, 0.4) + y * rng.uniform(0.02, 0.4) + rng.uniform(0, 6))
    segmentation = np.zeros((SIZE, SIZE), np.uint8)
    depth = np.full((SIZE, SIZE), 4000, np.uint16)
    distance = 0.20 + displacement[2]
    centre = FOCAL * (displacement[:2] + [0.025 - 0.05 * eye, 0.0]) / distance + 63.5 + tilt
    u, v = x - centre[0], y - centre[1]
    radius = FOCAL * 0.018 / distance
    turn = displacement[3] / motion.ROTATION_SCALE
    bar = abs(np.cos(turn) * v - np.sin(turn) * u) < 0.35 * radius
    disc = (u * u + v * v < radius**2) | (bar & (abs(u) < 1.8 * radius) & (abs(v) < 1.8 * radius))
    image[disc], segmentation[disc], depth[disc] = rng.uniform(150, 220), 1, round(1e4 * distance)
    for side in (-1, 1):
        place = FOCAL * (0.025 - 0.05 * eye + 0.03 * side) / 0.17 + 63.5 + tilt[0]
        finger = (abs(x - place) < 6) & (y > 60 + tilt[1])
        image[finger], segmentation[finger], depth[finger] = rng.uniform(20, 60), 2, 1700
    noisy = image + rng.normal(0.0, 3.0, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), depth, segmentation


def sample(rng: np.random.Generator, rollout: int = 0) -> Sample:
    """One random stereo pair with its truth."""
    direction = rng.normal(size=4)
    displacement = direction / np.linalg.norm(direction) * 0.05 * rng.random() ** 2
    tilt = rng.uniform(-6.0, 6.0, 2)
    left, right = (draw(rng, displacement, eye, tilt) for eye in (0, 1))
    unit, speed = motion.label(displacement)
    return Sample(
        rollout,
        left[0],
        right[0],
        np.stack([left[1], right[1]]),
        np.stack([left[2], right[2]]),
        K,
        0.05,
        unit.astype(np.float32),
        speed,
        displacement.astype(np.float32),
    )


def samples(count: int, seed: int = 0, steps: int = 5) -> Iterator[Sample]:
    """A stream of samples, ``steps`` to a roll-out."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        yield sample(rng, index // steps)
