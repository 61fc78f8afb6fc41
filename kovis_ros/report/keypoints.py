"""Table I: keypoint stability under changes of the picture, beside the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from kovis_ros.report import columns, paper
from kovis_ros.report.results import Results, Servo, shipped
from kovis_ros.report.tables import MISSING, Record, Table, all_marked, left_out, select

KINDS = ("background", "texture", "lighting", "all")


def records(results: Results, tasks: Sequence[str], keypoints: int) -> list[Record]:
    """A line for each servo and perturbation that was measured; shares of 1 in per cent, as the paper has them."""
    lines = []
    for servo in (s for task in tasks for s in columns.servos(task, keypoints)):
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
    return [
        Table(
            f"Table I, {paper.title(task)}", columns.header("perturbed", lines, task),
            rows(lines, task, columns.servos(task, keypoints)),
        )
        for task in tasks
    ]  # fmt: skip


def rows(lines: Sequence[Record], task: str, servos: Sequence[Servo]) -> list[list[str]]:
    """Perturbations, their average, and what was counted."""
    body = []
    for kind in KINDS:
        pairs = paper.KEYPOINTS.get(task, {}).get(kind, {})
        printed = {adex: f"({pair[0]:.1f}, {pair[1]:.1f})" for adex, pair in pairs.items()}
        body.append(columns.row(kind, select(lines, perturbation=kind), servos, lambda own: entry(own[0]), printed))
    printed = {adex: paper_averages(task, adex) for adex in paper.KEYPOINTS_AVERAGE.get(task, {})}
    body.append(columns.row("average; of location alone", lines, servos, averages, printed))
    images = dict.fromkeys(printed, "more than 400 images")
    return [*body, columns.row("dead of keypoints; images", lines, servos, lambda own: counts(own[0]), images)]


def short(lines: Sequence[Record], tasks: Sequence[str]) -> Table:
    """The shipped servos alone, a row a task."""
    name = "Table I in short: change of keypoint (location, confidence) in per cent; average of both; of location alone"
    return columns.short(name, KINDS, [short_row(lines, task) for task in tasks])


def short_row(lines: Sequence[Record], task: str) -> list[str]:
    """One shipped servo, and the paper's averages."""
    own = select(lines, servo=shipped(task).name)
    cells = [entry(line) for kind in KINDS for line in select(own, perturbation=kind)]
    numbers = all_marked([*cells, averages(own)], own[0]) if own else [MISSING] * (len(KINDS) + 1)
    return [paper.title(task), *numbers, *(paper_averages(task, adex) for adex in (paper.WITHOUT, paper.WITH))]


def counts(line: Record) -> str:
    """Dead keypoints of all, and images."""
    return f"{line['dead']} of {line['keypoints']}; {line['images']}{left_out(line['left_out'], 'left out')}"


def entry(line: Record) -> str:
    """Location and confidence as the paper prints them."""
    return "({location_percent:.2f}, {confidence_percent:.2f})".format(**line)


def average(lines: Sequence[Record]) -> float:
    """The paper's average: over all numbers of a column, both kinds together."""
    return fmean(line[name] for line in lines for name in ("location_percent", "confidence_percent"))


def averages(lines: Sequence[Record]) -> str:
    """The paper's average, and that of the locations alone: confidence that never changes halves the first."""
    return f"{average(lines):.2f}; {fmean(line['location_percent'] for line in lines):.2f}"


def paper_averages(task: str, adex: bool) -> str:
    """The average as the paper prints it, and that of its locations."""
    location = fmean(pairs[adex][0] for pairs in paper.KEYPOINTS[task].values())
    return f"{paper.KEYPOINTS_AVERAGE[task][adex]:.2f}; {location:.2f}"
