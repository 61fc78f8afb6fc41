"""Table I: keypoint stability under changes of the picture, beside the paper's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kovis_ros.report import paper
from kovis_ros.report.results import Results, Servo, shipped
from kovis_ros.report.tables import MISSING, Record, Table, left_out, marked, select

KINDS = ("background", "texture", "lighting", "all")
SHIPPED_TITLE = "shipped servo"


def servos(task: str, keypoints: int) -> list[Servo]:
    """Without Adex, with it, and the shipped one."""
    return [Servo(task, keypoints, False), Servo(task, keypoints, True), shipped(task)]


def records(results: Results, tasks: Sequence[str], keypoints: int) -> list[Record]:
    """A line for each servo and perturbation that was measured; shares of 1 in per cent, as the paper has them."""
    lines = []
    for servo in (s for task in tasks for s in servos(task, keypoints)):
        found = results.figures(servo, "keypoints")
        if found is None:
            continue
        stale = results.stale(servo, "keypoints")
        for kind in KINDS:
            change = found["changes"][kind]
            line = Record(task=servo.task, servo=servo.name, perturbation=kind)
            line |= {"location_percent": 100.0 * change["location"], "confidence_percent": 100.0 * change["confidence"]}
            line |= {"dead": change["dead"], "keypoints": found["keypoints"], "images": found["images"]}
            line |= {"left_out": found["left_out"], "stale": stale}
            lines.append(line | printed(servo, kind))
    return lines


def printed(servo: Servo, kind: str) -> Record:
    """The paper's numbers for a servo of the grid; nothing for the shipped one."""
    pair = paper.KEYPOINTS.get(servo.task, {}).get(kind, {}).get(servo.adex)
    if pair is None or not servo.keypoints:
        return {}
    return {"paper_location_percent": pair[0], "paper_confidence_percent": pair[1]}


def tables(lines: Sequence[Record], tasks: Sequence[str], keypoints: int) -> list[Table]:
    """One table a task."""
    header = ["perturbed", "without Adex", "paper", "with Adex", "paper", SHIPPED_TITLE]
    return [
        Table(f"Table I, {paper.title(task)}", header, rows(lines, task, servos(task, keypoints))) for task in tasks
    ]


def rows(lines: Sequence[Record], task: str, columns: Sequence[Servo]) -> list[list[str]]:
    """Perturbations, their average, and what was counted."""
    body = []
    for kind in KINDS:
        row = [kind]
        for servo in columns:
            row.append(entry(select(lines, servo=servo.name, perturbation=kind)))
            if servo.keypoints:
                pair = paper.KEYPOINTS.get(task, {}).get(kind, {}).get(servo.adex)
                row.append(f"({pair[0]:.1f}, {pair[1]:.1f})" if pair else "")
        body.append(row)
    average_row, counted = ["average"], ["dead of keypoints; images"]
    for servo in columns:
        own = select(lines, servo=servo.name)
        average_row.append(marked(f"{average(own):.2f}", own[0]) if own else MISSING)
        counted.append(counts(own[0]) if own else MISSING)
        if servo.keypoints:
            value = paper.KEYPOINTS_AVERAGE.get(task, {}).get(servo.adex)
            average_row.append(f"{value:.2f}" if value is not None else "")
            counted.append("more than 400 images" if value is not None else "")
    return [*body, average_row, counted]


def counts(line: Record) -> str:
    """Dead keypoints of all, and images."""
    return f"{line['dead']} of {line['keypoints']}; {line['images']}{left_out(line['left_out'], 'left out')}"


def entry(lines: Sequence[Record]) -> str:
    """Location and confidence as the paper prints them."""
    if not lines:
        return MISSING
    return marked("({location_percent:.2f}, {confidence_percent:.2f})".format(**lines[0]), lines[0])


def average(lines: Sequence[Record]) -> float:
    """The paper's average: over all numbers of a column, both kinds together."""
    values = [line[name] for line in lines for name in ("location_percent", "confidence_percent")]
    return math.fsum(values) / len(values)
