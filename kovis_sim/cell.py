"""The cell with contacts: arm, gripper, table and target as PyBullet moves them, in steps of 1 ms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kovis_ros.method import geometry, kinematics
from kovis_ros.method.config import Task
from kovis_sim import gripper, robot
from kovis_sim.world import World

Array = NDArray[np.float64]
STEP_S = 1e-3
ARM_TORQUE = dict(zip(kinematics.JOINT_NAMES, (300.0, 300.0, 300.0, 90.0, 90.0, 90.0), strict=False))
TABLE_HALF = (0.7, 0.7, 0.02)


def pieces(pattern: str) -> list[Path]:
    """Convex pieces of a collision glob, sorted."""
    return sorted(robot.ASSETS.glob(pattern)) if pattern else []


class Cell:
    """Physics of one task; joint state comes from outside and is followed by motors."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.world = World(step_s=STEP_S)
        self.world.add_box("table", TABLE_HALF, collides=True)
        self.world.set_pose("table", geometry.pose((0.5, 0.0, -TABLE_HALF[2])))
        self.world.add_robot("robot", robot.URDF)
        self.world.set_friction("robot", 0.8)
        self.world.add_mesh("target", None, pieces(task.target.collision), task.target.mass_kg, friction=0.6)
        self._opening = gripper.STROKE_M

    def place(self, q: ArrayLike, opening_m: float, world_T_target: ArrayLike) -> None:
        """Put everything somewhere, at rest."""
        self.world.set_joints("robot", robot.joint_targets(q, opening_m))
        self.world.set_pose("target", world_T_target)
        self._opening = opening_m

    def touching(self, q: ArrayLike, opening_m: float, world_T_target: ArrayLike) -> bool:
        """Would the robot touch the target or the table there?"""
        self.place(q, opening_m, world_T_target)
        self.world.find_contacts()
        return bool(self.world.contacts("robot", "target") or self.world.contacts("robot", "table"))

    def follow(self, q: ArrayLike, opening_m: float, dt: float, force_n: float = 40.0) -> None:
        """Drive arm (rad) and gripper (m) towards a state for ``dt`` seconds."""
        count = max(int(round(dt / STEP_S)), 1)
        start = self.world.joints("robot", kinematics.JOINT_NAMES)
        goal = np.asarray(q, float)
        torque = dict(ARM_TORQUE)
        for side in ("right", "left"):
            torque[f"{side}_outer_joint"] = robot.finger_torque(force_n)
            torque[f"{side}_inner_joint"] = torque[f"{side}_tip_joint"] = 20.0
        first = self._opening
        for i in range(count):
            share = (i + 1) / count
            opening = first + share * (opening_m - first)
            targets = robot.joint_targets(start + share * (goal - start), opening)
            self._parallel(targets)
            self.world.drive("robot", targets, torque)
            self.world.step()
        self._opening = opening_m

    def _parallel(self, targets: dict[str, float]) -> None:
        """Fingertips stay parallel to where the outer links really are, not to where they should be."""
        actual = self.world.joints("robot", ("right_outer_joint", "left_outer_joint"))
        for side, turn in zip(("right", "left"), actual, strict=False):
            targets[f"{side}_tip_joint"], targets[f"{side}_inner_joint"] = -float(turn), float(turn)

    def contact_force(self) -> float:
        """Sum of contact forces between the robot and all else, N."""
        return sum(c.force_n for other in ("target", "table") for c in self.world.contacts("robot", other))

    def penetration_m(self) -> float:
        """Deepest penetration of the target by robot or table, metres."""
        points = self.world.contacts("robot", "target") + self.world.contacts("target", "table")
        return max((-c.distance_m for c in points), default=0.0)

    def opening_m(self) -> float:
        """Opening between the pads as it is."""
        turns = self.world.joints("robot", ("right_outer_joint", "left_outer_joint"))
        return gripper.opening(float(np.mean(turns)))

    def q(self) -> Array:
        """Joint positions (6,) as they are, rad."""
        return self.world.joints("robot", kinematics.JOINT_NAMES)
