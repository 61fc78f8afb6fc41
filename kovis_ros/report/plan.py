"""What the tables have room for. It stands in settings and in the simulator, which this room does not read."""

from __future__ import annotations

from typing import NamedTuple


class Plan(NamedTuple):
    """Columns of the tables and numbers of their notes; `kovis_ros/present.py` makes the one of the frozen settings."""

    keypoints: tuple[int, ...]  # K of the grid's servos: columns of Table III
    tables: int  # K of those of Table I and II
    mugs: int  # of the family, to train on
    unseen_mugs: int  # held out
