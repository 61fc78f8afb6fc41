"""Table II: direction and speed loss of single images while the camera's mount is wrong by more and more."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry, metrics, motion
from kovis_ros.method.config import Task
from kovis_ros.method.policy import ServoPolicy
from kovis_sim import camera
from kovis_sim.scene import Scene
from kovis_sim.studies import rows
from kovis_sim.studies.rows import Row, StudyError
from kovis_sim.studies.settings import AnchoringConfig, Settings

Array = NDArray[np.float64]
TRIES = 50  # of ways from the goal; of the shaft's every third meets the bearing


class AnchoringJob(NamedTuple):
    """One roll-out, each of its places seen by a camera of each magnitude."""

    task: Task
    checkpoint: str
    settings: Settings

    def __call__(self, index: int) -> Row:
        """Label and prediction (direction and speed) of each place, predictions by magnitude."""
        scene, policy = rows.scene(self.task, "test"), rows.policy(self.checkpoint)
        return rows.tried(index, lambda: self.row(scene, policy, index))

    def row(self, scene: Scene, policy: ServoPolicy, index: int) -> Row:
        """The row itself."""
        config, task = self.settings.anchoring, self.task
        scene.rng = np.random.default_rng([config.seed, index])
        scene.place_target()
        wanted, predicted = [], []
        for _ in places(scene, config):
            label = motion.label(scene.displacement(), task.servo.label_slope)
            wanted.append([*label[0].tolist(), label[1]])
            predicted.append([])
            for mount in mounts(task, config):
                scene.camera = camera.draw(mount, scene.rng)
                scene.new_look()
                found = policy.motion(policy.keypoints(*scene.stereo(), scene.K))
                predicted[-1].append([*np.asarray(found.direction, float).round(6).tolist(), round(found.speed, 6)])
        return Row(index=index, wanted=wanted, predicted=predicted)


def mounts(task: Task, config: AnchoringConfig) -> list[Any]:
    """The task's camera with each of the ranges."""
    pairs = zip(config.position_error_m, config.rotation_error_deg, strict=True)
    return [dataclasses.replace(task.camera, position_error_m=m, rotation_error_deg=deg) for m, deg in pairs]


def places(scene: Scene, config: AnchoringConfig) -> Iterator[None]:
    """Put the tcp at the goal, then step by step further out; no place of a target whose every way meets something.

    A way that meets something is drawn again, not cut short (the goal would be every fourth image), and as long as it
    was: short ways are free more often.
    """
    length = step_length(scene.task, config, scene.rng)
    for _ in range(TRIES):
        away = step(scene.task, length, scene.rng)
        poses = [scene.world_T_goal @ geometry.exp(number * away) for number in range(config.steps)]
        if all(map(scene.free, poses)):
            break
    else:
        return
    for pose in poses:
        scene.put(pose)
        yield


def step_length(task: Task, config: AnchoringConfig, rng: np.random.Generator) -> float:
    """Metres of every step of a roll-out, any length up to the longest alike.

    That is the paper's distribution; the entropy of its speed labels is 0.19 with steps of up to 17 mm, 0.15 with 22.
    """
    return longest(task, config) * rng.random()


def step(task: Task, length_m: float, rng: np.random.Generator) -> Array:
    """Displacement (6,) of every step of a roll-out: one random direction of the commanded axes."""
    return motion.twist(direction(rng, len(task.axes)), 1.0, task.axes, length_m)


def direction(rng: np.random.Generator, count: int) -> Array:
    """Unit vector (count,), every direction alike."""
    vector = rng.normal(size=count)
    return np.asarray(vector / np.linalg.norm(vector))


def longest(task: Task, config: AnchoringConfig) -> float:
    """Longest step in metres."""
    return next((other.step_m for other in config.others if other.task == task.name), config.step_m)


def figures(task: Task, settings: Settings, found: list[Row]) -> dict[str, Any]:
    """``metrics.Consistency`` by magnitude; roll-outs without a place are left out and counted."""
    config = settings.anchoring
    good = [row for row in rows.usable(found) if row["wanted"]]
    if not good:
        raise StudyError(f"none of {len(found)} roll-outs has a place that touches nothing: check goal and held")
    wanted = np.concatenate([row["wanted"] for row in good])
    predicted = np.concatenate([row["predicted"] for row in good])  # (N, magnitudes, d + 1)
    magnitudes = [
        {"position_m": position, "rotation_deg": rotation, **losses(predicted[:, i], wanted)._asdict()}
        for i, (position, rotation) in enumerate(zip(config.position_error_m, config.rotation_error_deg, strict=True))
    ]
    counts = {"rollouts": len(good), "left_out": len(found) - len(good), "images": len(wanted)}
    return {**counts, "axes": list(task.axes), "magnitudes": magnitudes}


def losses(predicted: Array, wanted: Array) -> metrics.Consistency:
    """Of motions (N, d + 1), direction then speed."""
    return metrics.consistency(predicted[:, :-1], predicted[:, -1], wanted[:, :-1], wanted[:, -1])
