"""Figure 8 of the paper, drawn from stored results: the error of a trial against normalised time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kovis_ros.report import paper
from kovis_ros.report.figures import sheet, title
from kovis_ros.report.results import Results, shipped
from kovis_ros.report.tables import MISSING, Record, Table, all_marked, left_out

AXES = ("x", "y", "z", "rx", "ry", "rz")


def draw(path: Path, results: Results, tasks: Sequence[str]) -> None:
    """PNG: for each task the error on each commanded axis against normalised time, a line a trial."""
    stored = {task: results.figures(shipped(task), "trajectories") for task in tasks}
    columns = max((len(found["axes"]) for found in stored.values() if found), default=4)
    figure, axes = sheet(len(tasks), columns, 2.4)
    for row, (task, found) in zip(axes, stored.items(), strict=True):
        row[0].set_title(title(results, task, "trajectories"), fontsize=8)
        for axis in row[len(found["axes"]) if found else 0 :]:
            axis.set_axis_off()
        if found:
            plot(row, found)
    figure.savefig(path)


def plot(row: Sequence[Any], found: dict[str, Any]) -> None:
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
