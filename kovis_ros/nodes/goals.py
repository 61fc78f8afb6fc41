"""An action server whose goals are advanced by a timer, one at a time, and end when the node says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node


class TimedActionServer(ActionServer):  # type: ignore[misc]
    """Goals run until ``finish``; nothing blocks and nothing waits in a coroutine.

    An execute callback that blocks cannot be cancelled on a single-threaded executor, and one that awaits is polled
    by rclpy's executor without a pause. Here rclpy calls it only once there is a result to return.
    A second goal is rejected while ``active`` is set; ``begin`` is called with the handle of an accepted one.
    """

    def __init__(self, node: Node, action: Any, name: str, begin: Callable[[ServerGoalHandle], None]) -> None:
        self.active: ServerGoalHandle | None = None
        self.logger = node.get_logger()
        self.name, self.begin = name, begin
        super().__init__(
            node,
            action,
            name,
            execute_callback=lambda handle: action.Result(),
            goal_callback=self._admit,
            handle_accepted_callback=self._start,
            cancel_callback=lambda handle: CancelResponse.ACCEPT,
        )

    def notify_execute(self, goal_handle: ServerGoalHandle, execute_callback: Any) -> None:
        """Schedule the callback that returns the result; without one (at the start) there is nothing to schedule."""
        if execute_callback is not None:
            super().notify_execute(goal_handle, execute_callback)

    def finish(self, outcome: str, result: Any) -> None:
        """End the active goal: ``outcome`` is succeed, abort or canceled; the result goes to the client."""
        handle, self.active = self.active, None
        if handle is None or not handle.is_active:
            return
        getattr(handle, outcome)()
        super().notify_execute(handle, lambda _: result)

    def _admit(self, goal: Any) -> GoalResponse:
        if self.active is not None:
            self.logger.warning(f"{self.name}: goal rejected: another is active, cancel it first")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _start(self, handle: ServerGoalHandle) -> None:
        self.active = handle
        handle.execute()
        self.begin(handle)
