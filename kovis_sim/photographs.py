"""Photographs as patterns: pieces of the images that come with scikit-image, in two families that share none.

They are in the public domain, or given away under CC0, as scikit-image's own notes tell of each.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

TRAIN = ("coffee.png", "grass.png", "camera.png", "coins.png", "rocket.jpg")
TEST = ("gravel.png", "brick.png", "chelsea.png", "astronaut.png", "hubble_deep_field.jpg")
SMALLEST = 96  # pixels across a piece


def piece(rng: np.random.Generator, names: tuple[str, ...], side: int) -> NDArray[np.float32]:
    """A square piece (side, side), 0..255, of one of the photographs ``names``, anywhere in it, turned and mirrored."""
    photograph = _grey(names[rng.integers(len(names))])
    width = int(rng.integers(SMALLEST, min(photograph.shape) + 1))
    row, column = (int(rng.integers(length - width + 1)) for length in photograph.shape)
    cut = np.rot90(photograph[row : row + width, column : column + width], int(rng.integers(4)))
    cut = cut[:, ::-1] if rng.random() < 0.5 else cut
    how = cv2.INTER_AREA if width > side else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(cut), (side, side), interpolation=how).astype(np.float32)


@cache
def _grey(name: str) -> NDArray[np.uint8]:
    """A whole photograph (H, W)."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("scikit-image", name="skimage")
    image = cv2.imread(str(Path(spec.origin).parent / "data" / name), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise FileNotFoundError(f"scikit-image has no data/{name}: pip install scikit-image==0.25.2")
    return np.asarray(image, np.uint8)
