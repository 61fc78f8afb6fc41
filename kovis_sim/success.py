"""What counts as success, looked at in physics: the target lifted, or the held object seated."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kovis_ros.method import geometry
from kovis_ros.method.config import SuccessConfig

if TYPE_CHECKING:
    from kovis_sim.scene import Scene

PENETRATION_M = 0.002  # deeper than this is no grasp or fit but a fault of the simulation


class Progress(NamedTuple):
    """How far the completion is."""

    distance_m: float  # height gained by the target, or depth of the held object's origin below the rim
    lateral_m: float  # of the held object's origin from the goal's axis; 0 for a lift
    penetration_m: float
    pinched: bool = False  # the fingertips' pegs press on the target in place of reaching into its hole

    def worse(self, other: Progress) -> Progress:
        """The worse of two moments, number by number."""
        return Progress(
            min(self.distance_m, other.distance_m),
            max(self.lateral_m, other.lateral_m),
            max(self.penetration_m, other.penetration_m),
            self.pinched or other.pinched,
        )

    def enough(self, wanted: SuccessConfig, force_n: float) -> bool:
        """Is this what the task asks for, with the greatest contact force on the way?"""
        gained = self.distance_m >= wanted.distance_m
        done = gained and self.penetration_m <= PENETRATION_M and force_n <= wanted.force_n
        if wanted.kind == "lift":
            return done and not (wanted.hook and self.pinched)
        return done and self.lateral_m <= wanted.lateral_m


def progress(scene: Scene, stood_m: float) -> Progress:
    """Where the completion stands; ``stood_m``: height of the target before it."""
    depth = scene.cell.penetration_m()
    if scene.task.success.kind == "lift":
        return Progress(float(scene.world_T_target[2, 3]) - stood_m, 0.0, depth, scene.cell.pinched())
    held = (geometry.inverse(scene.world_T_target) @ scene.world_T_held)[:3, 3]
    aside = held[:2] - scene.target_T_goal[:2, 3]
    return Progress(scene.task.success.rim_m - float(held[2]), float(np.linalg.norm(aside)), depth)


def past_goal_m(scene: Scene) -> float:
    """How far the held object has gone from its goal towards the rim and beyond, metres along the target's z."""
    held = geometry.inverse(scene.world_T_target) @ scene.world_T_held
    return float(scene.target_T_goal[2, 3] - held[2, 3])
