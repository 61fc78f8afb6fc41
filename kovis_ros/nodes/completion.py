"""A task's completion motion: its steps, one after the other, through the arm's actions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from rclpy.action import ActionClient
from rclpy.node import Node
from unique_identifier_msgs.msg import UUID

from kovis_msgs.action import Gripper, MoveRelative
from kovis_ros.method import geometry
from kovis_ros.method.config import CompletionStep
from kovis_ros.method.robotiq_2f85 import GRIP_N

SILENCE_S = 4.0  # without answer and feedback; how long a step may take is the affair of the arm's node
COLLISION_SHARE = 0.5  # a contact before this share of the way is no arrival


class Completion:
    """Runs the steps of one goal; ``poll`` it from the control timer.

    owner (16,): id of the servo goal. The arm's goals carry its first 12 bytes, so that a log shows whose they are.
    After the end ``done`` is set, and ``fault`` says in one line why it failed, empty when all steps were carried out.
    """

    def __init__(self, clients: ArmClients, steps: Sequence[CompletionStep], owner: Any, now: float) -> None:
        self.clients, self.steps, self.owner = clients, list(steps), bytes(owner)[:12]
        self.done, self.fault = False, ""
        self.index = -1
        self._handle: Any = None
        self._settle_until = now
        self._deadline = np.inf
        self._waiting = False

    def poll(self, now: float) -> None:
        """Start the next step when the one before has ended and settled; notice an arm that says nothing any more."""
        if self.done or (self._waiting and now < self._deadline):
            return
        if self._waiting:
            self._fail(f"step {self.index + 1}: the arm said nothing for {SILENCE_S:g} s: look at its log")
        elif now >= self._settle_until:
            self._next(now)

    def cancel(self) -> None:
        """Stop what the arm does for us; answers that arrive later are ignored."""
        self.done = True
        if self._handle is not None:
            self._handle.cancel_goal_async()

    def _next(self, now: float) -> None:
        self.index += 1
        if self.index == len(self.steps):
            self.done = True
            return
        client, goal = self.clients.goal(self.steps[self.index])
        if not client.server_is_ready():
            self._fail(f"step {self.index + 1} needs the actions gripper and move_relative: start the arm node")
            return
        self._waiting, self._deadline = True, now + SILENCE_S
        self._settle_until = np.inf
        uuid = UUID(uuid=list(self.owner) + list((self.index + 1).to_bytes(4, "big")))
        heard = partial(self._heard, self.index)
        client.send_goal_async(goal, feedback_callback=heard, goal_uuid=uuid).add_done_callback(self._accepted)

    def _heard(self, index: int, feedback: Any) -> None:
        if index == self.index:
            self._deadline = self.clients.now() + SILENCE_S

    def _accepted(self, future: Any) -> None:
        handle = future.result()
        if self.done:  # cancelled meanwhile
            if handle.accepted:
                handle.cancel_goal_async()
            return
        if not handle.accepted:
            self._fail(f"step {self.index + 1} was rejected by the arm: look at its status")
            return
        self._handle = handle
        handle.get_result_async().add_done_callback(self._ended)

    def _ended(self, future: Any) -> None:
        self._handle = None
        if self.done:
            return
        fault = self.clients.fault(future.result().result, self.steps[self.index])
        if fault:
            self._fail(f"step {self.index + 1}: {fault}")
            return
        self._waiting = False
        self._settle_until = self.clients.now() + self.steps[self.index].settle_s

    def _fail(self, reason: str) -> None:
        self.fault = reason
        self.cancel()


class ArmClients:
    """The two actions of the arm node, and how a step becomes a goal."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.gripper = ActionClient(node, Gripper, "gripper")
        self.move = ActionClient(node, MoveRelative, "move_relative")

    def now(self) -> float:
        """Seconds of the node's clock."""
        return float(self.node.get_clock().now().nanoseconds) * 1e-9

    def goal(self, step: CompletionStep) -> tuple[ActionClient, Any]:
        """Client and goal of a step.  ValueError unless it is either a grip or a move."""
        if step.move_m is None and step.gripper_m is not None:
            return self.gripper, grip(step.gripper_m, step.force_n)
        if step.move_m is not None and step.gripper_m is None:
            return self.move, way(step.move_m, step.speed_mps, step.force_limit_n)
        raise ValueError(f"completion step {step} is not one thing: give either gripper_m or move_m")

    def fault(self, result: Any, step: CompletionStep) -> str:
        """Why an answer means failure, empty if it does not. A grip that holds an object has done its work."""
        if isinstance(result, Gripper.Result):
            good = result.reached or result.holding
        elif result.stopped_by == MoveRelative.Result.FORCE:
            good = result.travelled >= COLLISION_SHARE * geometry.norm(step.move_m or (0.0,))
        else:
            good = result.stopped_by == MoveRelative.Result.NOTHING
        return "" if good else (result.message or "the arm gave no reason")


def grip(opening_m: float, force_n: float) -> Gripper.Goal:
    """Goal of the fingers; the force as a share of what the gripper can."""
    share = (force_n - GRIP_N[0]) / (GRIP_N[1] - GRIP_N[0])
    return Gripper.Goal(position=float(opening_m), force=float(np.clip(share, 0.01, 1.0)))


def way(displacement_m: Sequence[float], speed_mps: float, force_limit_n: float) -> MoveRelative.Goal:
    """Goal of the tcp along a displacement (3,) in tool0."""
    length = geometry.norm(displacement_m)
    goal = MoveRelative.Goal(distance=length, speed=speed_mps, force_limit=force_limit_n)
    x, y, z = (np.asarray(displacement_m, float) / max(length, 1e-9)).tolist()
    goal.direction.linear.x, goal.direction.linear.y, goal.direction.linear.z = x, y, z
    return goal
