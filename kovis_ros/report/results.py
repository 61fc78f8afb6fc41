"""Where measured numbers lie: one JSON file a servo and study, whole or not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

SHIPPED = "shipped"


class ResultError(ValueError):
    """A stored result cannot be used; the message names the file and the remedy."""


class Servo(NamedTuple):
    """One trained servo in the tables."""

    task: str
    keypoints: int  # K; 0: whatever was shipped
    adex: bool
    trained_on: str = ""  # another task, whose shipped servo is measured on ``task``

    @property
    def name(self) -> str:
        """Folder of its results."""
        if self.trained_on:
            return f"{self.trained_on}-{SHIPPED}-on-{self.task}"
        if not self.keypoints:
            return f"{self.task}-{SHIPPED}"
        return f"{self.task}-k{self.keypoints}{'-adex' if self.adex else ''}"


def shipped(task: str, trained_on: str = "") -> Servo:
    """The servo of the long recipe, whose weights come with the package; of another task where one is named."""
    return Servo(task, 0, False, "" if trained_on == task else trained_on)


class Results:
    """Read access to a folder of results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, servo: Servo, study: str) -> Path:
        """File of one result."""
        return self.folder / servo.name / f"{study}.json"

    def read(self, servo: Servo, study: str) -> dict[str, Any] | None:
        """The whole file, None when it was not run; ResultError when it is damaged."""
        return read(self.path(servo, study))

    def figures(self, servo: Servo, study: str) -> dict[str, Any] | None:
        """What came out, None when it was not run; a file of `kovis evaluate --json` is all figures."""
        data = self.read(servo, study)
        return None if data is None else data.get("figures", data)

    def command(self, servo: Servo, study: str) -> str | None:
        """What measured it; a file of `kovis evaluate --json` names renderer, trials and seed instead."""
        data = self.read(servo, study)
        if data is None or "command" in data:
            return None if data is None else str(data["command"])
        given = [f"--{name} {data[name]}" for name in ("renderer", "trials", "seed") if name in data]
        return " ".join(["kovis evaluate", servo.task, *given])


def read(path: Path) -> dict[str, Any] | None:
    """One JSON object; None when there is no file, ResultError when it holds something else."""
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ResultError(f"result {path} is damaged ({error}): delete it and measure again") from error
    if not isinstance(data, dict):
        raise ResultError(f"result {path} is no JSON object: delete it and measure again")
    return data
