"""A task's completion motion: its steps, one after the other, through the arm's actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rclpy.action import ActionClient
from rclpy.node import Node
from unique_identifier_msgs.msg import UUID

from kovis_msgs.action import Gripper, MoveRelative
from kovis_ros.method import geometry
from kovis_ros.method.config import CompletionStep

GRIPPER_TIMEOUT_S = 6.0
SLACK_S = 5.0  # beyond distance / speed
GRIP_N = (20.0, 235.0)  # 2F-85: weakest and strongest grip, by its data sheet
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
        """Start the next step when the one before has ended and settled; notice what takes too long."""
        if self.done or (self._waiting and now < self._deadline):
            return
        if self._waiting:
            self._fail(f"step {self.index + 1} had no answer in time: look at the arm's status")
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
        step = self.steps[self.index]
        client, goal, allowed = self.clients.goal(step)
        if not client.server_is_ready():
            self._fail(f"step {self.index + 1} needs the actions gripper and move_relative: start the arm node")
            return
        self._waiting, self._deadline = True, now + allowed
        self._settle_until = np.inf
        uuid = UUID(uuid=list(self.owner) + list((self.index + 1).to_bytes(4, "big")))
        client.send_goal_async(goal, goal_uuid=uuid).add_done_callback(self._accepted)

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

    def goal(self, step: CompletionStep) -> tuple[ActionClient, Any, float]:
        """Client, goal and seconds allowed for a step."""
        if step.move_m is None:
            opening = float(step.gripper_m or 0.0)
            share = (step.force_n - GRIP_N[0]) / (GRIP_N[1] - GRIP_N[0])
            goal = Gripper.Goal(position=opening, force=float(np.clip(share, 0.01, 1.0)))
            return self.gripper, goal, GRIPPER_TIMEOUT_S
        way = np.asarray(step.move_m, float)
        length = float(np.linalg.norm(way))
        goal = MoveRelative.Goal(distance=length, speed=step.speed_mps, force_limit=step.force_limit_n)
        x, y, z = (way / max(length, 1e-9)).tolist()
        goal.direction.linear.x, goal.direction.linear.y, goal.direction.linear.z = x, y, z
        return self.move, goal, length / step.speed_mps + SLACK_S

    def fault(self, result: Any, step: CompletionStep) -> str:
        """Why an answer means failure, empty if it does not. A grip that holds an object has done its work."""
        if isinstance(result, Gripper.Result):
            good = result.reached or result.holding
        elif result.stopped_by == MoveRelative.Result.FORCE:
            good = result.travelled >= COLLISION_SHARE * geometry.norm(step.move_m or (0.0,))
        else:
            good = result.stopped_by == MoveRelative.Result.NOTHING
        return "" if good else (result.message or "the arm gave no reason")
