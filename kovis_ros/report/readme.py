"""The results table of the README, between two marker comments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from kovis_ros.report import anchoring, category, graph, keypoints, paper, six_axes, speed, success, targets
from kovis_ros.report.page import commands, stale
from kovis_ros.report.plan import Plan
from kovis_ros.report.results import ResultError, Results, shipped
from kovis_ros.report.tables import MARK, MISSING, Record, Table, all_marked, markdown, percent, save, select

BEGIN, END = "<!-- kovis report: begin -->", "<!-- kovis report: end -->"
EMPTY = "_None of these tables has been measured yet._"


def write(results: Results, plan: Plan, readme: Path) -> None:
    """Replace what stands between the markers; ResultError when they are not there, once and in order."""
    try:
        text = readme.read_text()
    except OSError as error:
        raise ResultError(f"readme {readme} cannot be read ({error.strerror}): check the path") from error
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ResultError(
            f"readme {readme} needs the lines {BEGIN!r} and {END!r}, once each and in this order: add them"
        )
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    save(readme, f"{before}{BEGIN}\n{block(results, plan)}\n{END}{after}")


def block(results: Results, plan: Plan) -> str:
    """Shipped servos, targets, Tables I to III, mugs, six axes, speed, commands; one line where nothing was run."""
    run = [f"`{command}`" for command in commands(results, plan, paper.TASKS)]
    if not run:
        return EMPTY
    tasks = paper.TASKS
    lines = success.records(results, paper.ROWS, plan.keypoints)
    parts = [
        markdown(servos(lines, tasks, plan.tables)),
        markdown(ends(lines, tasks)),
        markdown(targets.table(lines, tasks)),
        markdown(graph.table(results, tasks)),
        markdown(keypoints.short(keypoints.records(results, tasks, plan.tables), tasks)),
        markdown(anchoring.short(anchoring.records(results, tasks, plan.tables), tasks)),
        markdown(success.table(lines, paper.ROWS, plan.keypoints)),
        *map(markdown, category.tables(category.records(results))),
        *map(markdown, six_axes.tables(results, six_axes.records(results))),
        *map(markdown, speed.tables(results)),
    ]
    old = stale(results, plan, tasks)
    if old:
        parts.append(folded(f"What {MARK} marks", [old]))
    return "\n".join([*parts, folded("Commands", [f"- {command}" for command in run])])


def folded(title: str, lines: Sequence[str]) -> str:
    """Lines that a reader unfolds."""
    return "\n".join([f"<details><summary>{title}</summary>\n", *lines, "\n</details>\n"])


def servos(lines: Sequence[Record], tasks: Sequence[str], count: int) -> Table:
    """The shipped servos: one row a task; ``count``: K of the paper's servo beside them."""
    header = ["shipped servo", "K", "Adex", "task success", "path-traced", f"paper, real, K = {count} with Adex"]
    title = "Closed loop: unseen seeds and looks, mount and object in the hand off within the task's ranges"
    return Table(title, header, [row(lines, task, count) for task in tasks])


def row(lines: Sequence[Record], task: str, count: int) -> list[str]:
    """Networks and rates of one shipped servo."""
    servo, rate = shipped(task), paper.SUCCESS[task][paper.WITH].get(count)
    rates = [success.rate_text(lines, servo, study) for study in success.STUDIES]
    own = select(lines, servo=servo.name, seen=success.STUDIES["success"])
    networks = [str(own[0]["keypoints"]), percent(float(own[0]["adex"]))] if own else ["", ""]
    return [paper.title(task), *networks, *rates, "" if rate is None else f"{percent(rate)} of {paper.SUCCESS_RUNS}"]


def ends(lines: Sequence[Record], tasks: Sequence[str]) -> Table:
    """Where the shipped servos stopped, and when: one row a task."""
    header = ["shipped servo", "aligned", "aligned, and did its task", "within 2 mm", "median error", "90th percentile"]
    header += ["false convergence", "tilt", "median time"]
    return Table("The same trials: where the servo stopped", header, [end(lines, task) for task in tasks])


def end(lines: Sequence[Record], task: str) -> list[str]:
    """One shipped servo."""
    own = select(lines, servo=shipped(task).name, seen=success.STUDIES["success"])
    if not own:
        return [paper.title(task), *[MISSING] * 8]
    found = own[0]
    shares = [percent(found[name], 1) for name in ("aligned_rate", "aligned_and_succeeded_rate", "within_2_mm")]
    errors = [success.errors(found), success.errors(found, "p90"), percent(found["false_converged_rate"], 1)]
    tilt_deg, time_s = math.degrees(found["tilt_median_rad"]), found["time_median_s"]
    cells = [*shares, *errors, f"{tilt_deg:.2f} deg", f"{time_s:.1f} s"]
    return [paper.title(task), *all_marked(cells, found)]
