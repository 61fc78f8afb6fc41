"""Pictures of a training run: loss curves, and what the decoder and the keypointer make of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kovis_ros.method import images
from kovis_ros.method.losses import Batch
from kovis_ros.method.networks import Network

COLUMNS = 4  # of the loss curves


def _figure(rows: int, columns: int, size: float = 1.8) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size * columns, size * rows), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def curves(path: Path, history: list[dict[str, float]]) -> None:
    """PNG of every loss term over the epochs, training and validation."""
    names = terms(history)
    figure, axes = _figure(-(-len(names) // COLUMNS), COLUMNS, 3.0)
    epochs = [row["epoch"] for row in history]
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    for name, axis in zip(names, axes.flat, strict=False):
        for kind in ("train", "validation"):
            axis.plot(epochs, [row.get(f"{kind}_{name}", np.nan) for row in history], marker=".", label=kind)
        axis.set_title(name)
        axis.grid(alpha=0.3)
    axes[0, 0].legend()
    figure.savefig(path)


def terms(history: list[dict[str, float]]) -> list[str]:
    """Names of what the rows have of both splits: the total and every loss term."""
    found = dict.fromkeys(name for row in history for name in row)
    trained = [name.removeprefix("train_") for name in found if name.startswith("train_")]
    return [name for name in trained if f"validation_{name}" in found]


@torch.no_grad()
def gallery(path: Path, network: Network, batch: Batch, count: int = 4) -> None:
    """PNG with a row for each left image: input with keypoints, depth and segmentation, predicted and true."""
    output = network(batch.images[:count])
    depth = network.depth_metres(output.reconstruction.depth)[::2].cpu().numpy()
    classes = output.reconstruction.segmentation.argmax(1)[::2].cpu().numpy()
    points = output.keypoints[:, 0].cpu().numpy()
    figure, axes = _figure(len(points), 5)
    for row, axis in enumerate(axes):
        truth = batch.segmentation[row, 0].cpu().numpy()
        seen = truth > 0
        real = batch.depth[row, 0].cpu().numpy()
        limits = {"vmin": real[seen].min(initial=1.0), "vmax": real[seen].max(initial=0.0)}
        _overlay(axis[0], batch.images[row, 0].cpu().numpy(), points[row])
        axis[1].imshow(np.where(classes[row] > 0, depth[row], np.nan), **limits)
        axis[2].imshow(np.where(seen, real, np.nan), **limits)
        axis[3].imshow(classes[row], vmin=0, vmax=2)
        axis[4].imshow(truth, vmin=0, vmax=2)
    titles = ("keypoints", "depth", "true depth", "segmentation", "true segmentation")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=8)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.savefig(path)


def _overlay(axis: Any, image: NDArray[np.float32], points: NDArray[np.float32]) -> None:
    """The image with a coloured ring at each keypoint, fainter where its confidence is low."""
    axis.imshow(image, cmap="gray")
    pixels = images.to_pixels(points[:, :2], images.Crop(-0.5, -0.5, float(image.shape[-1])))
    colours = np.arange(len(points)) / len(points)  # the wheel's end is its beginning
    axis.scatter(
        pixels[:, 0],
        pixels[:, 1],
        c=colours,
        cmap="hsv",
        vmin=0.0,
        vmax=1.0,
        s=24,
        edgecolors="white",
        linewidths=0.5,
        alpha=np.clip(points[:, 2], 0.05, 1.0),
    )
