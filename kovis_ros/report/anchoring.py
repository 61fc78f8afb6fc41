"""Table II: loss of direction and speed over camera errors, beside the paper's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from kovis_ros.report import columns, paper
from kovis_ros.report.results import Results, Servo, shipped
from kovis_ros.report.tables import MISSING, Record, Table, left_out, marked, select

PAPER_MAGNITUDES = {0.005: 2.5, 0.010: 5.0, 0.015: 7.5}  # m, deg


def records(results: Results, tasks: Sequence[str], keypoints: int) -> list[Record]:
    """A line for each servo and magnitude that was measured."""
    lines = []
    for servo in (s for task in tasks for s in columns.servos(task, keypoints)):
        found = results.figures(servo, "anchoring")
        if found is None:
            continue
        stale = results.stale(servo, "anchoring")
        for step in found["magnitudes"]:
            line = Record(task=servo.task, servo=servo.name, position_m=step["position_m"])
            line |= {"rotation_deg": step["rotation_deg"], "direction": step["direction"], "speed": step["speed"]}
            line |= {"speed_minus_floor": step["speed"] - step["speed_floor"], "speed_floor": step["speed_floor"]}
            line |= {"images": found["images"], "axes": " ".join(found["axes"])}
            line |= {"left_out": found["left_out"], "stale": stale}
            line |= {"adex": results.about(servo, "anchoring").get("adex", servo.adex)}
            pair = printed(servo, step["position_m"])
            lines.append(line | ({"paper_direction": pair[0], "paper_speed": pair[1]} if pair else {}))
    return lines


def printed(servo: Servo, position_m: float) -> paper.Pair | None:
    """The paper's numbers for a servo of the grid."""
    if not servo.keypoints:
        return None
    return paper.ANCHORING.get(servo.task, {}).get(position_m, {}).get(servo.adex)


def tables(lines: Sequence[Record], tasks: Sequence[str], keypoints: int) -> list[Table]:
    """One table a task; a cell is direction, speed, and speed minus the entropy of its labels."""
    return [
        Table(
            f"Table II, {paper.title(task)}", columns.header("camera error", lines, task),
            rows(lines, task, columns.servos(task, keypoints)),
        )
        for task in tasks
    ]  # fmt: skip


def rows(lines: Sequence[Record], task: str, servos: Sequence[Servo]) -> list[list[str]]:
    """Magnitudes, their average, and how many images each column has."""
    magnitudes = {line["position_m"]: line["rotation_deg"] for line in select(lines, task=task)}
    body = []
    for position, rotation in (magnitudes or PAPER_MAGNITUDES).items():
        own, pairs = select(lines, position_m=position), paper.ANCHORING.get(task, {}).get(position, {})
        body.append(columns.row(magnitude(position, rotation), own, servos, entry, pair_texts(pairs)))
    means = paper.ANCHORING_AVERAGE.get(task, {})
    body.append(columns.row("average", lines, servos, entry, pair_texts(means)))
    axes = dict.fromkeys(means, "x y z rz")
    return [*body, columns.row("images; axes", lines, servos, lambda own: counts(own[0]), axes)]


def short(lines: Sequence[Record], tasks: Sequence[str]) -> Table:
    """The shipped servos alone, a row a task."""
    name = "Table II in short: direction loss, speed loss; speed loss minus the entropy of its labels"
    own = [line for task in tasks for line in select(lines, servo=shipped(task).name)]
    magnitudes = {line["position_m"]: line["rotation_deg"] for line in own} or PAPER_MAGNITUDES
    body = [short_row(own, task, list(magnitudes)) for task in tasks]
    return columns.short(name, [magnitude(*size) for size in magnitudes.items()], body)


def short_row(lines: Sequence[Record], task: str, positions_m: Sequence[float]) -> list[str]:
    """One shipped servo, and the paper's averages."""
    own, means = select(lines, task=task), pair_texts(paper.ANCHORING_AVERAGE[task])
    parts = [*(select(own, position_m=position) for position in positions_m), own]
    numbers = [marked(entry(part), part[0]) if part else MISSING for part in parts]
    return [paper.title(task), *numbers, means[paper.WITHOUT], means[paper.WITH]]


def magnitude(position_m: float, rotation_deg: float) -> str:
    """How far the camera is off, in words."""
    return f"±{100 * position_m:.1f} cm, ±{rotation_deg:.1f}°"


def pair_texts(pairs: Mapping[bool, paper.Pair]) -> dict[bool, str]:
    """The paper's numbers as it prints them."""
    return {adex: f"({pair[0]:.3f}, {pair[1]:.3f})" for adex, pair in pairs.items()}


def counts(line: Record) -> str:
    """Images and axes, and roll-outs that gave none."""
    return f"{line['images']}; {line['axes']}{left_out(line['left_out'], 'roll-outs left out')}"


def average(lines: Sequence[Record]) -> Record:
    """Mean over the magnitudes."""
    names = ("direction", "speed", "speed_minus_floor")
    return {name: math.fsum(line[name] for line in lines) / len(lines) for name in names}


def entry(lines: Sequence[Record]) -> str:
    """Direction, speed, and speed over its floor: the mean of these lines."""
    return "({direction:.3f}, {speed:.3f}; {speed_minus_floor:.3f})".format(**average(lines))
