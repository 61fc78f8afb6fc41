"""Is the goal free of contact however the object lies in the hand, and for every member of a family?

A cell of its own is looked at, so that the scene's stays as it is. Where the target stands is of no account: all that
could touch moves with it, and the table is level.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry, kinematics
from kovis_ros.method.config import Task
from kovis_sim import family, hand, mugs, robot
from kovis_sim.cell import Cell, pieces
from kovis_sim.family import Member

Array = NDArray[np.float64]


class Way(NamedTuple):
    """One way in which the goal must be free."""

    member: Member
    tcp_T_held: Array
    words: str
    remedy: str


def in_hand(task: Task) -> Iterator[Way]:
    """The nominal target with the held object at each corner of its range. Nothing held: none."""
    nominal = Member(robot.ASSETS / task.target.mesh, tuple(pieces(task.target.collision)), (0.0, 0.0, 0.0))
    for off in hand.extremes(task.held):
        words = f"with the object off in the hand by {_listed(1e3 * off[:3])} mm and {_listed(np.degrees(off[3:]))} deg"
        remedy = "raise goal.position_m, or narrow held.position_range_m and rotation_range_deg"
        yield Way(nominal, geometry.exp(off) @ hand.nominal(task.held), words, remedy)


def members(task: Task) -> Iterator[Way]:
    """Every member of the target's family, those held out too. Without a family: none."""
    for mug in mugs.family() if task.target.family else ():
        words = f"with the mug of {1e3 * mug.height:.0f} mm and radius {1e3 * mug.radius:.0f} mm"
        yield Way(family.member(mug), hand.nominal(task.held), words, "raise goal.position_m")


def touching(task: Task, target_T_goal: Array, ways: Iterable[Way]) -> Way | None:
    """The first way in which something touches at the goal; ``kinematics.Unreachable`` when the arm cannot be there.

    target_T_goal: of the nominal target.
    """
    cell: Cell | None = None
    try:
        for way in ways:
            cell = cell or Cell(task)
            if _touches(cell, task, target_T_goal, way):
                return way
    finally:
        if cell:
            cell.world.close()
    return None


def _touches(cell: Cell, task: Task, target_T_goal: Array, way: Way) -> bool:
    """Does anything touch with the target in the middle of its range and the arm at the goal?"""
    cell.take(way.member.pieces)
    x, y, yaw = (sum(limits) / 2.0 for limits in (*task.target.position_range_m, task.target.yaw_range_deg))
    world_T_target = geometry.pose_rpy((x, y, 0.0), (0.0, 0.0, np.radians(yaw)))
    world_T_held_goal = world_T_target @ geometry.pose(way.member.goal_shift_m) @ target_T_goal
    tool0_T_tcp = geometry.pose((0.0, 0.0, task.tcp_offset_m))
    world_T_tool0 = hand.tcp_goal(task, world_T_held_goal, way.tcp_T_held) @ geometry.inverse(tool0_T_tcp)
    q = kinematics.nearest(world_T_tool0, np.asarray(robot.READY_Q))
    return cell.touching(q, task.held.grip_m, world_T_target, tool0_T_tcp @ way.tcp_T_held)


def _listed(values: Array) -> str:
    """Numbers in brackets."""
    return f"[{', '.join(f'{value:.3g}' for value in values)}]"
