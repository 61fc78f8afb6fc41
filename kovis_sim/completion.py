"""The completion motion with contacts, and what counts as success.

Gripper and arm follow ramps in steps of a tick; the same steps the robot runs through the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kovis_ros.method import geometry
from kovis_ros.method.config import CompletionStep
from kovis_ros.method.robotiq_2f85 import STROKE_M
from kovis_sim import gripper
from kovis_sim.success import progress

if TYPE_CHECKING:
    from kovis_sim.scene import Scene

TICK_S = 0.02
GRIPPER_MPS = 0.100


class Outcome(NamedTuple):
    """What the completion did; distance, lateral and penetration are the worst while nothing moved."""

    success: bool
    distance_m: float  # height gained by the target, or depth of the held object below the rim
    lateral_m: float  # of the held object from the goal's axis
    penetration_m: float
    pinched: bool  # at any moment
    force_n: float  # greatest contact force


def run(scene: Scene) -> Outcome:
    """Run the task's completion steps on the scene's cell, then hold and judge."""
    scene.settle()
    stood_m = float(scene.world_T_target[2, 3])
    motion = Motion(scene)
    for step in scene.task.completion:
        motion.step(step)
    return motion.judge(stood_m)


class Motion:
    """What the arm was told last: joint positions, opening and grip, held while nothing else is asked for."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.q, self.opening_m = scene, scene.q, scene.opening_m
        self.grip_n, self.greatest_n = gripper.GRIP_N, 0.0

    def hold(self) -> float:
        """One tick of where the arm was told to be; the contact force, N."""
        force_n = self.scene.follow(self.q, self.opening_m, TICK_S, self.grip_n)
        self.greatest_n = max(self.greatest_n, force_n)
        return force_n

    def step(self, step: CompletionStep) -> None:
        """One step, then a pause for things to settle.  ValueError unless it is either a grip or a move."""
        if step.move_m is None and step.gripper_m is not None:
            self.grip(step.gripper_m, step.force_n)
        elif step.move_m is not None and step.gripper_m is None:
            self.move(np.asarray(step.move_m, float), step.speed_mps, step.force_limit_n)
        else:
            raise ValueError(f"completion step {step} is not one thing: give either gripper_m or move_m")
        for _ in range(round(step.settle_s / TICK_S)):
            self.hold()

    def grip(self, target_m: float, grip_n: float) -> None:
        """Close or open the gripper at its speed; from now on each pad presses with ``grip_n`` N at most."""
        self.grip_n = grip_n
        opening, target = self.scene.opening_m, np.clip(target_m, 0.0, STROKE_M)
        ticks = max(int(np.ceil(abs(target - opening) / GRIPPER_MPS / TICK_S)), 1)
        for value in np.linspace(opening, target, ticks + 1)[1:]:
            self.opening_m = float(value)
            self.hold()

    def move(self, displacement_m: np.ndarray, speed_mps: float, force_limit_n: float) -> None:
        """Move the tcp along a displacement (3,) in tool0, until the contact force has changed by the limit."""
        start, before_n = self.scene.world_T_tcp, self.scene.cell.contact_force()
        ticks = max(int(np.ceil(np.linalg.norm(displacement_m) / speed_mps / TICK_S)), 1)
        for share in np.linspace(0.0, 1.0, ticks + 1)[1:]:
            self.q = self.scene.solve(start @ geometry.pose(displacement_m * share), self.q)
            if abs(self.hold() - before_n) > force_limit_n > 0.0:
                return

    def judge(self, stood_m: float) -> Outcome:
        """Has the task's distance been gained, and does it stay so, in everything asked for, while nothing moves?"""
        wanted = self.scene.task.success
        worst = progress(self.scene, stood_m)
        for _ in range(round(wanted.hold_s / TICK_S)):
            self.hold()
            worst = worst.worse(progress(self.scene, stood_m))
        return Outcome(worst.enough(wanted, self.greatest_n), *worst, self.greatest_n)
