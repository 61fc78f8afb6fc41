"""A small publisher of ``/diagnostics`` at 1 Hz, for where ROS has no diagnostic_updater."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

OK, WARN, ERROR, STALE = (DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE)


class Report(NamedTuple):
    """What one task has to say: a level, one line, and values by name."""

    level: bytes
    message: str
    values: dict[str, object]


class Diagnostics:
    """Publishes every added task once a second as ``<node>: <task>``; a task that raises is reported as ERROR."""

    def __init__(self, node: Node, hardware_id: str = "none") -> None:
        self.node, self.hardware_id = node, hardware_id
        self.tasks: dict[str, Callable[[], Report]] = {}
        self.publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.timer = node.create_timer(1.0, self.publish)

    def add(self, name: str, task: Callable[[], Report]) -> None:
        """Report ``task`` from now on."""
        self.tasks[name] = task

    def publish(self) -> None:
        """Send the present state of all tasks."""
        message = DiagnosticArray()
        message.header.stamp = self.node.get_clock().now().to_msg()
        message.status = [self._status(name, task) for name, task in self.tasks.items()]
        self.publisher.publish(message)

    def _status(self, name: str, task: Callable[[], Report]) -> DiagnosticStatus:
        try:
            report = task()
        except Exception as error:  # a fault in a report must not stop the node that it reports on
            report = Report(ERROR, f"{type(error).__name__}: {error}", {})
        values = [KeyValue(key=key, value=str(value)) for key, value in report.values.items()]
        title = f"{self.node.get_fully_qualified_name().lstrip('/')}: {name}"
        return DiagnosticStatus(
            level=report.level, name=title, message=report.message, hardware_id=self.hardware_id, values=values
        )


class Window:
    """The last ``size`` values of a quantity, and when they came; one thread may add while another asks."""

    def __init__(self, size: int = 300) -> None:
        self.values: deque[float] = deque(maxlen=size)
        self.times: deque[float] = deque(maxlen=size)

    def add(self, value: float, now: float) -> None:
        """Take a value at time ``now`` in seconds."""
        self.values.append(value)
        self.times.append(now)

    def percentile(self, share: float) -> float:
        """Percentile (0..100) of the values; NaN without any."""
        return float(np.percentile(list(self.values), share)) if self.values else float("nan")

    def rate(self, now: float, span: float = 5.0) -> float:
        """Values per second over the last ``span`` seconds, or since the window begins if it is full."""
        recent = [time for time in list(self.times) if time > now - span]  # a list at once: times may grow meanwhile
        full = len(recent) == self.times.maxlen
        return len(recent) / max(now - recent[0] if full else span, 1e-9)
