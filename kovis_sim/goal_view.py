"""What the nominal camera sees at the goal, and the landmarks that are chosen there."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry
from kovis_ros.method.config import ConfigError, Task
from kovis_ros.method.images import intrinsics
from kovis_sim.camera import StereoCamera
from kovis_sim.landmarks import COUNT, VIEW_PX, Landmarks, View, corners, in_front, moved, unproject
from kovis_sim.revolution import revolution
from kovis_sim.stage import ROBOT, TARGET, Stage

Array = NDArray[np.float64]


class GoalView:
    """Picture of a stage at the goal, in the frame of the target; nothing but the task's own bodies shows."""

    def __init__(
        self, stage: Stage, stereo: StereoCamera, opening_m: float, target_T_tool0: Array, target_T_held: Array
    ) -> None:
        self.task, self._stage = stage.task, stage
        self.target_T_tool0, self.target_T_held = target_T_tool0, target_T_held
        self.eye, self.K = target_T_tool0 @ stereo.tool0_T_centre, intrinsics(stereo.field_of_view_deg, VIEW_PX)
        stage.pose(target_T_tool0, opening_m, np.eye(4), target_T_held)
        with stage.hidden(stage.distractors):  # they begin at the origin, inside the target
            self.picture = stage.shapes(self.eye, self.K, VIEW_PX)
        self.classes = stage.classes(self.picture)
        self._view = View(unproject(self.picture.depth, self.K), stereo.baseline_m, self.K)

    def landmarks(self) -> Landmarks:
        """Of target, gripper and held object, spread over each.

        A held object and target and fingers hide parts of each other: corners are then looked for on each alone. The
        held object's landmarks lie on the half of it that leads; the first is its origin, that of a target to seat it
        on is the middle of the rim. ConfigError when there is too little to see.
        """
        target, robot = self.classes == TARGET, self.classes == ROBOT
        on_gripper = partial(self._choose, "gripper", self.target_T_tool0)
        if not self.task.held.mesh:
            return Landmarks(
                self._choose("target", np.eye(4), target, COUNT), on_gripper(robot, COUNT), np.zeros(COUNT, bool)
            )
        axis = meeting(self.task, self.target_T_held)
        on_target = self._choose(
            "target", np.eye(4), target & in_front(self._view.points), COUNT - len(axis), self._corners("target")
        )
        in_hand = self.picture.body == self._stage.world.number("held")
        lead = (geometry.inverse(self.eye) @ self.target_T_held)[:3, 3]
        on_held = self._choose(
            "held object", self.target_T_held, in_hand, COUNT // 2 - len(axis), self._corners("held"), lead
        )
        held, tool = np.arange(COUNT) % 2 == 0, np.empty((COUNT, 3))
        tool[held], tool[~held] = np.vstack([0.0 * axis, on_held]), on_gripper(robot & ~in_hand, COUNT // 2)
        round_ = revolution(self.task.symmetry, self.target_T_held, self.eye)
        return Landmarks(np.vstack([axis, on_target]), tool, held, round_)

    def _choose(self, what: str, target_T_object: Array, *how: Any) -> Array:
        """Points (count, 3) in the frame of an object; ``how``: arguments of ``View.choose``."""
        try:
            return moved(self._view.choose(*how), geometry.inverse(target_T_object) @ self.eye)
        except ValueError as error:
            raise ConfigError(
                f"task {self.task.name}: of the {what} at the goal {error}: check goal, camera.eye_m and look_at_m"
            ) from error

    def _corners(self, name: str) -> Array:
        """Corners (S, S) of one body with nothing before it."""
        picture = self._stage.shape(name, self.eye, self.K, VIEW_PX)
        return corners(unproject(picture.depth, self.K), picture.body == self._stage.world.number(name))


def meeting(task: Task, target_T_held: Array) -> Array:
    """(1, 3): where the held object's origin meets the target's rim, target frame; (0, 3) of a task without one."""
    if task.success.kind != "seat":
        return np.empty((0, 3))
    x, y, _ = target_T_held[:3, 3]
    return np.array([[x, y, task.success.rim_m]])
