"""One trial in the running cell: what was touched when, and whether the completion motion did its work."""

from __future__ import annotations

import numpy as np

from kovis_sim.scene import Scene
from kovis_sim.shared_state import NAN, ArmState
from kovis_sim.success import past_goal_m, progress

BLOCKED_M = 0.002  # fingers this far from where they should be are held apart by something
CLOSING_M = 0.002  # a gripper asked to move by more than this has begun its completion motion
PUSHING_M = 0.005  # so has an arm that came as near to the goal as this and has gone on past it by as much


class Trial:
    """Follows the arm's state with the scene's physics and keeps the score. ``advance`` it in real time."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene, self.seed = scene, seed
        self.start_error = scene.error()
        self.stood_m = float(scene.world_T_target[2, 3])
        self.start_opening_m = scene.opening_m
        self.touched = self.completed = self._near = self._pushing = False
        self.greatest_n = 0.0  # contact force
        self.contacts = 0  # physics steps with contact
        self.force_n, self.blocked_opening_m = 0.0, NAN
        self._held_s = 0.0
        scene.settle()

    def advance(self, arm: ArmState, dt: float) -> None:
        """Drive the cell to the arm's state over ``dt`` seconds, then look at what touches."""
        blocked = np.isfinite(self.blocked_opening_m)
        opening = arm.opening_target_m if blocked else arm.opening_m  # held apart, the fingers go on pressing
        self.force_n = self.scene.follow(arm.q, opening, dt, arm.grip_n)
        apart = self.scene.opening_m - opening
        pressing = self.force_n > 0.0 and apart > BLOCKED_M
        self.blocked_opening_m = self.scene.opening_m if pressing else NAN
        self._score(arm, dt)

    def _score(self, arm: ArmState, dt: float) -> None:
        self.contacts += round(dt * 1e3) if self.force_n > 0.0 else 0
        completing = self._completing(arm)  # looked at in every step: it remembers how near the arm came
        self.touched = self.touched or (self.force_n > 0.0 and not completing)
        self.greatest_n = max(self.greatest_n, self.force_n)
        wanted = self.scene.task.success
        good = progress(self.scene, self.stood_m).enough(wanted, self.greatest_n)
        self._held_s = self._held_s + dt if good and not self.touched else 0.0
        self.completed = self.completed or self._held_s >= wanted.hold_s

    def _completing(self, arm: ArmState) -> bool:
        """Does the completion motion run: the gripper is asked to move, or the arm pushes from where it aligned?"""
        if self.scene.task.success.kind == "lift":
            return abs(arm.opening_target_m - self.start_opening_m) > CLOSING_M
        self._near = self._near or self.scene.error()[0] <= PUSHING_M
        self._pushing = self._pushing or (self._near and past_goal_m(self.scene) > PUSHING_M)
        return self._pushing
