"""Figures 7 and 8 of the paper, drawn from stored results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method.plain_arrays import unpacked
from kovis_ros.report import paper
from kovis_ros.report.results import Results, shipped
from kovis_ros.report.tables import MISSING, Record, Table, all_marked, left_out, marked

AXES = ("x", "y", "z", "rx", "ry", "rz")
VIEWS = 4  # pictures of a task in each of its two rows


def sheet(rows: int, columns: int, size: float) -> tuple[Any, Any]:
    """A figure and its axes (rows, columns), ``size`` inches each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size * columns, size * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def figure_7(path: Path, results: Results, tasks: Sequence[str]) -> None:
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
    for axis, title in zip(row[1:], ("keypoints", "depth", "segmentation"), strict=True):
        axis.set_title(title, fontsize=8)


def overlay(axis: Any, view: dict[str, Any]) -> None:
    """The image with a ring at each keypoint, fainter where its confidence is low."""
    image, points = unpacked(view["image"]), np.asarray(view["keypoints"])
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    place = (points[:, :2] + 1.0) * 0.5 * image.shape[-1] - 0.5
    axis.scatter(
        place[:, 0], place[:, 1], c=np.linspace(0.0, 1.0, len(points)), cmap="hsv", s=24, edgecolors="white",
        linewidths=0.5, alpha=np.clip(points[:, 2], 0.05, 1.0),
    )  # fmt: skip


def figure_8(path: Path, results: Results, tasks: Sequence[str]) -> None:
    """PNG: for each task the error on each commanded axis against normalised time, a line a trial."""
    stored = {task: results.figures(shipped(task), "trajectories") for task in tasks}
    columns = max((len(found["axes"]) for found in stored.values() if found), default=4)
    figure, axes = sheet(len(tasks), columns, 2.4)
    for row, (task, found) in zip(axes, stored.items(), strict=True):
        row[0].set_title(title(results, task, "trajectories"), fontsize=8)
        for axis in row[len(found["axes"]) if found else 0 :]:
            axis.set_axis_off()
        if found:
            trajectories(row, found)
    figure.savefig(path)


def trajectories(row: Sequence[Any], found: dict[str, Any]) -> None:
    """One plot an axis: 0 is the start, 1 the end of a trial."""
    for column, name in enumerate(found["axes"]):
        for trial in found["trajectories"]:
            errors, style = shown(trial, found["axes"])[:, column], "-" if trial["converged"] else ":"
            row[column].plot(np.linspace(0.0, 1.0, len(errors)), errors, style, linewidth=1.0, alpha=0.8)
        row[column].axhline(0.0, color="black", linewidth=0.6)
        row[column].set(xlabel="normalised time", ylabel=f"{name} [{unit(name)}]")
        row[column].grid(alpha=0.3)


def shown(trial: dict[str, Any], axes: Sequence[str]) -> NDArray[np.float64]:
    """(steps, axes) errors of a trial in the units of the plot."""
    scale = [np.degrees(1.0) if unit(name) == "deg" else 1e3 for name in axes]
    return np.asarray(trial["errors"], np.float64) * np.asarray(scale, np.float64)


def unit(axis: str) -> str:
    """Of an error on an axis."""
    return "deg" if AXES.index(axis) >= 3 else "mm"


def records(results: Results, tasks: Sequence[str]) -> list[Record]:
    """A line for each step of each trial of Figure 8, as it is plotted."""
    lines = []
    for task in tasks:
        found = results.figures(shipped(task), "trajectories")
        if found is None:
            continue
        names, stale = [f"{name}_{unit(name)}" for name in found["axes"]], results.stale(shipped(task), "trajectories")
        for number, trial in enumerate(found["trajectories"]):
            known = Record(task=task, trial=number, converged=trial["converged"], time_s=trial["time_s"], stale=stale)
            errors = shown(trial, found["axes"])
            for share, step in zip(np.linspace(0.0, 1.0, len(errors)), errors.tolist(), strict=True):
                lines.append(known | {"normalised_time": float(share)} | dict(zip(names, step, strict=True)))
    return lines


def times(results: Results, tasks: Sequence[str]) -> Table:
    """How long the trajectories that converged took, beside the paper's."""
    rows = [[paper.title(task), *took(results, task), f"about {paper.TRAJECTORY_S:.0f} s"] for task in tasks]
    return Table("Time of a trajectory", ["task", "median", "converged", "paper"], rows)


def took(results: Results, task: str) -> list[str]:
    """Median time of a task, and how many trajectories it is of."""
    found = results.figures(shipped(task), "trajectories")
    if found is None:
        return [MISSING, MISSING]
    known = {"stale": results.stale(shipped(task), "trajectories")}
    seconds = [trial["time_s"] for trial in found["trajectories"] if trial["converged"]]
    median = f"{np.median(seconds):.1f} s" if seconds else "none"
    counts = f"{len(seconds)} of {len(found['trajectories'])}{left_out(found['left_out'], 'left out')}"
    return all_marked([median, counts], known)


def title(results: Results, task: str, study: str) -> str:
    """Name of a task over what was found, or that nothing was."""
    if results.figures(shipped(task), study) is None:
        return f"{paper.title(task)}: {MISSING}"
    return marked(paper.title(task), {"stale": results.stale(shipped(task), study)})
