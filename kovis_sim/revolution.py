"""Bodies of revolution, and how the eye sees them: however they are turned about their axis, they look the same.

A point on such a body can be found only as one that lies so far to the left or right of where the eye stands: at the
start of a trial, 25 deg to the side of the goal, nothing tells which point of a rim is the one that is nearest at the
goal. So landmarks turn about the axis with the eye.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kovis_ros.method import geometry

Array = NDArray[np.float64]


class Revolution(NamedTuple):
    """What the held object and, at the goal, the target share."""

    axis: int  # of the held object's frame
    azimuth: float  # rad, about it, of the nominal camera at the goal
    target_T_goal: Array

    def faced(self, world_T_held: Array, eye: ArrayLike) -> Array:
        """The held object's pose (4, 4), turned about the axis until an eye (3,) stands at the nominal azimuth."""
        turn = np.zeros(6)
        turn[3 + self.axis] = azimuth(geometry.inverse(world_T_held)[:3] @ [*np.asarray(eye), 1.0], self.axis)
        turn[3 + self.axis] -= self.azimuth
        return world_T_held @ geometry.exp(turn)

    def target_faced(self, world_T_target: Array, eye: ArrayLike) -> Array:
        """The same for the target's pose (4, 4)."""
        return self.faced(world_T_target @ self.target_T_goal, eye) @ geometry.inverse(self.target_T_goal)


def revolution(symmetry: Sequence[int], target_T_goal: Array, target_T_eye: Array) -> Revolution | None:
    """Of a task's symmetry and the nominal camera's pose at the goal; None when no axis is one of revolution."""
    if 0 not in symmetry:
        return None
    axis = symmetry.index(0)
    seen = geometry.inverse(target_T_goal) @ target_T_eye
    return Revolution(axis, azimuth(seen[:3, 3], axis), target_T_goal)


def azimuth(point: Array, axis: int) -> float:
    """Angle, rad, of a point (3,) about an axis of its frame."""
    return float(np.arctan2(point[(axis + 2) % 3], point[(axis + 1) % 3]))
