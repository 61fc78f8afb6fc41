"""Geometry of a Robotiq 2F-85 with hooked fingertips: its parallel linkage as data and closed form.

Convention:
    Gripper frame: flange at z = 0, fingers along +z, opening along x. Lengths in metres.
    Each finger is a parallelogram: an outer link and an inner knuckle of the same length and direction turn together,
    so the fingertip only translates. Pivots are those of the published 2F-85 dimensions; the right finger is at +x,
    the left one is its mirror image.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from kovis_ros.method.robotiq_2f85 import STROKE_M

OUTER_PIVOT = (0.0306, 0.0549)  # x, z in the gripper frame
INNER_PIVOT = (0.0127, 0.0614)
CRANK = (0.0376, 0.0430)  # outer pivot to fingertip pivot when open
PAD_X = 0.0425  # inner face of the pad when open, in the gripper frame
GRIP_N = 40.0  # of a pad, where nobody has said how hard to grip
FLANGE_M = 0.0139  # coupling between tool0 and the gripper frame


class Bar(NamedTuple):
    """A flat bar in its own frame (x, z), turning about the origin."""

    pins: tuple[tuple[float, float], ...]
    radius: float
    width: float


OUTER_LINK = Bar(((0.0, 0.0), (0.0315, -0.0041), CRANK), 0.008, 0.027)
INNER_KNUCKLE = Bar(((0.0, 0.0), CRANK), 0.006, 0.020)

# The fingertip in its own frame (origin at its pivot on the outer link), x outwards: convex outlines (x, z) and widths.
PAD = PAD_X - OUTER_PIVOT[0] - CRANK[0]  # inner face of the pad in the fingertip frame: -0.0257
FINGERTIP = (
    (
        (
            (0.009, -0.006),
            (0.009, 0.010),
            (PAD + 0.005, 0.026),
            (PAD + 0.005, 0.010),
            (-0.022, 0.000),
            (-0.018, -0.006),
        ),
        0.022,
    ),
    (((PAD, 0.010), (PAD, 0.0525), (PAD + 0.006, 0.0525), (PAD + 0.010, 0.030), (PAD + 0.010, 0.010)), 0.022),
)
PEG_Z = 0.0482  # centre of the peg
PEG = ((PAD - 0.006, PAD + 0.001), (-0.004, 0.004), (PEG_Z - 0.0035, PEG_Z + 0.0035))
PEG_END = np.array([PEG[0][0] - 0.0005, 0.0, PEG_Z, 1.0])  # just before the peg's face: a ray from here misses the peg


def angle(opening_m: float) -> float:
    """Turn of the outer link, rad, from fully open (0) to an opening between the pads: positive closes."""
    x_open, z_open = CRANK
    x = x_open - (STROKE_M - min(max(float(opening_m), 0.0), STROKE_M)) / 2.0
    return math.atan2(x_open, z_open) - math.asin(x / math.hypot(x_open, z_open))


def opening(angle_rad: float) -> float:
    """Opening between the pads in metres: the inverse of ``angle``."""
    length = np.hypot(*CRANK)
    x = length * np.sin(np.arctan2(*CRANK) - angle_rad)
    return float(STROKE_M - 2.0 * (CRANK[0] - x))


def peg_height(opening_m: float) -> float:
    """z of the pegs' centre in tool0, metres: closing a parallel gripper carries its tips 14 mm forward."""
    turned = np.arctan2(*CRANK) - angle(opening_m)
    return float(FLANGE_M + OUTER_PIVOT[1] + np.hypot(*CRANK) * np.cos(turned) + PEG_Z)
