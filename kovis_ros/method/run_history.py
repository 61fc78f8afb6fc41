"""The history of a training run in its folder, and what that tells of the run's speed."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kovis_ros.method.train_error import TrainError

METRICS = "metrics.csv"  # a row an epoch
SERVO = 0.95  # closed-loop success of a servo that works


class Told(NamedTuple):
    """Speed of a run."""

    task: str
    minutes: float | None  # from the bag to the first closed-loop score of ``SERVO`` or more; None: it was not reached
    whole: float  # minutes of all there is of the run
    best: float  # closed-loop success, 0..1
    trials: int  # of a score
    wait_share: float  # of a step, with waiting for the cache: the largest of an epoch, the first from a cold disk
    start: str | None  # checkpoint that it began with
    samples: float  # learned from, repeats counted
    network: str | None  # None: ours


def write(folder: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """The rows as ``metrics.csv``, with every figure that any of them has."""
    with (folder / METRICS).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)


def told(folder: Path) -> Told:
    """Read ``metrics.csv`` and ``run.json``; TrainError when they are missing or an older version wrote them."""
    try:
        head = json.loads((folder / "run.json").read_text())
        with (folder / METRICS).open(newline="") as file:
            rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
        scores = [(row["score_success"], row["minutes"]) for row in rows if "score_success" in row]
        whole, wait = rows[-1]["minutes"], max(row["data_share"] for row in rows)
        name, recipe = head["task"]["name"], head["task"]["training"]
        trials, samples = recipe["score_trials"], rows[-1]["step"] * recipe["batch"]
    except (OSError, ValueError, LookupError) as error:
        raise TrainError(
            f"run {folder} does not tell its minutes ({error!r}): give the folder of a run of this version, "
            "from a cache of this version, that ended an epoch"
        ) from error
    reached = next((minutes for success, minutes in scores if success >= SERVO), None)
    best = max((success for success, _ in scores), default=0.0)
    return Told(name, reached, whole, best, trials, wait, head["start"], samples, head.get("network"))
