"""Can the scene of a task be built? Asked before long work, which would end there hours later."""

from __future__ import annotations

from kovis_ros.method.config import Task
from kovis_sim import goal_check
from kovis_sim.scene import Scene


def check(task: Task) -> None:
    """ConfigError for meshes that cannot be used, or a goal out of reach or in collision; a second or two."""
    Scene(task).close()
    goal_check.check_family(task)
