"""What a task's settings must fulfil together, beyond the type of each."""

from __future__ import annotations

import re
import warnings
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from kovis_ros.method import geometry
from kovis_ros.method.motion import AXES, axis_indices
from kovis_ros.method.parsing import ConfigError, ConfigWarning, not_negative
from kovis_ros.method.robotiq_2f85 import STROKE_M

if TYPE_CHECKING:
    from kovis_ros.method.config import Task

KINDS = ("lift", "seat")
FAMILIES = ("mugs",)
POSITIVE = (  # of a range: its lower limit
    "target.mass_kg", "held.mass_kg", "tcp_offset_m", "camera.baseline_m", "camera.baseline_range_m",
    "camera.field_of_view_deg", "camera.size_px", "rollout.steps", "model.image_size", "model.map_size", "model.growth",
    "model.rho", "training.epochs", "training.batch", "training.learning_rate", "training.rho_start",
    "training.score_every", "training.loss.hardest", "servo.top_speed_mps", "servo.label_slope",
    "servo.acceleration_mps2", "servo.timeout_s", "success.distance_m",
)  # fmt: skip
SIGNED = ("target.position_range_m", "target.yaw_range_deg", "symmetry", "success.rim_m")
AUGMENTS = ("background", "cutout", "texture", "hollow", "occlusion", "shadow")
SHARES = (
    "appearance.shadow_probability", "appearance.texture_probability", "appearance.background_probability",
    "training.adversarial.probability", "training.validation_share", "training.average", "training.loss.hardest",
    "model.dropout", *(f"training.augment.{name}" for name in AUGMENTS),
)  # fmt: skip
MOST = {  # of a range: its upper limit
    **dict.fromkeys(SHARES, 1.0),
    "camera.field_of_view_deg": 120.0,  # a flat image spreads without end towards 180
    "appearance.light_elevation_deg": 90.0,
}
NAME = r"\w[\w .-]*"  # of a task: bags, runs and results are folders of that name


def check(task: Task, source: str) -> None:
    """ConfigError names the first faulty setting; a warning names a commanded axis that cannot be observed."""
    if not re.fullmatch(NAME, task.name):
        raise ConfigError(f"{source}: name is {task.name!r}: give letters, digits, _ and -, it is that of folders, too")
    _numbers(task, source)
    _model(task, source)
    _completion(task, source)
    _axes(task, source)
    _held(task, source)
    loop, success = task.servo, task.success
    if not 0.0 < loop.converged_speed < loop.released_speed < 1.0:
        raise ConfigError(f"{source}: servo.converged_speed {loop.converged_speed} must be below servo.released_speed")
    if loop.confidence_halt > loop.confidence_low:
        raise ConfigError(f"{source}: servo.confidence_halt {loop.confidence_halt} must not be above confidence_low")
    if success.kind not in KINDS:
        raise ConfigError(f"{source}: success.kind is {success.kind!r}: choose from {', '.join(KINDS)}")
    if task.target.family and task.target.family not in FAMILIES:
        raise ConfigError(f"{source}: target.family is {task.target.family!r}: choose from {', '.join(FAMILIES)}")
    if success.kind == "seat" and not task.held.mesh:
        raise ConfigError(f"{source}: success.kind is 'seat' and nothing is held: give held.mesh")
    if success.kind == "lift" and task.completion and not any(step.move_m for step in task.completion):
        raise ConfigError(
            f"{source}: success.kind is 'lift' and no step of completion moves: give one with move_m that lifts, "
            "or no completion where aligning is all"
        )


def _numbers(task: Task, source: str) -> None:
    """None is below the least it can be, or above the most."""
    for name in POSITIVE:
        value = attrgetter(name)(task)
        if (value[0] if isinstance(value, tuple) else value) <= 0:
            raise ConfigError(f"{source}: {name} is {value}: give more than 0")
    for name, most in MOST.items():
        value = attrgetter(name)(task)
        if (value[-1] if isinstance(value, tuple) else value) > most:
            shown = list(value) if isinstance(value, tuple) else value
            raise ConfigError(f"{source}: {name} is {shown}: give {'at most' if name in POSITIVE else '0 to'} {most:g}")
    not_negative(task, source, SIGNED)


