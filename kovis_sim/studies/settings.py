"""What the studies and the grid do, as frozen dataclasses; ``config/report.yaml`` says it once for all."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from kovis_ros.method import config_file
from kovis_ros.method.config import AppearanceConfig, ConfigError, share
from kovis_ros.method.parsing import Range, build, not_negative

PLAIN = AppearanceConfig(
    ambient=(0.6, 0.6), diffuse=(0.5, 0.5), specular=(0.1, 0.1), light_elevation_deg=(75.0, 75.0),
    shadow_probability=0.0, texture_probability=0.0, background_probability=0.0,
)  # fmt: skip


@dataclass(frozen=True)
class KeypointConfig:
    """Table I: the same scene with a plain look, and with background, texture or light of a perturbed one."""

    images: int = 400  # stereo pairs
    seed: int = 700_000
    plain: AppearanceConfig = PLAIN
    perturbed: AppearanceConfig = field(
        default_factory=lambda: AppearanceConfig(texture_probability=1.0, background_probability=1.0)
    )


@dataclass(frozen=True)
class StepConfig:
    """Longest step of a roll-out of one task."""

    task: str
    step_m: float


@dataclass(frozen=True)
class AnchoringConfig:
    """Table II: roll-outs with the paper's distribution of steps, the camera moved by up to each magnitude."""

    rollouts: int = 200
    seed: int = 710_000
    steps: int = 5  # the first at the goal
    step_m: float = 0.017  # longest step; rotation at 0.2 m/rad
    others: tuple[StepConfig, ...] = ()  # tasks with another longest step
    position_error_m: tuple[float, ...] = (0.005, 0.010, 0.015)  # along each axis
    rotation_error_deg: tuple[float, ...] = (2.5, 5.0, 7.5)  # about each axis


@dataclass(frozen=True)
class SuccessConfig:
    """Table III: closed-loop trials with unseen looks."""

    trials: int = 100  # of a servo of the grid
    shipped_trials: int = 400  # of a shipped one, as the targets want
    seed: int = 720_000
    background_probability: float = 1.0


@dataclass(frozen=True)
class PathConfig:
    """Table III once more: the first trials of ``success``, seeds, backgrounds and all, drawn by the path tracer."""

    trials: int = 50
    samples: int = 36  # paths a pixel


@dataclass(frozen=True)
class CurveConfig:
    """One pooled draw: a trial pushes one condition over its widest range, the others stay in their usual one."""

    trials: int = 1000
    seed: int = 730_000
    bins: int = 6
    mount_m: tuple[Range, Range] = ((0.0, 0.010), (0.0, 0.030))  # usual, widest; length of the error
    mount_deg: tuple[Range, Range] = ((0.0, 5.0), (0.0, 15.0))
    start_m: tuple[Range, Range] = ((0.020, 0.060), (0.010, 0.100))
    held_m: tuple[Range, Range] = ((0.0, 0.002), (0.0, 0.006))  # of a held object
    latest: int = 4  # image periods of 50 ms by which images come later


@dataclass(frozen=True)
class TrajectoryConfig:
    """Figure 8."""

    count: int = 10
    seed: int = 740_000


@dataclass(frozen=True)
class ViewConfig:
    """Figure 7: the camera anywhere within ``scale`` times the task's mount error."""

    count: int = 5
    seed: int = 750_000
    scale: float = 1.5


@dataclass(frozen=True)
class ServoConfig:
    """A task and the number of keypoints of its servo."""

    task: str
    keypoints: int


@dataclass(frozen=True)
class GridConfig:
    """Table III's servos, each trained by the same short recipe; nothing is chosen by closed-loop trials."""

    tasks: tuple[str, ...] = ("pick_mug", "insert_shaft", "insert_plug")
    keypoints: tuple[int, ...] = (5, 10, 16)
    adex: float = 0.5  # share of adversarial mini-batches where Adex is used
    samples: int = 12_000
    epochs: int = 4
    image_px: int = 128  # of camera and networks, whatever the task has
    seed: int = 0
    tables: int = 10  # number of keypoints of the servos that Table I and II look at
    others: tuple[ServoConfig, ...] = ()  # more servos, each with and without Adex


@dataclass(frozen=True)
class Settings:
    """Everything behind `kovis report`."""

    keypoints: KeypointConfig = KeypointConfig()
    anchoring: AnchoringConfig = AnchoringConfig()
    success: SuccessConfig = SuccessConfig()
    path: PathConfig = PathConfig()
    curves: CurveConfig = CurveConfig()
    trajectories: TrajectoryConfig = TrajectoryConfig()
    views: ViewConfig = ViewConfig()
    grid: GridConfig = GridConfig()


def load(path: Path | None = None) -> Settings:
    """Settings of a YAML file (default: the frozen one); ConfigError names the faulty key or value."""
    source = path or share("config", "report.yaml")
    settings: Settings = build(Settings, config_file.read(source, "settings") or {}, str(source))
    check(settings, str(source))
    return settings


def for_shipped(settings: Settings, trials: int | None = None) -> Settings:
    """Settings of a shipped servo: ``success`` has more trials, or ``trials``."""
    success = settings.success
    return dataclasses.replace(settings, success=dataclasses.replace(success, trials=trials or success.shipped_trials))


def check(settings: Settings, source: str) -> None:
    """ConfigError for a number that no study can work with."""
    not_negative(settings, source)
    least = {
        "keypoints.images": settings.keypoints.images,
        "anchoring.rollouts": settings.anchoring.rollouts,
        "anchoring.steps": settings.anchoring.steps - 1,
        "success.trials": settings.success.trials,
        "success.shipped_trials": settings.success.shipped_trials,
        "path.trials": settings.path.trials,
        "path.samples": settings.path.samples,
        "curves.trials": settings.curves.trials,
        "curves.bins": settings.curves.bins,
        "trajectories.count": settings.trajectories.count,
        "views.count": settings.views.count,
        "grid.samples": settings.grid.samples,
        "grid.epochs": settings.grid.epochs,
    }
    for name, value in least.items():
        if value < 1:
            raise ConfigError(f"{source}: {name} is too small: give at least {2 if name.endswith('steps') else 1}")
    if len(settings.anchoring.position_error_m) != len(settings.anchoring.rotation_error_deg):
        raise ConfigError(f"{source}: anchoring has as many position_error_m as rotation_error_deg: give pairs")
    if not 0 <= settings.curves.latest <= 4:
        raise ConfigError(
            f"{source}: curves.latest {settings.curves.latest} is out of range: give 0 to 4 image periods"
        )
