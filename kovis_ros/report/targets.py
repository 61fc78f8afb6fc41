"""What the shipped servos should reach, and whether they do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kovis_ros.report import paper
from kovis_ros.report.results import shipped
from kovis_ros.report.success import STUDIES, turns
from kovis_ros.report.tables import DOES_NOT_APPLY, MISSING, Record, Table, marked, percent, select

TRIALS, SUCCESS, WILSON_LOW, FALSE_CONVERGED = 400, 0.97, 0.95, 0.01
POSITION_MM, ROTATION_DEG = (1.0, 1.5), (0.7, 1.0)  # what is aimed at, and what must be


class Found(NamedTuple):
    """A figure as it is shown, and what it would mean of enough trials."""

    text: str
    verdict: str


Judge = Callable[[Record], Found | None]


def table(lines: Sequence[Record], tasks: Sequence[str]) -> Table:
    """A row a target, a column a task; ``lines`` are those of Table III."""
    rows = [[name, *(cell(lines, task, judge) for task in tasks)] for name, judge in TARGETS.items()]
    return Table("Targets of the shipped servos", ["target", *map(paper.title, tasks)], rows)


def records(lines: Sequence[Record], tasks: Sequence[str]) -> list[Record]:
    """A line for each task that was run and target; ``lines`` are those of Table III."""
    own = [line for task in tasks for line in select(lines, servo=shipped(task).name, seen=STUDIES["success"])]
    return [
        Record(task=line["task"], target=name, found=found.text, verdict=verdict(found, line), stale=line["stale"])
        for line in own
        for name, judge in TARGETS.items()
        if (found := judge(line))
    ]


def cell(lines: Sequence[Record], task: str, judge: Judge) -> str:
    """What was found and whether it is enough, which takes enough trials."""
    own = select(lines, servo=shipped(task).name, seen=STUDIES["success"])
    return marked(judged(own[0], judge), own[0]) if own else MISSING


def judged(line: Record, judge: Judge) -> str:
    """What was found and a verdict."""
    found = judge(line)
    if found is None:
        return DOES_NOT_APPLY
    return f"{found.text}: {verdict(found, line)}"


def verdict(found: Found, line: Record) -> str:
    """Is it enough, which only enough trials tell."""
    return found.verdict if line["trials"] >= TRIALS else "too few trials"


def success(line: Record) -> Found:
    """Task success."""
    return Found(f"{percent(line['success_rate'], 1)} of {line['trials']}", met(line["success_rate"] >= SUCCESS))


def wilson_low(line: Record) -> Found:
    """Low end of its interval."""
    return Found(percent(line["wilson_low"], 1), met(line["wilson_low"] >= WILSON_LOW))


def false_converged(line: Record) -> Found:
    """Trials that claimed to be at the goal and were not."""
    return Found(percent(line["false_converged_rate"], 1), met(line["false_converged_rate"] < FALSE_CONVERGED))


def position(line: Record) -> Found:
    """Median distance from the goal where the servo stopped."""
    error_mm = 1e3 * line["position_error_median_m"]
    return Found(f"{error_mm:.2f} mm", aimed(error_mm, POSITION_MM))


def rotation(line: Record) -> Found | None:
    """Median angle likewise; None where no rotation is commanded."""
    if not turns(line):
        return None
    error_deg = math.degrees(line["rotation_error_median_rad"])
    return Found(f"{error_deg:.2f} deg", aimed(error_deg, ROTATION_DEG))


def met(enough: bool) -> str:
    """In a word."""
    return "met" if enough else "not met"


def aimed(value: float, limits: tuple[float, float]) -> str:
    """Of what is aimed at and what must be."""
    aim, gate = limits
    return "aim met" if value <= aim else "met, aim not" if value <= gate else "not met"


TARGETS = {
    f"success at least {percent(SUCCESS)} of {TRIALS}": success,
    f"low end of its interval at least {percent(WILSON_LOW)}": wilson_low,
    f"false convergence under {percent(FALSE_CONVERGED)}": false_converged,
    f"median error at most {POSITION_MM[1]} mm, aim {POSITION_MM[0]}": position,
    f"median error at most {ROTATION_DEG[1]} deg, aim {ROTATION_DEG[0]}": rotation,
}
