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
    for step in scene.task.completion:
        _step(scene, step)
    return judge(scene, stood)


def judge(scene: Scene, stood: np.ndarray) -> Outcome:
    """Is the target higher by the distance asked for, and does it stay so while nothing moves?"""
    wanted = scene.task.success
    lowest = np.inf
    for _ in range(int(round(wanted.hold_s / TICK_S))):
        scene.follow(scene.goal_hold, scene.grip_hold, TICK_S)
        lowest = min(lowest, float(scene.world_T_target[2, 3] - stood[2, 3]))
    depth = scene.cell.penetration_m()
    return Outcome(lowest >= wanted.distance_m and depth <= PENETRATION_M, lowest, depth)


def _step(scene: Scene, step: CompletionStep) -> None:
    """One step, then a pause for things to settle."""
    if step.gripper_m is not None:
        _grip(scene, step.gripper_m)
    if step.move_m is not None:
        _move(scene, np.asarray(step.move_m, float), step.speed_mps)
    for _ in range(int(round(step.settle_s / TICK_S))):
        scene.follow(scene.goal_hold, scene.grip_hold, TICK_S)


def _grip(scene: Scene, target_m: float) -> None:
    scene.goal_hold = scene.q
    opening = scene.opening_m
    ticks = max(int(np.ceil(abs(target_m - opening) / GRIPPER_MPS / TICK_S)), 1)
    for value in np.linspace(opening, np.clip(target_m, 0.0, gripper.STROKE_M), ticks + 1)[1:]:
        scene.grip_hold = float(value)
        scene.follow(scene.goal_hold, scene.grip_hold, TICK_S)


def _move(scene: Scene, displacement_m: np.ndarray, speed_mps: float) -> None:
    start = scene.world_T_tcp
    ticks = max(int(np.ceil(np.linalg.norm(displacement_m) / speed_mps / TICK_S)), 1)
    for share in np.linspace(0.0, 1.0, ticks + 1)[1:]:
        pose = start @ geometry.pose(displacement_m * share)
        scene.goal_hold = scene._solve(pose, scene.goal_hold)
        scene.follow(scene.goal_hold, scene.grip_hold, TICK_S)
