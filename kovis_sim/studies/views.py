"""Figure 7: what the networks make of pictures from several angles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kovis_ros.method.config import Task
from kovis_ros.method.plain_arrays import packed
from kovis_ros.method.policy import ServoPolicy
from kovis_sim.scene import Scene
from kovis_sim.studies import keypoints, rows
from kovis_sim.studies.rows import Row
from kovis_sim.studies.settings import Settings


class ViewJob(NamedTuple):
    """One picture."""

    task: Task
    checkpoint: str
    settings: Settings

    def __call__(self, index: int) -> Row:
        """Left image (H, W), its keypoints in network coordinates, predicted depth and segmentation."""
        scene, policy = rows.scene(self.task, "test"), rows.policy(self.checkpoint)
        return rows.tried(index, lambda: self.row(scene, policy, index))

    def row(self, scene: Scene, policy: ServoPolicy, index: int) -> Row:
        """The row itself."""
        config = self.settings.views
        keypoints.arrange(scene, np.random.default_rng([config.seed, index]))
        scene.new_camera(config.scale)
        scene.new_look()
        left, right = scene.stereo()
        found = policy.reconstruct(left, right, scene.K)
        depth = (1e4 * found.depth_m).clip(0, 65535).astype(np.uint16)  # 0.1 mm
        return Row(
            index=index, image=packed(left), keypoints=found.keypoints.round(5).tolist(),
            maps=packed(found.maps), depth=packed(depth), segmentation=packed(found.segmentation),
        )  # fmt: skip


def figures(task: Task, settings: Settings, found: list[Row]) -> dict[str, Any]:
    """The views themselves."""
    good = rows.usable(found)
    return {"views": good, "left_out": len(found) - len(good)}
