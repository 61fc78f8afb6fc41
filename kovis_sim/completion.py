"""The completion motion with contacts, and what counts as success.

Gripper and arm follow ramps in steps of a tick; the same steps the robot runs through the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kovis_ros.method import geometry
from kovis_ros.method.config import CompletionStep
from kovis_sim import gripper

if TYPE_CHECKING:
    from kovis_sim.scene import Scene

TICK_S = 0.02
GRIPPER_MPS = 0.100
PENETRATION_M = 0.002  # deeper than this is no grasp but a fault of the simulation


class Outcome(NamedTuple):
    """What the completion did."""

    success: bool
    raised_m: float  # of the target, relative to where it stood
    penetration_m: float


def run(scene: Scene) -> Outcome:
    """Run the task's completion steps on the scene's cell, then hold and judge."""
    scene.settle()
    stood = scene.world_T_target.copy()
    motion = Motion(scene)
    for step in scene.task.completion:
        motion.step(step)
    return motion.judge(stood)


class Motion:
    """What the arm was told last: joint positions and opening, held while nothing else is asked for."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.q, self.opening_m = scene, scene.q, scene.opening_m

    def hold(self) -> None:
        """One tick of where the arm was told to be."""
        self.scene.follow(self.q, self.opening_m, TICK_S)

    def step(self, step: CompletionStep) -> None:
        """One step, then a pause for things to settle."""
        if step.gripper_m is not None:
            self.grip(step.gripper_m)
        if step.move_m is not None:
            self.move(np.asarray(step.move_m, float), step.speed_mps)
        for _ in range(round(step.settle_s / TICK_S)):
            self.hold()

    def grip(self, target_m: float) -> None:
        """Close or open the gripper at its speed."""
        opening, target = self.scene.opening_m, np.clip(target_m, 0.0, gripper.STROKE_M)
        ticks = max(int(np.ceil(abs(target - opening) / GRIPPER_MPS / TICK_S)), 1)
        for value in np.linspace(opening, target, ticks + 1)[1:]:
            self.opening_m = float(value)
            self.hold()

    def move(self, displacement_m: np.ndarray, speed_mps: float) -> None:
        """Move the tcp along a displacement (3,) in tool0."""
        start = self.scene.world_T_tcp
        ticks = max(int(np.ceil(np.linalg.norm(displacement_m) / speed_mps / TICK_S)), 1)
        for share in np.linspace(0.0, 1.0, ticks + 1)[1:]:
            self.q = self.scene.solve(start @ geometry.pose(displacement_m * share), self.q)
            self.hold()

    def judge(self, stood: np.ndarray) -> Outcome:
        """Is the target higher by the distance asked for, and does it stay so while nothing moves?"""
        wanted, scene = self.scene.task.success, self.scene
        lowest = np.inf
        for _ in range(round(wanted.hold_s / TICK_S)):
            self.hold()
            lowest = min(lowest, float(scene.world_T_target[2, 3] - stood[2, 3]))
        depth = scene.cell.penetration_m()
        return Outcome(lowest >= wanted.distance_m and depth <= PENETRATION_M, lowest, depth)
