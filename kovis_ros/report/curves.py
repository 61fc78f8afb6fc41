"""Success against what a trial is pushed by: mount error, start, offset in the hand, latency."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kovis_ros.method.metrics import wilson
from kovis_ros.report import figures, paper
from kovis_ros.report.results import Results, shipped
from kovis_ros.report.tables import DOES_NOT_APPLY, MISSING, Record, Table, left_out, marked, percent, select


class Condition(NamedTuple):
    """How a condition is shown."""

    label: str
    scale: float  # stored units to shown ones


CONDITIONS = {
    "mount_m": Condition("mount error [mm]", 1e3),
    "mount_deg": Condition("mount error [deg]", 1.0),
    "start_m": Condition("start distance [mm]", 1e3),
    "held_m": Condition("offset in the hand [mm]", 1e3),
    "latency_s": Condition("added latency [ms]", 1e3),
}


def records(results: Results, tasks: Sequence[str]) -> list[Record]:
    """A line for each task, condition and bin."""
    lines = []
    for task in tasks:
        found = results.figures(shipped(task), "curves")
        stale = results.stale(shipped(task), "curves")
        for condition, bins in found["curves"].items() if found else ():
            for part in bins:
                low, high = wilson(part["successes"], part["trials"])
                line = Record(task=task, condition=condition, low=part["low"], high=part["high"])
                line |= {name: part[name] for name in ("trials", "successes", "no_start")}
                lines.append(line | {"stale": stale, "wilson_low": low, "wilson_high": high})
    return lines


def usual(results: Results, tasks: Sequence[str]) -> str:
    """Where conditions stay that are not pushed, as the first stored draw has it; empty when there is none."""
    for task in tasks:
        data = results.read(shipped(task), "curves")
        if data and (settings := data.get("identity", {}).get("settings")):
            mount_m, mount_deg, start_m, held_m = (settings[name][0] for name in list(CONDITIONS)[:4])
            return (
                f" (mount wrong by up to {1e3 * mount_m[1]:g} mm and {mount_deg[1]:g} deg, start {1e3 * start_m[0]:g} "
                f"to {1e3 * start_m[1]:g} mm away, up to {1e3 * held_m[1]:g} mm off in the hand, no added latency)"
            )
    return ""


def tables(lines: Sequence[Record], tasks: Sequence[str]) -> list[Table]:
    """One table a condition, a column a task."""
    return [table(lines, name, tasks) for name in CONDITIONS]


def table(lines: Sequence[Record], name: str, tasks: Sequence[str]) -> Table:
    """Bins downwards, tasks across."""
    label, scale = CONDITIONS[name]
    own, rows = select(lines, condition=name), []
    for low, high in sorted({(line["low"], line["high"]) for line in own}):
        place = f"{scale * (low + high) / 2:.0f}" if name == "latency_s" else f"{scale * low:.3g} to {scale * high:.3g}"
        bins = {task: select(own, task=task, low=low, high=high) for task in tasks}
        rows.append([place, *(cell(bins[task][0]) if bins[task] else absent(lines, task, name) for task in tasks)])
    header = [label, *map(paper.title, tasks)]
    return Table(f"Success against {label}", header, rows or [["", *(absent(lines, task, name) for task in tasks)]])


def absent(lines: Sequence[Record], task: str, name: str) -> str:
    """Why a task has no bin of a condition: it was not run, or it has nothing that this condition could push."""
    measured = {line["condition"] for line in select(lines, task=task)}
    return DOES_NOT_APPLY if measured and name not in measured else MISSING


def cell(part: Record) -> str:
    """Rate, interval and trials of one bin, and those without a free start beside it."""
    lost = left_out(part["no_start"], "without a start")
    if not part["trials"]:
        return marked(f"no trial{lost}", part)
    low, high = 100.0 * part["wilson_low"], 100.0 * part["wilson_high"]
    text = f"{percent(part['successes'] / part['trials'], 1)} ({low:.1f}-{high:.1f}) of {part['trials']}"
    return marked(text + lost, part)


def draw(path: Path, lines: Sequence[Record], tasks: Sequence[str]) -> None:
    """PNG: a row a task, a column a condition; bars are Wilson's intervals."""
    shown = [name for name in CONDITIONS if select(lines, condition=name)]
    figure, axes = figures.sheet(len(tasks), len(shown), 2.6)
    for row, task in zip(axes, tasks, strict=True):
        for axis, name in zip(row, shown, strict=True):
            label, scale = CONDITIONS[name]
            bins = [line for line in select(lines, task=task, condition=name) if line["trials"]]
            places = [scale * (line["low"] + line["high"]) / 2 for line in bins]
            rates = np.array([line["successes"] / line["trials"] for line in bins])
            ends = np.array([(line["wilson_low"], line["wilson_high"]) for line in bins]).reshape(-1, 2)
            bars = np.abs(ends.T - rates)  # of all trials or none an end is the rate but for rounding
            axis.errorbar(places, rates, bars, marker="o", markersize=3, capsize=2, linewidth=1)
            axis.set(xlabel=label, ylim=(-0.03, 1.03))
            if not bins:
                axis.set_xticks([])
            title = marked(paper.title(task), bins[0]) if bins else f"{paper.title(task)}: {absent(lines, task, name)}"
            axis.set_title(title, fontsize=8)
            axis.grid(alpha=0.3)
        row[0].set_ylabel("success")
    figure.savefig(path)
