"""Table I: how far keypoints move when background, texture or light change and the scene does not."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry, metrics
from kovis_ros.method.config import Task
from kovis_ros.method.policy import ServoPolicy, in_network
from kovis_sim import appearance, camera
from kovis_sim.appearance import Look
from kovis_sim.scene import Scene
from kovis_sim.studies import rows
from kovis_sim.studies.rows import Row
from kovis_sim.studies.settings import KeypointConfig, Settings

PERTURBATIONS = ("background", "texture", "lighting", "all")


class KeypointJob(NamedTuple):
    """One stereo pair, plain and perturbed in each way; the camera's mount is exact, as in the paper."""

    task: Task
    checkpoint: str
    settings: Settings

    def __call__(self, index: int) -> Row:
        """Keypoints (2, K, 3) in network coordinates by perturbation, and ``none``."""
        scene, policy = rows.scene(self.task, "test", sensor=False), rows.policy(self.checkpoint)
        return rows.tried(index, lambda: self.row(scene, policy, index))

    def row(self, scene: Scene, policy: ServoPolicy, index: int) -> Row:
        """The row itself."""
        config, rng = self.settings.keypoints, np.random.default_rng([self.settings.keypoints.seed, index])
        arrange(scene, rng)
        row = Row(index=index)
        for name, look in looks(config, self.task, rng).items():
            scene.dress(look, np.random.default_rng([config.seed, index, 1]))
            row[name] = seen(scene, policy).round(5).tolist()
        return row


def arrange(scene: Scene, rng: np.random.Generator) -> None:
    """Target anywhere, camera exact, tcp somewhere on the way from a start to the goal."""
    scene.rng = rng
    scene.place_target()
    scene.camera = camera.nominal(scene.task.camera)
    scene.start()
    scene.put(geometry.interpolate(scene.world_T_tcp, scene.world_T_goal, float(rng.random())))


def looks(config: KeypointConfig, task: Task, rng: np.random.Generator) -> dict[str, Look]:
    """The plain look and what each perturbation makes of it; patterns are of the family that training lacks."""
    holding, count = bool(task.held.mesh), task.appearance.distractors
    plain = appearance.draw(dataclasses.replace(config.plain, distractors=count), rng, "train", holding)
    other = appearance.draw(dataclasses.replace(config.perturbed, distractors=count), rng, "test", holding)
    ground = plain._replace(
        background=other.background,
        table_to_texture=other.table_to_texture,
        table_grey=other.table_grey,
        distractors=other.distractors,
    )
    skin = plain._replace(target=other.target, gripper=other.gripper, held=other.held)
    return {
        "none": plain, "background": ground, "texture": skin, "lighting": plain._replace(light=other.light),
        "all": other,
    }  # fmt: skip


def seen(scene: Scene, policy: ServoPolicy) -> NDArray[np.float64]:
    """Keypoints (2, K, 3) of both eyes in network coordinates."""
    found = policy.keypoints(*scene.stereo(), scene.K)
    return np.asarray([in_network(eye, found.crop) for eye in found[:2]], float)


def figures(task: Task, settings: Settings, found: list[Row]) -> dict[str, Any]:
    """``metrics.Stability`` by perturbation."""
    good = rows.usable(found)
    points = {name: np.concatenate([row[name] for row in good]) for name in ("none", *PERTURBATIONS)}
    changes = {name: metrics.stability(points["none"], points[name])._asdict() for name in PERTURBATIONS}
    counts = {"images": len(good), "left_out": len(found) - len(good), "keypoints": points["none"].shape[1]}
    return {**counts, "changes": changes}
