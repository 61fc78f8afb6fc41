"""A recording at a glance: samples as recorded or drawn now, their truth, and what training makes of them; PNG."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from kovis_ros.bags import Sample
from kovis_ros.method import images, packing
from kovis_ros.method.augment import Augmenter, Raw
from kovis_ros.method.config import Task

Picture = NDArray[np.uint8]  # (H, W, 3) bgr8
TILE, GAP, HEAD = 160, 4, 24  # pixels
TINTS = np.array([[0, 0, 0], [0, 140, 255], [255, 160, 0]], np.float32)  # bgr of background, target, tool
DRAWS = 2  # of the appearance, for each sample
TEXTURES = 48  # enough for a page; training draws 384
TITLES = ("left", "right", "truth, left", "truth, right", "trained on: left", "right", "left", "right")


def sheet(samples: Sequence[Sample], task: Task, seed: int = 0, drawn: Sequence[Sample] = ()) -> Picture:
    """A row for each sample: both eyes as recorded, their truth, and draws of augmentation and sensor of the task.

    Below them, under a heading that says so, likewise those that were ``drawn`` now with the settings of the task.
    What training would refuse, as a black image, has no row.
    """
    parts = [heading(TITLES), *rows(samples, task, seed)]
    if drawn:
        parts += [heading((f"drawn now, with the settings of {task.name}:",)), *rows(drawn, task, seed)]
    return np.vstack(parts)


def rows(samples: Sequence[Sample], task: Task, seed: int) -> list[Picture]:
    """A row of tiles for each sample that training would take."""
    packed = [item for sample in samples if (item := fit(sample, task)) is not None]
    draws = [augmented(packed, task, seed + i) for i in range(DRAWS)] if packed else []
    made = []
    for i, item in enumerate(packed):
        eyes = [tile(image) for image in item["images"]]
        truth = [marked(*eye) for eye in zip(item["images"], item["mask"], item["landmarks"], strict=True)]
        looks = [tile(image) for draw in draws for image in draw[i]]
        made.append(np.hstack([framed(picture) for picture in (*eyes, *truth, *looks)]))
    return made


def fit(sample: Sample, task: Task) -> dict[str, NDArray[np.generic]] | None:
    """A sample as the cache keeps it; None when it would be refused."""
    try:
        return packing.pack(sample, task.camera.field_of_view_deg, packing.stored_px(task.model))
    except images.ImageError:
        return None


def augmented(packed: Sequence[dict[str, NDArray[np.generic]]], task: Task, seed: int) -> Picture:
    """(n, 2, S, S) uint8: what the network gets of each sample in training, at the sensor's mean grey again."""
    taken = {name: torch.from_numpy(np.stack([item[name] for item in packed])) for name in packed[0]}
    raw = Raw(
        taken["images"], taken["mask"], taken["depth"].float() * 1e-4, taken["segmentation"].long(), taken["landmarks"]
    )
    augmenter = Augmenter(task.training.augment, task.sensor, task.model.image_size, seed, pool=TEXTURES)
    prepared = augmenter(raw, torch.Generator().manual_seed(seed))[0]
    return (task.sensor.grey + 48.0 * prepared).clamp(0.0, 255.0).to(torch.uint8).numpy()


def marked(image: NDArray[np.uint8], mask: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> Picture:
    """The image with target and tool tinted, and a dot on each landmark that lies in it."""
    tinted = (0.6 * image[..., None] + 0.4 * TINTS[mask]).astype(np.uint8)
    picture = cv2.resize(tinted, (TILE, TILE), interpolation=cv2.INTER_NEAREST)
    for place in images.to_pixels(landmarks[landmarks[:, 2] > 0, :2], images.Crop(-0.5, -0.5, float(TILE))):
        cv2.circle(picture, tuple(place.round().astype(int).tolist()), 2, (255, 255, 255), -1, cv2.LINE_AA)
    return np.asarray(picture, np.uint8)


def tile(image: NDArray[np.uint8]) -> Picture:
    """A grey image (S, S) at the size of the sheet."""
    enlarged = cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.cvtColor(enlarged, cv2.COLOR_GRAY2BGR), np.uint8)


def framed(picture: Picture) -> Picture:
    """A tile with a white gap on its right and below."""
    return np.asarray(cv2.copyMakeBorder(picture, 0, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255)), np.uint8)


def heading(words: Sequence[str]) -> Picture:
    """A white band as wide as a row, with words over its columns, the first ones where there are fewer."""
    head = np.full((HEAD, (TILE + GAP) * len(TITLES), 3), 255, np.uint8)
    for i, title in enumerate(words):
        place = (i * (TILE + GAP) + 4, HEAD - 8)
        cv2.putText(head, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return head
