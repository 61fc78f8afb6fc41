"""Table III: task success by number of keypoints and use of Adex, beside the paper's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kovis_ros.method.metrics import wilson
from kovis_ros.report import paper
from kovis_ros.report.results import Results, Servo, shipped
from kovis_ros.report.tables import DOES_NOT_APPLY, MISSING, Record, Table, left_out, marked, percent, select

STUDIES = {"success": "complex backgrounds", "path": "path-traced"}


def records(results: Results, tasks: Sequence[str], keypoints: Sequence[int]) -> list[Record]:
    """A line for each servo and renderer that was run."""
    cells = [Servo(task, count, adex) for task in tasks for adex in (False, True) for count in keypoints]
    lines = []
    for servo in [*cells, *map(shipped, tasks)]:
        for study in STUDIES:
            if found := results.figures(servo, study):
                known = {"stale": results.stale(servo, study), **about(results, servo, study)}
                lines.append(without_turn(record(servo, study, found) | known))
    return lines


def record(servo: Servo, study: str, found: Record) -> Record:
    """Counts, the interval that they allow, errors where the servo stopped, and the paper's rate."""
    trials = int(found["trials"])
    good = round(found["success_rate"] * trials)
    low, high = wilson(good, trials)
    line = Record(task=servo.task, servo=servo.name, keypoints=servo.keypoints or "shipped", adex=servo.adex)
    line |= {"seen": STUDIES[study], "trials": trials, "successes": good, "success_rate": good / trials}
    line |= {"wilson_low": low, "wilson_high": high}
    line |= {name: found[name] for name in ("aligned_rate", "aligned_and_succeeded_rate", "false_converged_rate")}
    for part in ("median", "p90"):
        line |= {f"position_error_{part}_m": found["position_error_m"][part]}
        line |= {f"rotation_error_{part}_rad": found["rotation_error_rad"][part]}
    line |= {f"within_{1e3 * limit:g}_mm": share for limit, share in found["within"]}
    line |= {"tilt_median_rad": found["tilt_rad"]["median"], "time_median_s": found["time_s"]["median"]}
    printed = paper.SUCCESS.get(servo.task, {}).get(servo.adex, {}).get(servo.keypoints)
    line |= {"no_start": found["no_start"]}
    return line | ({} if printed is None or study != "success" else {"paper_success_rate": printed})


def about(results: Results, servo: Servo, study: str) -> Record:
    """Networks, training and axes of a servo, as its trials name them."""
    known = results.about(servo, study)
    return {"keypoints": known["keypoints"], "adex": known["adex"], "axes": " ".join(known["axes"])} if known else {}


def without_turn(line: Record) -> Record:
    """The line without errors of rotation where none is commanded: they would be zero."""
    return {name: value for name, value in line.items() if turns(line) or not name.startswith("rotation_error")}


def table(lines: Sequence[Record], tasks: Sequence[str], keypoints: Sequence[int]) -> Table:
    """The paper's layout, the shipped servo and the path-traced trials after it."""
    header = ["task", "Adex", *(f"K = {count}" for count in keypoints), "shipped servo", "shipped servo, path-traced"]
    body = []
    for task in tasks:
        for adex in (False, True):
            row = [paper.NAMES.get(task) or paper.title(task), "with" if adex else "without"]
            row += [cell(lines, Servo(task, count, adex)) for count in keypoints]
            body.append(row + [shipped_cell(lines, task, study, adex) for study in STUDIES])
    return Table("Table III", header, body)


def cell(lines: Sequence[Record], servo: Servo) -> str:
    """Rate, Wilson's interval, trials, and the paper's rate."""
    rate = paper.SUCCESS.get(servo.task, {}).get(servo.adex, {}).get(servo.keypoints)
    beside = f"; paper {rate:.1f}" if rate is not None else ""
    return rate_text(lines, servo) + beside


def shipped_cell(lines: Sequence[Record], task: str, study: str, adex: bool) -> str:
    """The shipped servo in the row of what it was trained with, in the first while nobody knows; empty in the other."""
    own = select(lines, servo=shipped(task).name, seen=STUDIES[study])
    return rate_text(lines, shipped(task), study) if adex == bool(own and own[0]["adex"]) else ""


def rate_text(lines: Sequence[Record], servo: Servo, study: str = "success") -> str:
    """Rate, Wilson's interval and number of trials, or why there are none."""
    own = select(lines, servo=servo.name, seen=STUDIES[study])
    return marked(shown(own[0]), own[0]) if own else absent(servo)


def absent(servo: Servo) -> str:
    """Why a servo has no result: it was not run, or it is none that is planned."""
    return MISSING if paper.planned(servo.task, servo.keypoints) else DOES_NOT_APPLY


def shown(line: Record) -> str:
    """Rate, Wilson's interval and number of trials of one line."""
    low, high = 100.0 * line["wilson_low"], 100.0 * line["wilson_high"]
    text = f"{percent(line['success_rate'], 1)} ({low:.1f}-{high:.1f}) of {line['trials']}"
    return text + left_out(line["no_start"], "without a start")


def turns(line: Record) -> bool:
    """Is a rotation commanded; yes where nobody told the axes."""
    return "r" in line.get("axes", "r")


def errors(line: Record, part: str = "median") -> str:
    """Position and rotation off the goal; ``part``: median or p90."""
    position_mm = 1e3 * line[f"position_error_{part}_m"]
    if not turns(line):
        return f"{position_mm:.2f} mm, {DOES_NOT_APPLY}"
    return f"{position_mm:.2f} mm, {math.degrees(line[f'rotation_error_{part}_rad']):.2f} deg"