def _model(task: Task, source: str) -> None:
    """The image folds into the maps, and these can be halved from block to block (see ``networks``)."""
    model = task.model
    if model.image_size % model.map_size:
        raise ConfigError(
            f"{source}: model.image_size {model.image_size} is no multiple of model.map_size {model.map_size}: "
            f"give {model.map_size * max(1, round(model.image_size / model.map_size))}"
        )
    for name in ("layers", "decoder_layers"):
        blocks = getattr(model, name)
        if not blocks:
            raise ConfigError(f"{source}: model.{name} is []: give the number of layers of one block or more")
        if model.map_size % 2 ** (len(blocks) - 1):
            raise ConfigError(
                f"{source}: model.map_size {model.map_size} cannot be halved between {len(blocks)} blocks, "
                f"model.{name} {list(blocks)}: give a multiple of {2 ** (len(blocks) - 1)}"
            )
    if 0 in model.servo_hidden:
        raise ConfigError(
            f"{source}: model.servo_hidden is {list(model.servo_hidden)}: give more than 0 for each layer"
        )


def _completion(task: Task, source: str) -> None:
    """Each step is one motion that gripper or arm can make."""
    for number, step in enumerate(task.completion):
        if step.speed_mps == 0:
            raise ConfigError(f"{source}: completion.speed_mps is {step.speed_mps}: give more than 0")
        if (step.gripper_m is None) == (step.move_m is None):
            given = "neither gripper_m nor move_m" if step.move_m is None else "both gripper_m and move_m"
            raise ConfigError(f"{source}: completion[{number}] has {given}: give one of them, a step is one motion")
        if step.gripper_m is not None:
            _opening(step.gripper_m, f"{source}: completion[{number}].gripper_m")


def _opening(value_m: float, where: str) -> None:
    """One that the gripper has."""
    if not 0.0 <= value_m <= STROKE_M:
        raise ConfigError(f"{where} is {value_m}: give 0 to {STROKE_M} m")


def _axes(task: Task, source: str) -> None:
    """Known axes, each once, and observable."""
    try:
        axis_indices(task.axes)
    except ValueError as error:
        raise ConfigError(f"{source}: axes: {error}") from error
    if len(set(task.axes)) != len(task.axes) or not task.axes:
        raise ConfigError(f"{source}: axes {list(task.axes)}: name each commanded axis once")
    if min(task.symmetry) < 0:
        raise ConfigError(f"{source}: symmetry {list(task.symmetry)}: 0 is a body of revolution, n looks alike n times")
    for axis in unobservable(task):
        warnings.warn(
            f"{source}: axis {axis!r} is commanded, but the object looks the same from every side about it: "
            "its label is noise, leave it out of axes",
            ConfigWarning,
            stacklevel=4,
        )


def unobservable(task: Task) -> list[str]:
    """Commanded axes of the tcp about which the declared symmetry is that of a body of revolution."""
    tcp_T_object = geometry.pose_rpy((0.0, 0.0, 0.0), np.radians(task.held.rpy_deg))
    turned = [int(np.abs(tcp_T_object[:3, i]).argmax()) for i in range(3) if task.symmetry[i] == 0]
    return [AXES[i + 3] for i in turned if AXES[i + 3] in task.axes]


def _held(task: Task, source: str) -> None:
    """Half ranges of the pose in the hand, and the opening of the hand."""
    _opening(task.held.grip_m, f"{source}: held.grip_m")
    for name in ("position_range_m", "rotation_range_deg"):
        values = getattr(task.held, name)
        if min(values) < 0.0:
            raise ConfigError(f"{source}: held.{name} {list(values)} has a negative half range: give 0 or more")
