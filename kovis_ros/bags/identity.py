"""Which settings of a task decide what a bag's messages hold: the others may change without another recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from kovis_ros.method.config import TargetConfig, Task, to_dict

SILENT = ("completion", "model", "sensor", "success", "training")  # of learner and trial; roll-outs are as rendered
PARTLY = {  # which keys of these sections reach a message
    "servo": lambda key: key == "label_slope",
    "rollout": lambda key: key not in ("start_distance_m", "start_rotation_deg"),
}
FILES = ("target.mesh", "target.collision", "held.mesh", "held.collision")


def differing(old_yaml: str, new_yaml: str) -> list[str]:
    """What differs between two tasks' settings as ``key old -> new``, of those that reach the messages.

    A setting that one of them does not name, because it is older, has its default there; one that tasks no longer have
    does not count, and neither does the folder of a task: bags are carried between machines.
    """
    old, new = flat(yaml.safe_load(old_yaml)), flat(yaml.safe_load(new_yaml))
    default = flat(to_dict(Task("", TargetConfig())))
    pairs = {key: [placeless(key, given.get(key, default[key])) for given in (old, new)] for key in default}
    return [f"{key} {before!r} -> {now!r}" for key, (before, now) in pairs.items() if before != now]


def placeless(key: str, value: Any) -> Any:
    """A setting's value; of a file beside its task, which is an absolute path, the name alone."""
    return Path(value).name if key in FILES and isinstance(value, str) and Path(value).is_absolute() else value


def flat(task: dict[str, Any]) -> dict[str, Any]:
    """The settings that reach the messages by their dotted names."""
    found: dict[str, Any] = {}
    for section, value in task.items():
        if section in SILENT:
            continue
        if not isinstance(value, dict):
            found[section] = value
            continue
        reaches = PARTLY.get(section, lambda _: True)
        found.update({f"{section}.{key}": item for key, item in value.items() if reaches(key)})
    return found
