"""Validated settings of a task: frozen dataclasses with defaults; YAML says what differs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kovis_ros.method import config_file, task_check
from kovis_ros.method.parsing import ConfigError, Range, Triple, Whole, build

__all__ = ["ConfigError", "Task", "from_dict", "load_task", "share", "task_names", "to_dict"]


LANDMARKS = 8  # of target and of tool in a bag: enough for 16 keypoints; each costs 30 us a sample to write


@dataclass(frozen=True)
class TargetConfig:
    """The object that waits on the table; files lie below ``kovis_sim/assets``, with ``./`` beside the task's YAML."""

    mesh: str = ""
    collision: str = ""  # glob of convex pieces
    family: str = ""  # "mugs": one of many shapes a trial, ``mesh`` is the nominal one; empty: ``mesh`` alone
    mass_kg: float = 0.25
    position_range_m: tuple[Range, Range] = ((0.42, 0.58), (-0.12, 0.12))  # x, y in base; z is 0
    yaw_range_deg: Range = (-60.0, 60.0)


@dataclass(frozen=True)
class HeldConfig:
    """The object in the gripper; an empty mesh is an empty hand. Its origin is the middle of its leading end."""

    mesh: str = ""
    collision: str = ""  # glob of convex pieces
    mass_kg: float = 0.1
    grip_m: float = 0.085  # finger opening while servoing
    grip_force_n: float = 80.0  # what the grip holds against before the object slips
    position_m: Triple = (0.0, 0.0, 0.0)  # nominal tcp_T_held
    rpy_deg: Triple = (0.0, 0.0, 0.0)
    position_range_m: Triple = (0.002, 0.002, 0.002)  # one draw a trial or roll-out, +- along each axis of the tcp
    rotation_range_deg: Triple = (2.0, 2.0, 2.0)  # likewise, +- about each axis through the tcp


@dataclass(frozen=True)
class GoalConfig:
    """Goal pose of the tcp (of the held object, if there is one) in the target frame."""

    position_m: Triple = (0.0, 0.0, 0.0)
    rpy_deg: Triple = (180.0, 0.0, 0.0)


@dataclass(frozen=True)
class CameraConfig:
    """Stereo camera on the wrist. The mount is nominal: each image perturbs it by up to the ranges given."""

    eye_m: Triple = (0.0, -0.085, -0.005)  # centre between the two imagers, in tool0
    look_at_m: Triple = (0.0, -0.034, 0.158)
    baseline_m: float = 0.050
    baseline_range_m: Range = (0.040, 0.060)
    field_of_view_deg: Range = (53.0, 63.0)
    size_px: int = 128
    position_error_m: float = 0.010
    rotation_error_deg: float = 5.0


@dataclass(frozen=True)
class SensorConfig:
    """An infrared imager of a D435, projector off, averaged to 128 px; ``method.sensor.at`` has it at other sizes."""

    grey: float = 96.0  # mean that automatic exposure settles at; assumed, a dark scene ends near it too
    exposure_error: float = 0.30  # of the mean: the region that exposure looks at is not the crop; assumed
    eye_mismatch: float = 0.05  # gain between the imagers; assumed
    corner: Range = (0.55, 1.0)  # light in the corner: cos^4 after shading correction, assumed; 1 has none
    # 8 ms of exposure indoors, assumed; at 20 mm/s and 0.1 rad/s, 0.12 m away: 0.16 mm and 0.8 mrad, 0.25 px
    motion_px: float = 0.3
    defocus_px: float = 0.6  # standard deviation; fixed focus from 0.1 m to infinity, assumed
    noise: Range = (1.0, 3.0)  # grey levels; an averaged pixel has less than the 2-5 of a raw one, assumed


@dataclass(frozen=True)
class RolloutConfig:
    """Training roll-outs leave the goal along a straight line, until something touches."""

    steps: int = 5
    translation_m: float = 0.070
    rotation_deg: float = 24.0
    tilt_deg: float = 1.0
    near_power: float = 1.3  # steps at fraction u**near_power of the line: above 1 more images near the goal
    start_distance_m: Range = (0.020, 0.060)  # closed loop: start of a trial
    start_rotation_deg: float = 20.0


