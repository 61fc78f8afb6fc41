"""Table I: keypoint stability under changes of the picture, beside the paper's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kovis_ros.report import paper, success
from kovis_ros.report.results import Results, Servo, shipped
from kovis_ros.report.tables import Record, Table, left_out, marked, select

KINDS = ("background", "texture", "lighting", "all")


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
            line |= {"adex": results.about(servo, "keypoints").get("adex", servo.adex)}
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
    head = ["perturbed", "without Adex", "paper", "with Adex", "paper"]
    return [
        Table(
            f"Table I, {paper.title(task)}", [*head, shipped_title(lines, task)],
            rows(lines, task, servos(task, keypoints)),
        )
        for task in tasks
    ]  # fmt: skip


def shipped_title(lines: Sequence[Record], task: str) -> str:
    """Head of the shipped servo's column, which tells what it was trained with."""
    own = select(lines, servo=shipped(task).name)
    return f"shipped servo, {'with' if own[0]['adex'] else 'without'} Adex" if own else "shipped servo"


def rows(lines: Sequence[Record], task: str, columns: Sequence[Servo]) -> list[list[str]]:
    """Perturbations, their average, and what was counted."""
    body = []
    for kind in KINDS:
        row = [kind]
        for servo in columns:
            own = select(lines, servo=servo.name, perturbation=kind)
            row.append(entry(own[0]) if own else success.absent(servo))
            if servo.keypoints:
                pair = paper.KEYPOINTS.get(task, {}).get(kind, {}).get(servo.adex)
                row.append(f"({pair[0]:.1f}, {pair[1]:.1f})" if pair else "")
        body.append(row)
    average_row, counted = ["average"], ["dead of keypoints; images"]
    for servo in columns:
        own = select(lines, servo=servo.name)
        average_row.append(marked(f"{average(own):.2f}", own[0]) if own else success.absent(servo))
        counted.append(marked(counts(own[0]), own[0]) if own else success.absent(servo))
        if servo.keypoints:
            value = paper.KEYPOINTS_AVERAGE.get(task, {}).get(servo.adex)
            average_row.append(f"{value:.2f}" if value is not None else "")
            counted.append("more than 400 images" if value is not None else "")
    return [*body, average_row, counted]


def counts(line: Record) -> str:
    """Dead keypoints of all, and images."""
    return f"{line['dead']} of {line['keypoints']}; {line['images']}{left_out(line['left_out'], 'left out')}"


def entry(line: Record) -> str:
    """Location and confidence as the paper prints them."""
    return marked("({location_percent:.2f}, {confidence_percent:.2f})".format(**line), line)


def average(lines: Sequence[Record]) -> float:
    """The paper's average: over all numbers of a column, both kinds together."""
    values = [line[name] for line in lines for name in ("location_percent", "confidence_percent")]
    return math.fsum(values) / len(values)
