"""Trials of the whole graph, as `kovis servo` stored them: one file a task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kovis_ros.report import paper
from kovis_ros.report.results import Results, read, shipped
from kovis_ros.report.tables import DOES_NOT_APPLY, MISSING, Table, all_marked, percent

STUDY = "graph"  # of `kovis servo --json results/TASK-shipped/graph.json`
HEADER = ["shipped servo", "did its task", "aligned", "median error", "median time"]


def table(results: Results, tasks: Sequence[str]) -> Table:
    """A row a task."""
    title = "The whole graph: nodes, DDS and RTDE, in real time"
    return Table(title, HEADER, [row(results, task) for task in tasks])


def row(results: Results, task: str) -> list[str]:
    """What became of the trials of one task."""
    found = read(path(results, task))
    if found is None:
        return [paper.title(task), *[MISSING] * 4]
    error = f"{1e3 * found['position_error_m']['median']:.1f} mm, {turn(found)}"
    cells = [
        f"{found['successes']} of {found['trials']}", percent(found["aligned_rate"]), error,
        f"{found['seconds']['median']:.1f} s",
    ]  # fmt: skip
    return [paper.title(task), *all_marked(cells, {"stale": stale(results, task)})]


def turn(found: dict[str, Any]) -> str:
    """Median error of rotation, where one is commanded."""
    if not found["turns"]:
        return DOES_NOT_APPLY
    return f"{math.degrees(found['rotation_error_rad']['median']):.1f} deg"


def stale(results: Results, task: str) -> str:
    """What the trials were run with that is another one now; empty for nothing, and where there are none."""
    found = read(path(results, task))
    return "" if found is None else results.stale_run(shipped(task), STUDY, found, weights=True)


def commands(results: Results, tasks: Sequence[str]) -> list[str]:
    """What was typed to run them."""
    files = [read(path(results, task)) for task in tasks]
    return [str(found["command"]) for found in files if found is not None]


def path(results: Results, task: str) -> Path:
    """File of the trials of a task."""
    return results.path(shipped(task), STUDY)
