"""Table III: task success by number of keypoints and use of Adex, beside the paper's."""

from __future__ import annotations

from collections.abc import Sequence

from kovis_ros.method.metrics import wilson
from kovis_ros.report import paper
from kovis_ros.report.results import Results, Servo, shipped
from kovis_ros.report.tables import MISSING, Record, Table, left_out, marked, percent, select

STUDIES = {"success": "complex backgrounds", "path": "path-traced"}


def records(results: Results, tasks: Sequence[str], keypoints: Sequence[int]) -> list[Record]:
    """A line for each servo and renderer that was run."""
    cells = [Servo(task, count, adex) for task in tasks for adex in (False, True) for count in keypoints]
    lines = []
    for servo in [*cells, *map(shipped, tasks)]:
        for study in STUDIES:
            if found := results.figures(servo, study):
                known = {"stale": results.stale(servo, study), **about(results, servo, study)}
                lines.append(record(servo, study, found) | known)
    return lines


def record(servo: Servo, study: str, found: Record) -> Record:
    """Counts, the interval that they allow, and the paper's rate."""
    trials = int(found["trials"])
    good = round(found["success_rate"] * trials)
    low, high = wilson(good, trials)
    line = Record(task=servo.task, servo=servo.name, keypoints=servo.keypoints or "shipped", adex=servo.adex)
    line |= {"seen": STUDIES[study], "trials": trials, "successes": good, "success_rate": good / trials}
    line |= {"wilson_low": low, "wilson_high": high, "aligned_rate": found["aligned_rate"]}
    line |= {"false_converged_rate": found["false_converged_rate"]}
    line |= {"position_error_median_m": found["position_error_m"]["median"]}
    line |= {f"within_{1e3 * limit:g}_mm": share for limit, share in found["within"]}
    line |= {"rotation_error_median_rad": found["rotation_error_rad"]["median"]}
    line |= {"tilt_median_rad": found["tilt_rad"]["median"], "no_start": found["no_start"]}
    printed = paper.SUCCESS.get(servo.task, {}).get(servo.adex, {}).get(servo.keypoints)
    return line | ({} if printed is None or study != "success" else {"paper_success_rate": printed})


def about(results: Results, servo: Servo, study: str) -> Record:
    """Networks, training and axes of a shipped servo, as its trials name them."""
    known = (results.read(servo, study) or {}).get("servo", {})
    if servo.keypoints or not known:
        return {}
    return {"keypoints": known["keypoints"], "adex": known["adex"], "axes": " ".join(known["axes"])}


def table(lines: Sequence[Record], tasks: Sequence[str], keypoints: Sequence[int]) -> Table:
    """The paper's layout, the shipped servo and the path-traced trials after it."""
    header = ["task", "Adex", *(f"K = {count}" for count in keypoints), "shipped servo", "shipped servo, path-traced"]
    body = []
    for task in tasks:
        for adex in (False, True):
            row = [paper.title(task), "with" if adex else "without"]
            row += [cell(lines, Servo(task, count, adex)) for count in keypoints]
            row += ["", ""] if adex else [cell(lines, shipped(task), study) for study in STUDIES]
            body.append(row)
    return Table("Table III", header, body)


def cell(lines: Sequence[Record], servo: Servo, study: str = "success") -> str:
    """Rate, Wilson's interval, trials, and the paper's rate."""
    rate = paper.SUCCESS.get(servo.task, {}).get(servo.adex, {}).get(servo.keypoints)
    beside = f"; paper {rate:.1f}" if rate is not None else ""
    return rate_text(lines, servo, study) + beside


def rate_text(lines: Sequence[Record], servo: Servo, study: str = "success") -> str:
    """Rate, Wilson's interval and number of trials, or that there were none."""
    own = select(lines, servo=servo.name, seen=STUDIES[study])
    if not own:
        return MISSING
    return shown(own[0])


def shown(line: Record) -> str:
    """Rate, Wilson's interval and number of trials of one line."""
    low, high = 100.0 * line["wilson_low"], 100.0 * line["wilson_high"]
    text = f"{percent(line['success_rate'], 1)} ({low:.0f}-{high:.0f}) of {line['trials']}"
    return marked(text + left_out(line["no_start"], "without a start"), line)
