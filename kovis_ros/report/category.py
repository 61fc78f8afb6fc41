"""A servo for a whole family of mugs beside the one for a single mug: on mugs that neither has seen, and on the one."""

from __future__ import annotations

from collections.abc import Sequence

from kovis_ros.method.metrics import difference
from kovis_ros.report import paper, success
from kovis_ros.report.results import Results, shipped
from kovis_ros.report.tables import MISSING, Record, Table, all_marked, marked, percent, select

FAMILY, SINGLE = "pick_mugs", "pick_mug"
MUGS = {FAMILY: "unseen ones", SINGLE: "the single one"}
PAIRS = {
    "on unseen mugs": ((FAMILY, FAMILY), (SINGLE, FAMILY)),
    "on the single mug": ((FAMILY, SINGLE), (SINGLE, SINGLE)),
    "each on what it was made for": ((FAMILY, FAMILY), (SINGLE, SINGLE)),
}  # (trained on, measured on) of the family's servo and of the single mug's
SERVOS = [shipped(task, trained) for task in (FAMILY, SINGLE) for trained in (FAMILY, SINGLE)]


def records(results: Results) -> list[Record]:
    """A line for each servo and kind of mug that was run."""
    lines = []
    for servo in SERVOS:
        if found := results.figures(servo, "success"):
            line = success.record(servo, "success", found) | success.about(results, servo, "success")
            line |= {"stale": results.stale(servo, "success")}
            lines.append(line | {"trained_on": servo.trained_on or servo.task, "mugs": MUGS[servo.task]})
    return lines


def tables(lines: Sequence[Record]) -> list[Table]:
    """Rates, then differences of rates."""
    header = ["servo of", "mugs", "task success", "aligned", "false convergence", "median error"]
    body = [row(lines, servo.trained_on or servo.task, servo.task) for servo in SERVOS]
    points = "points (95 %, trials taken for independent)"
    gaps = [[name, gap(lines, *pair)] for name, pair in PAIRS.items()]
    return [
        Table("One servo for a family of mugs", header, body),
        Table("Its task success minus that of the single mug's servo", ["", points], gaps),
    ]


def row(lines: Sequence[Record], trained: str, task: str) -> list[str]:
    """One servo on one kind of mug."""
    own = select(lines, trained_on=trained, task=task)
    head = [paper.title(trained), MUGS[task]]
    if not own:
        return [*head, *[MISSING] * 4]
    found = own[0]
    shares = [percent(found["aligned_rate"], 1), percent(found["false_converged_rate"], 1)]
    return [*head, *all_marked([success.shown(found), *shares, success.errors(found)], found)]


def gap(lines: Sequence[Record], first: tuple[str, str], second: tuple[str, str]) -> str:
    """Difference of two rates in per cent points, with Newcombe's 95 % interval of independent trials.

    Trials of one task are the same ones for both servos, but results hold counts and not which trial succeeded, so that
    the interval of pairs, which is narrower, cannot be told.
    """
    found = [select(lines, trained_on=trained, task=task) for trained, task in (first, second)]
    if not all(found):
        return MISSING
    counts = [(own[0]["successes"], own[0]["trials"]) for own in found]
    value, low, high = (100.0 * part for part in difference(*counts))
    return marked(f"{value:+.1f} ({low:+.1f} to {high:+.1f})", {"stale": any(own[0]["stale"] for own in found)})
