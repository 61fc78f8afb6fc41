"""Is the goal in reach and free?

Wherever the target stands, however the held object lies in the hand, and for every member of a family.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry, kinematics
from kovis_ros.method.config import ConfigError, Task
from kovis_sim import family, hand, mugs, robot
from kovis_sim.cell import Cell

Array = NDArray[np.float64]


class Way(NamedTuple):
    """One way in which the goal must be free."""

    world_T_target: Array
    target_T_goal: Array
    tcp_T_held: Array
    words: str
    remedy: str


def check(task: Task, cell: Cell) -> None:
    """ConfigError unless the goal is free with target and held object at every corner of their ranges.

    Tried in ``cell``, whose target is the nominal one; it is left as the last corner has it.
    """
    for way in (*places(task), *in_hand(task)):
        _expect_free(task, cell, way)


def check_family(task: Task) -> None:
    """ConfigError unless the goal is free for every member of a family; for before long work: their meshes are made."""
    if not task.target.family:
        return
    cell = Cell(task)
    try:
        for mug in mugs.family():
            member = family.member(mug)
            cell.take(member.pieces)
            words = f"with the mug of {1e3 * mug.height:.0f} mm and radius {1e3 * mug.radius:.0f} mm"
            goal = geometry.pose(member.goal_shift_m) @ hand.target_T_goal(task)
            way = Way(_middle(task), goal, hand.nominal(task.held), words, "raise goal.position_m")
            _expect_free(task, cell, way)
    finally:
        cell.world.close()


def places(task: Task) -> Iterator[Way]:
    """The target at each corner of its range."""
    (x0, x1), (y0, y1) = task.target.position_range_m
    for x, y, yaw_deg in product((x0, x1), (y0, y1), task.target.yaw_range_deg):
        words = f"with the target at ({x:.2f}, {y:.2f}) m, {yaw_deg:.0f} deg"
        remedy = "raise goal.position_m or check the collision pieces"
        yield Way(_standing(x, y, yaw_deg), hand.target_T_goal(task), hand.nominal(task.held), words, remedy)


def in_hand(task: Task) -> Iterator[Way]:
    """The held object at each corner of its range. Nothing held: none.

    Where the target stands is of no account here: all that could touch moves with it, and the table is level.
    """
    for off in hand.extremes(task.held):
        words = f"with the object off in the hand by {_listed(1e3 * off[:3])} mm and {_listed(np.degrees(off[3:]))} deg"
        remedy = "raise goal.position_m, or narrow held.position_range_m and rotation_range_deg"
        tcp_T_held = geometry.exp(off) @ hand.nominal(task.held)
        yield Way(_middle(task), hand.target_T_goal(task), tcp_T_held, words, remedy)


def _middle(task: Task) -> Array:
    """``world_T_target`` (4, 4) in the middle of its range."""
    x, y, yaw_deg = (sum(limits) / 2.0 for limits in (*task.target.position_range_m, task.target.yaw_range_deg))
    return _standing(x, y, yaw_deg)


def _standing(x: float, y: float, yaw_deg: float) -> Array:
    """``world_T_target`` (4, 4) at a place of the table, metres."""
    return geometry.pose_rpy((x, y, 0.0), (0.0, 0.0, np.radians(yaw_deg)))


def _expect_free(task: Task, cell: Cell, way: Way) -> None:
    """ConfigError when the arm cannot be at the goal, or something touches there."""
    tool0_T_tcp = geometry.pose((0.0, 0.0, task.tcp_offset_m))
    world_T_tcp = hand.tcp_goal(task, way.world_T_target @ way.target_T_goal, way.tcp_T_held)
    goal = f"task {task.name}: goal {way.words}"
    try:
        q = kinematics.nearest(world_T_tcp @ geometry.inverse(tool0_T_tcp), np.asarray(robot.READY_Q))
    except kinematics.Unreachable as error:
        raise ConfigError(f"{goal} is out of reach ({error}): check goal and target ranges") from error
    if cell.touching(q, task.held.grip_m, way.world_T_target, tool0_T_tcp @ way.tcp_T_held):
        raise ConfigError(f"{goal} is in collision: {way.remedy}")


def _listed(values: Array) -> str:
    """Numbers in brackets."""
    return f"[{', '.join(f'{value:.3g}' for value in values)}]"
