"""Columns of Tables I and II: servos of the grid, each with the paper's beside it, and the shipped one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kovis_ros.report import success
from kovis_ros.report.results import Servo, shipped
from kovis_ros.report.tables import Record, Table, marked, select

Shown = Callable[[Sequence[Record]], str]


def servos(task: str, keypoints: int) -> list[Servo]:
    """Without Adex, with it, and the shipped one."""
    return [Servo(task, keypoints, False), Servo(task, keypoints, True), shipped(task)]


def header(name: str, lines: Sequence[Record], task: str) -> list[str]:
    """Head of a table, which tells what the shipped servo was trained with."""
    own = select(lines, servo=shipped(task).name)
    last = f"shipped servo, {'with' if own[0]['adex'] else 'without'} Adex" if own else "shipped servo"
    return [name, "without Adex", "paper", "with Adex", "paper", last]


def short(name: str, titles: Sequence[str], body: Sequence[Sequence[str]]) -> Table:
    """A table in short: a row a task with the shipped servo's numbers, and the paper's averages behind them."""
    return Table(name, ["shipped servo", *titles, "average", "paper, without Adex", "paper, with Adex"], body)


def row(
    name: str, lines: Sequence[Record], columns: Sequence[Servo], shown: Shown, printed: Mapping[bool, str]
) -> list[str]:
    """What ``shown`` makes of each servo's lines, or why it has none; ``printed``: the paper's, by use of Adex."""
    cells = [name]
    for servo in columns:
        own = select(lines, servo=servo.name)
        cells.append(marked(shown(own), own[0]) if own else success.absent(servo))
        if servo.keypoints:
            cells.append(printed.get(servo.adex, ""))
    return cells
