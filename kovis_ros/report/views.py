"""Figure 7 of the paper, drawn from stored results: image, keypoints, predicted depth and segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method.plain_arrays import unpacked
from kovis_ros.report.figures import sheet, title
from kovis_ros.report.results import Results, shipped
from kovis_ros.report.tables import Record

VIEWS = 4  # pictures of a task in each of its two rows


def draw(path: Path, results: Results, tasks: Sequence[str]) -> None:
    """PNG: for each task image, keypoints, depth and segmentation of one view; below it overlays of others."""
    figure, axes = sheet(2 * len(tasks), VIEWS, 1.9)
    for axis in axes.flat:
        axis.set_axis_off()
    for number, task in enumerate(tasks):
        top, bottom = axes[2 * number], axes[2 * number + 1]
        top[0].set_title(title(results, task, "views"), fontsize=8)
        found = results.figures(shipped(task), "views")
        if found is None:
            continue
        first, *others = found["views"]
        networks(top, first)
        for axis, view in zip(bottom, others, strict=False):
            overlay(axis, view)
    figure.savefig(path)


def networks(row: Sequence[Any], view: dict[str, Any]) -> None:
    """Image, keypoint maps, depth and segmentation of one view."""
    classes = unpacked(view["segmentation"])
    depth = unpacked(view["depth"]) * 1e-4
    row[0].imshow(unpacked(view["image"]), cmap="gray", vmin=0, vmax=255)
    row[1].imshow(unpacked(view["maps"]), vmin=0, vmax=1)
    row[2].imshow(np.where(classes > 0, depth, np.nan))
    row[3].imshow(classes, vmin=0, vmax=2)
    for axis, name in zip(row[1:], ("keypoints", "depth", "segmentation"), strict=True):
        axis.set_title(name, fontsize=8)


def overlay(axis: Any, view: dict[str, Any]) -> None:
    """The image with a ring at each keypoint, fainter where its confidence is low."""
    image, points = unpacked(view["image"]), np.asarray(view["keypoints"])
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    place = pixels(points, image)
    axis.scatter(
        place[:, 0], place[:, 1], c=np.arange(len(points)) / len(points), cmap="hsv", vmin=0.0, vmax=1.0, s=24,
        edgecolors="white", linewidths=0.5, alpha=np.clip(points[:, 2], 0.05, 1.0),
    )  # fmt: skip


def pixels(points: NDArray[np.float64], image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Network coordinates of keypoints (K, 3) to x, y (K, 2) in pixels of their image (S, S)."""
    return np.asarray((points[:, :2] + 1.0) * 0.5 * image.shape[-1] - 0.5, np.float64)


def records(results: Results, tasks: Sequence[str]) -> list[Record]:
    """A line for each keypoint of each view, in pixels of its image."""
    lines = []
    for task in tasks:
        found, stale = results.figures(shipped(task), "views"), results.stale(shipped(task), "views")
        for number, view in enumerate(found["views"] if found else ()):
            points = np.asarray(view["keypoints"])
            image = unpacked(view["image"])
            for keypoint, (x, y) in enumerate(pixels(points, image).round(2).tolist()):
                line = Record(task=task, view=number, image_px=len(image), keypoint=keypoint, x_px=x, y_px=y)
                lines.append(line | {"confidence": float(points[keypoint, 2]), "stale": stale})
    return lines
