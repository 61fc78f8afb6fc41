"""Trials of the whole graph, as `kovis servo` stored them: one file a task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from kovis_ros.method.metrics import wilson
from kovis_ros.report import paper
from kovis_ros.report.results import Results, read, shipped
from kovis_ros.report.tables import DOES_NOT_APPLY, MISSING, Record, Table, all_marked, percent, select

STUDY = "graph"  # of `kovis servo --json results/TASK-shipped/graph.json`
HEADER = ["shipped servo", "did its task", "aligned", "median error", "median time"]


def table(results: Results, tasks: Sequence[str]) -> Table:
    """A row a task."""
    title = "The whole graph: nodes, DDS and RTDE, in real time"
    lines = records(results, tasks)
    return Table(title, HEADER, [row(select(lines, task=task), task) for task in tasks])


def records(results: Results, tasks: Sequence[str]) -> list[Record]:
    """A line for each task that was run; an error of rotation where a rotation is commanded."""
    lines = []
    for task in tasks:
        if found := read(path(results, task)):
            line = Record(task=task, stale=stale(results, task))
            line |= {name: found[name] for name in ("trials", "successes", "aligned_rate", "false_converged_rate")}
            low, high = wilson(found["successes"], found["trials"])
            line |= {"wilson_low": low, "wilson_high": high, "seconds_median": found["seconds"]["median"]}
            for name in ("position_error_m", *(["rotation_error_rad"] if found["turns"] else [])):
                stem, _, unit = name.rpartition("_")
                line |= {f"{stem}_{part}_{unit}": found[name][part] for part in ("median", "p90")}
            lines.append(line)
    return lines


def row(own: Sequence[Record], task: str) -> list[str]:
    """What became of the trials of one task."""
    if not own:
        return [paper.title(task), *[MISSING] * 4]
    found = own[0]
    turn_rad = found.get("rotation_error_median_rad")
    turn = DOES_NOT_APPLY if turn_rad is None else f"{math.degrees(turn_rad):.1f} deg"
    cells = [
        f"{found['successes']} of {found['trials']}", percent(found["aligned_rate"]),
        f"{1e3 * found['position_error_median_m']:.1f} mm, {turn}", f"{found['seconds_median']:.1f} s",
    ]  # fmt: skip
    return [paper.title(task), *all_marked(cells, found)]


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
