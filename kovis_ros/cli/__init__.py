"""The `kovis` command: one file a command, found by its name and imported when it is called."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kovis_ros.method.config import ConfigError

if TYPE_CHECKING:
    from kovis_ros.method.config import Task
    from kovis_ros.method.policy import ServoPolicy


class Row(NamedTuple):
    """One figure beside what it should be; ``bar`` is the limit that ``met`` speaks of; None: there is none."""

    name: str
    value: float | None
    reference: float | None
    ratio: float | None
    bar: str
    met: bool | None

    @property
    def verdict(self) -> str:
        """In a word; empty where there is no bar."""
        return "" if self.met is None else "met" if self.met else "MISSED"


def save_json(path: str | Path | None, data: Mapping[str, Any]) -> None:
    """Write one JSON object whole or not at all; a path of None (no --json given) does nothing."""
    if path is None:
        return
    target = Path(path)
    scratch = target.with_name(f".{target.name}.part")
    scratch.write_text(json.dumps(data, indent=2, default=plain) + "\n")
    os.replace(scratch, target)


def at_least(least: int, **given: int | None) -> None:
    """ConfigError for an option below ``least``; the keywords are the options' names, None is one not given."""
    for name, value in given.items():
        if value is not None and value < least:
            raise ConfigError(f"--{name.replace('_', '-')} {value} is out of range: give {least} or more")


def add_image_px(parser: argparse.ArgumentParser) -> None:
    """The option behind ``method.sizes.resized``."""
    parser.add_argument(
        "--image-px", type=int, metavar="PX", help="side of the images that the camera takes and the networks see "
        "(default: the task's); the time that they take grows by its square"
    )  # fmt: skip


def add_other_task(parser: argparse.ArgumentParser) -> None:
    """The option behind ``expect``."""
    parser.add_argument(
        "--other-task",
        action="store_true",
        help="take weights of another task, too, if camera, tcp and axes are the same",
    )


def expect(policy: ServoPolicy, task: Task, other: bool) -> None:
    """CheckpointError when the policy is of another task, or of other settings that its motion depends on.

    With ``other`` only when it cannot be tried on this one.
    """
    from kovis_ros.method.checkpoint import CheckpointError

    if other:
        policy.expect_like(task)
        return
    try:
        policy.expect(task)
    except CheckpointError as error:
        if policy.task.name == task.name:
            raise
        raise CheckpointError(f"{error}, or try it all the same with --other-task") from error


def plain(value: Any) -> Any:
    """What JSON has for a numpy scalar or array, a path or a set."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return sorted(value) if isinstance(value, (set, frozenset)) else str(value)