@dataclass(frozen=True)
class AppearanceConfig:
    """Ranges of light and material; backgrounds and textures are drawn by ``kovis_sim.appearance``."""

    ambient: Range = (0.3, 0.8)
    diffuse: Range = (0.2, 0.9)
    specular: Range = (0.0, 0.5)
    light_elevation_deg: Range = (25.0, 80.0)  # evaluation has the 10 deg below and above
    shadow_probability: float = 0.7
    texture_probability: float = 0.6
    background_probability: float = 0.9
    distractors: int = 3


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the networks (Fig. 2 and 5 of the paper)."""

    keypoints: int = 10  # K
    image_size: int = 64  # H = W; a multiple of the map's size
    map_size: int = 32  # H' = W'
    growth: int = 24
    layers: tuple[int, ...] = (2, 3, 4, 4)  # DenseLayers of each DenseBlock of the encoder, downwards
    dilation: bool = True  # grows with the layer of a DenseBlock
    local_contrast: bool = False  # the encoder sees ``images.local_contrast`` beside the image
    decoder_layers: tuple[int, ...] = (3, 3, 2)  # from a quarter of the map upwards
    rho: float = 2.5  # Eq. 4, in cells of the map
    servo_hidden: tuple[int, ...] = (256, 256, 256)
    dropout: float = 0.0


@dataclass(frozen=True)
class LossConfig:
    """Weights of Eq. 8 by name, and gamma of Eq. 5."""

    depth: float = 1.0
    segmentation: float = 1.0
    direction: float = 1.0
    speed: float = 1.0
    displacement: float = 1.0  # ours: relative error of the displacement, see ``losses.displacement``
    proximity: float = 0.1
    background: float = 0.05
    anchor: float = 0.5  # ours: half of the keypoints on the target, half on the gripper, see ``losses.anchor``
    spread: float = 2.0  # ours: each keypoint in one place, see ``losses.spread``
    landmark: float = 2.0  # ours: each keypoint on a point of the CAD model, see ``losses.landmark``
    disparity: float = 2.0  # ours: landmarks as deep as they are, see ``losses.disparity``
    gamma: float = 20.0  # Eq. 5, in normalised coordinates
    hardest: float = 0.3  # share of the pixels that depth and segmentation look at, see ``losses.hardest``


@dataclass(frozen=True)
class AugmentConfig:
    """Appearance of training images: probabilities per image or pair, and largest strengths."""

    background: float = 0.5  # probability that segmentation 0 becomes a procedural texture
    cutout: float = 0.3  # probability that blobs of the background become flat
    texture: float = 0.7  # probability that target and gripper get a texture
    texture_strength: float = 0.8
    hollow: float = 0.5  # probability that the target is darker the deeper it is
    hollow_strength: float = 0.9
    occlusion: float = 0.15  # probability that flat patches hide parts of everything
    shadow: float = 0.4  # probability that patches of the image lie in shadow
    shadow_strength: float = 0.7
    contrast: float = 0.5  # of log gain, for the pair
    brightness: float = 30.0  # grey levels, for the pair
    gamma: float = 0.35  # of log gamma
    eye_mismatch: float = 0.1  # the same between the eyes, as a share: lights and highlights differ
    gradient: float = 0.5  # light falls off across the image by up to this share
    shift_px: float = 3.0  # pixels of the camera image, the same in both eyes


@dataclass(frozen=True)
class AdversarialConfig:
    """Adversarial examples in training, see ``method.adversarial``; probability 0 is training without."""

    probability: float = 0.0  # of a mini-batch being attacked
    strength: Range = (0.02, 0.15)  # largest change of a pixel, standard deviations of its image: 1 to 8 grey levels
    iterations: Whole = (1, 3)  # of iterative FGSM


@dataclass(frozen=True)
class TrainingConfig:
    """Recipe of one training run."""

    epochs: int = 8
    batch: int = 64
    learning_rate: float = 2e-3  # peak of one cosine cycle
    weight_decay: float = 1e-4
    rho_start: float = 1.0  # rho rises from here to the model's over the first half of the run
    average: float = 0.998  # decay of the running average of the weights that is scored and shipped
    validation_share: float = 0.05
    finish_samples: int = 32_000  # that the servo alone learns from at the end, see ``method.finish``; 0: it does not
    score_trials: int = 40
    score_every: int = 2  # epochs between closed-loop scores
    compile: bool = False
    loss: LossConfig = field(default_factory=LossConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)


@dataclass(frozen=True)
class LoopConfig:
    """Closed loop: gain, limits and when to stop."""

    top_speed_mps: float = 0.020
    label_slope: float = 200.0  # 1/m, see method.motion
    acceleration_mps2: float = 0.20
    converged_speed: float = 0.08
    released_speed: float = 0.16  # hysteresis: above it the count starts again
    converged_images: int = 8
    confidence_low: float = 0.50  # below it the arm slows
    confidence_halt: float = 0.15  # below it the arm halts
    image_timeout_s: float = 0.25
    workspace_m: float = 0.12  # half side of the box around the start pose
    timeout_s: float = 20.0
    filter_s: float = 0.05  # time constant of the low-pass filter of predictions
    settle_s: float = 0.2  # likewise of those that convergence is judged by, see ``loop``


@dataclass(frozen=True)
class CompletionStep:
    """One step after convergence: close or open the gripper, or move the tcp along a displacement in tool0."""

    gripper_m: float | None = None
    force_n: float = 40.0
    move_m: Triple | None = None
    speed_mps: float = 0.05
    force_limit_n: float = 60.0
    settle_s: float = 0.3


@dataclass(frozen=True)
class SuccessConfig:
    """What counts: ``lift``: the target hangs higher and stays there; ``seat``: the held object is at its depth."""

    kind: str = "lift"
    distance_m: float = 0.050  # lift: height gained; seat: depth of the held object's origin below the rim
    hold_s: float = 1.0
    position_m: float = 0.004  # alignment: error over the commanded axes
    rotation_deg: float = 4.0
    hook: bool = False  # lift: the fingertips' pegs reach into a hole of the target and have none of it between them
    rim_m: float = 0.0  # seat: height of the rim in the target frame
    lateral_m: float = 0.003  # seat: distance of the held object's origin from the goal's axis
    force_n: float = 150.0  # greatest contact force on the way; the arm's own protective stop


@dataclass(frozen=True)
class Task:
    """One task, whole: what the simulator builds, what the network learns, what the robot does."""

    name: str
    target: TargetConfig
    held: HeldConfig = field(default_factory=HeldConfig)
    goal: GoalConfig = field(default_factory=GoalConfig)
    axes: tuple[str, ...] = ("x", "y", "z", "rz")
    symmetry: tuple[int, int, int] = (1, 1, 1)
    tcp_offset_m: float = 0.170
    camera: CameraConfig = field(default_factory=CameraConfig)
    sensor: SensorConfig = field(default_factory=SensorConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    appearance: AppearanceConfig = field(default_factory=AppearanceConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    servo: LoopConfig = field(default_factory=LoopConfig)
    completion: tuple[CompletionStep, ...] = ()
    success: SuccessConfig = field(default_factory=SuccessConfig)


def share(*parts: str) -> Path:
    """Path of a data file, in the source tree or below an install prefix; ConfigError says where it was looked for."""
    here = Path(__file__).resolve()
    tried = [here.parents[2].joinpath(*parts)]
    tried += [parent / "share" / "kovis_ros" / Path(*parts) for parent in here.parents[2:]]
    for path in tried:
        if path.exists():
            return path
    raise ConfigError(f"{'/'.join(parts)} not found (tried {tried[0]} and {len(tried) - 1} more): reinstall kovis_ros")


def task_names() -> list[str]:
    """Names of the tasks that come with the package."""
    return sorted(path.stem for path in share("config", "tasks").glob("*.yaml"))


def load_task(name: str | Path) -> Task:
    """Task by shipped name or path of a YAML file; ConfigError lists the known ones or names the faulty key."""
    path = Path(name)
    if path.suffix != ".yaml":
        if str(name) not in task_names():
            raise ConfigError(f"task {str(name)!r} is unknown: choose from {', '.join(task_names())} or give a .yaml")
        path = share("config", "tasks", f"{name}.yaml")
    return from_dict(_placed(config_file.read(path, "task file"), path.resolve().parent), str(path))


def _placed(data: Any, folder: Path) -> Any:
    """The settings with files that begin with ``./`` as absolute paths: the bag and other processes know no folder."""
    if not isinstance(data, dict):
        return data
    placed = dict(data)
    for section in ("target", "held"):
        if isinstance(data.get(section), dict):
            placed[section] = {
                key: str(folder / value) if isinstance(value, str) and value.startswith("./") else value
                for key, value in data[section].items()
            }
    return placed


def from_dict(data: Any, source: str = "task") -> Task:
    """Task of plain data, as ``to_dict`` gives it; ConfigError for unknown keys, wrong types and bad ranges."""
    task: Task = build(Task, data, source)
    task_check.check(task, source)
    if not 2 <= task.model.keypoints <= 2 * LANDMARKS:
        raise ConfigError(f"{source}: model.keypoints {task.model.keypoints} is out of range: 2 to {2 * LANDMARKS}")
    return task


def to_dict(config: Any) -> dict[str, Any]:
    """Plain data (dicts, lists, numbers, strings) of a configuration."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(config))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
