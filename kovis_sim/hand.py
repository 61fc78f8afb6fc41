"""How an object is held, and where the tcp must be for it; an empty hand holds an imaginary one at the tcp."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry, motion
from kovis_ros.method.config import HeldConfig, Task

Array = NDArray[np.float64]


def nominal(held: HeldConfig) -> Array:
    """``tcp_T_held`` (4, 4) as designed."""
    return geometry.pose_rpy(held.position_m, np.radians(held.rpy_deg))


def draw(held: HeldConfig, rng: np.random.Generator) -> Array:
    """``tcp_T_held`` (4, 4) of a trial: nominal, off by up to the ranges of the task. Nothing held: no draw."""
    if not held.mesh:
        return nominal(held)
    return geometry.exp(rng.uniform(-1.0, 1.0, 6) * _ranges(held)) @ nominal(held)


def extremes(held: HeldConfig) -> Iterator[Array]:
    """Displacements (6,), m and rad, to the corners of what ``draw`` draws from, in tcp axes. Nothing held: none."""
    if not held.mesh:
        return
    varied = np.flatnonzero(_ranges(held))
    for signs in product((-1.0, 1.0), repeat=len(varied)):
        off = np.zeros(6)
        off[varied] = signs * _ranges(held)[varied]
        yield off


def _ranges(held: HeldConfig) -> Array:
    """Half ranges (6,) of the pose in the hand, m and rad."""
    return np.concatenate([held.position_range_m, np.radians(held.rotation_range_deg)])


def shifted(held: HeldConfig, rng: np.random.Generator, offset_m: float) -> Array:
    """``tcp_T_held`` (4, 4) with the object ``offset_m`` off in a random direction, and turned as ``draw`` does."""
    if not held.mesh:
        return nominal(held)
    direction = rng.normal(size=3)
    turn = rng.uniform(-1.0, 1.0, 3) * np.radians(held.rotation_range_deg)
    shift = direction * (offset_m / max(float(np.linalg.norm(direction)), 1e-9))
    return geometry.exp(np.concatenate([shift, turn])) @ nominal(held)


def target_T_goal(task: Task) -> Array:
    """Where what is held, or the tcp, stands at the goal of the nominal target, (4, 4)."""
    return geometry.pose_rpy(task.goal.position_m, np.radians(task.goal.rpy_deg))


def tcp_goal(task: Task, world_T_held_goal: Array, tcp_T_held: Array) -> Array:
    """Where the tcp stands when the held object is at its goal, as far as the commanded axes can bring it."""
    if not task.held.mesh:
        return world_T_held_goal
    upright = world_T_held_goal @ geometry.inverse(nominal(task.held))
    return motion.tcp_goal(upright, world_T_held_goal, task.axes, task.symmetry, tcp_T_held)
