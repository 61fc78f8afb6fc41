"""Where trials start."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import motion
from kovis_ros.method.config import Task


def displacement(task: Task, rng: np.random.Generator, distance_m: float | None = None) -> NDArray[np.float64]:
    """Displacement (6,) from the goal of a start: 20-60 mm, unless given, and up to 20 deg on the commanded axes."""
    ranges, commanded = task.rollout, motion.axis_indices(task.axes)
    unit = rng.normal(size=6)
    unit[[i for i in range(6) if i not in commanded]] = 0.0
    distance = rng.uniform(*ranges.start_distance_m) if distance_m is None else distance_m
    unit[:3] *= distance / max(np.linalg.norm(unit[:3]), 1e-9)
    limit = np.radians(ranges.start_rotation_deg)
    unit[3:] *= limit * rng.uniform(0.0, 1.0) / max(np.linalg.norm(unit[3:]), 1e-9)
    tilt = np.radians(ranges.tilt_deg)
    unit[3:] += [0.0 if i in commanded else rng.uniform(-tilt, tilt) for i in (3, 4, 5)]
    return unit
