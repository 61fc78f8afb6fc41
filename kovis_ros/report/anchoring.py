"""Table II: loss of direction and speed over camera errors, beside the paper's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kovis_ros.report import paper, success
from kovis_ros.report.keypoints import servos, shipped_title
from kovis_ros.report.results import Results, Servo
from kovis_ros.report.tables import Record, Table, left_out, marked, select

PAPER_MAGNITUDES = {0.005: 2.5, 0.010: 5.0, 0.015: 7.5}  # m, deg


def records(results: Results, tasks: Sequence[str], keypoints: int) -> list[Record]:
    """A line for each servo and magnitude that was measured."""
    lines = []
    for servo in (s for task in tasks for s in servos(task, keypoints)):
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
    head = ["camera error", "without Adex", "paper", "with Adex", "paper"]
    return [
        Table(
            f"Table II, {paper.title(task)}", [*head, shipped_title(lines, task)],
            rows(lines, task, servos(task, keypoints)),
        )
        for task in tasks
    ]  # fmt: skip


def rows(lines: Sequence[Record], task: str, columns: Sequence[Servo]) -> list[list[str]]:
    """Magnitudes, and how many images each column has."""
    magnitudes = {line["position_m"]: line["rotation_deg"] for line in select(lines, task=task)}
    magnitudes = magnitudes or PAPER_MAGNITUDES
    body = []
    for position, rotation in magnitudes.items():
        row = [f"±{100 * position:.1f} cm, ±{rotation:.1f}°"]
        for servo in columns:
            own = select(lines, servo=servo.name, position_m=position)
            row.append(entry(own[0]) if own else success.absent(servo))
            if servo.keypoints:
                pair = printed(servo, position)
                row.append(f"({pair[0]:.3f}, {pair[1]:.3f})" if pair else "")
        body.append(row)
    means, counted = ["average"], ["images; axes"]
    for servo in columns:
        own = select(lines, servo=servo.name)
        means.append(entry(own[0] | average(own)) if own else success.absent(servo))
        counted.append(marked(counts(own[0]), own[0]) if own else success.absent(servo))
        if servo.keypoints:
            pair = paper.ANCHORING_AVERAGE.get(task, {}).get(servo.adex)
            means.append(f"({pair[0]:.3f}, {pair[1]:.3f})" if pair else "")
            counted.append("x y z rz" if pair else "")
    return [*body, means, counted]


def counts(line: Record) -> str:
    """Images and axes, and roll-outs that gave none."""
    return f"{line['images']}; {line['axes']}{left_out(line['left_out'], 'roll-outs left out')}"


def average(lines: Sequence[Record]) -> Record:
    """Mean over the magnitudes."""
    names = ("direction", "speed", "speed_minus_floor")
    return {name: math.fsum(line[name] for line in lines) / len(lines) for name in names}


def entry(line: Record) -> str:
    """Direction, speed, and speed over its floor."""
    return marked("({direction:.3f}, {speed:.3f}; {speed_minus_floor:.3f})".format(**line), line)
