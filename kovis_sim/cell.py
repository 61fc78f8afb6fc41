"""The cell with contacts: arm, gripper, table and target as PyBullet moves them, in steps of 1 ms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kovis_ros.method import geometry, kinematics
from kovis_ros.method.config import Task
from kovis_ros.method.robotiq_2f85 import STROKE_M
from kovis_sim import gripper, robot
from kovis_sim.world import World

Array = NDArray[np.float64]
STEP_S = 1e-3
ARM_TORQUE = dict(zip(kinematics.JOINT_NAMES, (300.0, 300.0, 300.0, 90.0, 90.0, 90.0), strict=False))
TABLE_HALF = (0.7, 0.7, 0.02)


def pieces(pattern: str) -> list[Path]:
    """Convex pieces of a collision glob below the assets, or absolute; sorted."""
    path = robot.ASSETS / pattern
    return sorted(path.parent.glob(path.name)) if pattern else []


class Cell:
    """Physics of one task; joint state comes from outside and is followed by motors."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.world = World(step_s=STEP_S)
        self.world.add_box("table", TABLE_HALF, collides=True)
        self.world.set_pose("table", geometry.pose((0.5, 0.0, -TABLE_HALF[2])))
        self.world.add_robot("robot", robot.URDF)
        self.world.set_friction("robot", 0.8)
        self._add_target(pieces(task.target.collision))
        self._tool = ["robot"]  # what is moved by the arm
        if task.held.mesh:
            self.world.add_mesh("held", None, pieces(task.held.collision), task.held.mass_kg, friction=0.3)
            self.world.pass_through("held", "robot")
            self._tool.append("held")
        self._opening = STROKE_M

    def _add_target(self, solid: Sequence[Path]) -> None:
        self._solid = solid
        self.world.add_mesh("target", None, solid, self.task.target.mass_kg, friction=0.6)

    def take(self, solid: Sequence[Path]) -> None:
        """Another target, of convex pieces, in place of the one there."""
        self.world.put_away("target", str(self._solid[0]))
        if self.world.take_out("target", str(solid[0])):
            self._solid = solid
        else:
            self._add_target(solid)

    def place(self, q: ArrayLike, opening_m: float, world_T_target: ArrayLike, tool0_T_held: Array) -> None:
        """Put everything somewhere, at rest; without a held object its pose is of no account."""
        self.world.set_joints("robot", robot.joint_targets(q, opening_m))
        self.world.set_pose("target", world_T_target)
        if "held" in self._tool:
            self.world.set_pose("held", kinematics.forward(q) @ tool0_T_held)
        self._opening = opening_m

    def grip(self, tool0_T_held: Array) -> None:
        """Hold the held object where it is in the hand, with the force of the grip."""
        if "held" in self._tool:
            self.world.attach("held", "robot", "tool0", tool0_T_held, self.task.held.grip_force_n)

    def touching(self, q: ArrayLike, opening_m: float, world_T_target: ArrayLike, tool0_T_held: Array) -> bool:
        """Would the robot or what it holds touch the target or the table there?"""
        self.place(q, opening_m, world_T_target, tool0_T_held)
        self.world.find_contacts()
        return any(self.world.contacts(tool, other) for tool in self._tool for other in ("target", "table"))

    def follow(self, q: ArrayLike, opening_m: float, dt: float, grip_n: float = gripper.GRIP_N) -> None:
        """Drive arm (rad) and gripper (m, each pad with ``grip_n`` N at most) towards a state for ``dt`` seconds."""
        count = max(int(round(dt / STEP_S)), 1)
        start = self.world.joints("robot", kinematics.JOINT_NAMES)
        goal = np.asarray(q, float)
        torque = dict(ARM_TORQUE)
        for side in ("right", "left"):
            torque[f"{side}_outer_joint"] = robot.finger_torque(grip_n)
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
        """Sum of contact forces between robot, held object and all else, N."""
        pairs = [(tool, other) for tool in self._tool for other in ("target", "table")]
        return sum(c.force_n for pair in pairs for c in self.world.contacts(*pair))

    def penetration_m(self) -> float:
        """Deepest penetration of the target by robot, held object or table, metres."""
        points = [c for body in (*self._tool, "table") for c in self.world.contacts(body, "target")]
        return max((-c.distance_m for c in points), default=0.0)

    def pinched(self) -> bool:
        """Is some of the target between the pegs: do they press on it instead of reaching into a hole?"""
        ends = [(self.world.link_pose("robot", f"{side}_tip") @ gripper.PEG_END)[:3] for side in ("right", "left")]
        return self.world.first_hit(*ends) == "target"

    def opening_m(self) -> float:
        """Opening between the pads as it is."""
        turns = self.world.joints("robot", ("right_outer_joint", "left_outer_joint"))
        return gripper.opening(float(np.mean(turns)))

    def q(self) -> Array:
        """Joint positions (6,) as they are, rad."""
        return self.world.joints("robot", kinematics.JOINT_NAMES)
