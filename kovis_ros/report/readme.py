"""The results table of the README, between two marker comments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from kovis_ros.report import category, paper, speed, success, targets
from kovis_ros.report.page import KEYPOINTS, commands, stale
from kovis_ros.report.results import ResultError, Results, shipped
from kovis_ros.report.tables import MISSING, Record, Table, markdown, percent, save, select

BEGIN, END = "<!-- kovis report: begin -->", "<!-- kovis report: end -->"
EMPTY = "_None of these tables has been measured yet._"


def write(results: Results, readme: Path) -> None:
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
    save(readme, f"{before}{BEGIN}\n{block(results)}\n{END}{after}")


def block(results: Results) -> str:
    """Shipped servos and their targets, Table III, speed, their commands; one line where nothing was measured."""
    run = [f"`{command}`" for command in commands(results, paper.TASKS)]
    if not run:
        return EMPTY
    tasks = paper.TASKS
    lines = success.records(results, paper.ROWS, KEYPOINTS)
    parts = [
        *([f"{note}\n"] if (note := stale(results, tasks)) else []),
        markdown(servos(lines, tasks)),
        markdown(targets.table(lines, tasks)),
        markdown(success.table(lines, paper.ROWS, KEYPOINTS)),
        *map(markdown, category.tables(category.records(results))),
        *map(markdown, speed.tables(results)),
    ]
    return "\n".join([*parts, "Commands: " + ", ".join(run) + "."])


def servos(lines: Sequence[Record], tasks: Sequence[str]) -> Table:
    """The shipped servos: one row a task."""
    header = ["shipped servo", "K", "Adex", "task success", "path-traced", "paper, real", "aligned", "within 2 mm"]
    title = "Closed loop, unseen seeds and looks, mount wrong by up to 10 mm and 5 deg"
    return Table(title, [*header, "false convergence", "median error", "tilt"], [row(lines, task) for task in tasks])


def row(lines: Sequence[Record], task: str) -> list[str]:
    """One shipped servo; the paper's rate is that of K = 10 with Adex."""
    servo, rate = shipped(task), paper.SUCCESS[task][paper.WITH][10]
    rates = [success.rate_text(lines, servo, study) for study in success.STUDIES]
    beside = f"{percent(rate)} of {paper.SUCCESS_RUNS}"
    own = select(lines, servo=servo.name, seen=success.STUDIES["success"])
    if not own:
        return [paper.title(task), "", "", *rates, beside, *[MISSING] * 5]
    found = own[0]
    position_mm = 1e3 * found["position_error_median_m"]
    rotation_deg, tilt_deg = (math.degrees(found[f"{name}_median_rad"]) for name in ("rotation_error", "tilt"))
    errors = [f"{position_mm:.2f} mm, {rotation_deg:.2f} deg", f"{tilt_deg:.2f} deg"]
    shares = [percent(found[name], 1) for name in ("aligned_rate", "within_2_mm", "false_converged_rate")]
    networks = [str(found["keypoints"]), percent(float(found["adex"]))]
    return [paper.title(task), *networks, *rates, beside, *shares, *errors]
