"""A task as the YAML file that people edit: a comment on every setting that is likely to change."""

from __future__ import annotations

from typing import Any

import yaml

from kovis_ros.method.config import CompletionStep, TargetConfig, Task, to_dict

COLUMN = 50  # of the comments
HEADER = """\
# {name}: made by `kovis new-task`. Metres, kilograms, newtons; angles in degrees where the name says so.
# What is not named here has the defaults of kovis_ros/method/config.py. Files that begin with ./ lie beside this one.
"""
COMMENTS = {
    "target.mesh": "stands on z = 0 of its own frame",
    "target.collision": "convex pieces",
    "target.mass_kg": "estimated as plastic: weigh it",
    "target.position_range_m": "where it stands: x and y in the arm's base",
    "target.yaw_range_deg": "how it is turned there",
    "held.mesh": "origin: middle of the leading end; z away from the target",
    "held.collision": "convex pieces",
    "held.mass_kg": "estimated as plastic: weigh it",
    "held.grip_m": "finger opening: width of the object along its y, and 6 mm of peg on either side",
    "held.grip_force_n": "what the grip holds against before the object slips",
    "held.rpy_deg": "how it is held: tcp_T_held",
    "held.position_range_m": "how wrong it may lie in the hand, +- along each axis of the tcp",
    "held.rotation_range_deg": "likewise about each axis; 0 about an axis of revolution: a turn cannot be seen",
    "goal.position_m": "where the servo ends, in the target's frame: free of contact; the completion does the rest",
    "goal.rpy_deg": "of the held object, or of the tcp where nothing is held",
    "tcp_offset_m": "tool0 to tcp: to the held object's leading end, or to the fingertips' pegs",
    "axes": "commanded axes of the tcp",
    "symmetry": "about x, y, z of the held object or tcp: 1 none, n looks alike n times a turn, 0 body of revolution",
    "camera.eye_m": "between the imagers, in tool0: must see target and tool, see preview/goal.png",
    "camera.look_at_m": "in tool0",
    "camera.position_error_m": "by which the mount may be wrong",
    "camera.rotation_error_deg": "likewise",
    "rollout.translation_m": "how far training images are from the goal",
    "rollout.rotation_deg": "and how far turned",
    "rollout.start_distance_m": "of the closed loop's trials, see preview/starts.png",
    "rollout.start_rotation_deg": "likewise",
    "appearance.background_probability": "patterns on the table; `kovis check-data` shows what images look like",
    "appearance.texture_probability": "patterns on target, gripper and held object",
    "appearance.distractors": "other objects around the target",
    "model.keypoints": "half of them on the target, half on the tool",
    "model.image_size": "128 where something thin matters, 64 learns faster",
    "training.epochs": "passes over the data",
    "training.batch": "stereo pairs",
    "completion": "after convergence: gripper_m closes or opens, move_m moves the tcp in tool0 up to a force",
    "success.kind": "lift: the target hangs higher; seat: the held object is below the rim",
    "success.distance_m": "height gained, or depth below the rim",
    "success.rim_m": "height of the rim in the target's frame",
    "success.lateral_m": "distance from the goal's axis when seated",
    "success.position_m": "what counts as aligned",
    "success.rotation_deg": "likewise",
    "success.force_n": "greatest contact force on the way",
}


def text(task: Task) -> str:
    """YAML that ``load_task`` reads as the same task: commented settings, and all others that are not the default."""
    given, default = to_dict(task), to_dict(Task("", TargetConfig()))
    lines = [HEADER.format(name=task.name) + f"name: {task.name}"]
    for key, value in given.items():
        if key == "completion":
            lines += _completion(value)
        elif isinstance(value, dict):
            lines += _section(key, value, default[key], bool(task.held.mesh))
        elif key in COMMENTS:
            lines.append(_line(key, value, COMMENTS[key]))
    return "\n".join(lines) + "\n"


def _section(key: str, given: dict[str, Any], default: dict[str, Any], holding: bool) -> list[str]:
    """One section's lines; none when there is nothing to say; an empty hand has no comments."""
    known = set() if key == "held" and not holding else {name for name in given if f"{key}.{name}" in COMMENTS}
    named = {name: value for name, value in given.items() if name in known or value != default[name]}
    if not named:
        return []
    lines = [f"{key}:"]
    for name, value in named.items():
        shown = _differing(value, default[name]) if isinstance(value, dict) else value
        lines.append(_line(f"  {name}", shown, COMMENTS.get(f"{key}.{name}", "")))
    return lines


def _completion(steps: list[dict[str, Any]]) -> list[str]:
    """The steps, one a line, with what is not the default."""
    default = to_dict(CompletionStep())
    head = f"{'completion:':<{COLUMN}}  # {COMMENTS['completion']}" if steps else "completion: []"
    return [head, *(f"  - {_flow(_differing(step, default))}" for step in steps)]


def _differing(given: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _differing(value, default[name]) if isinstance(value, dict) else value
        for name, value in given.items()
        if value != default[name]
    }


def _line(name: str, value: Any, comment: str) -> str:
    line = f"{name}: {_flow(value)}"
    return f"{line:<{COLUMN}}  # {comment}" if comment else line


def _flow(value: Any) -> str:
    """A value on one line."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).strip().removesuffix("\n...")
