"""How good a trained servo is, as one number and in words: by the closed loop, or by its errors alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from kovis_ros.method.motion import turns


class Score(Protocol):
    """What the closed loop says of a policy."""

    @property
    def success(self) -> float:
        """Share of trials, 0..1."""

    @property
    def position_m(self) -> float:
        """Median at the end of a trial."""

    @property
    def rotation_rad(self) -> float:
        """Median at the end of a trial."""


def told(score: Score, axes: Sequence[str]) -> str:
    """A score in words; no error of rotation where none is commanded."""
    turn = f"{np.degrees(score.rotation_rad):.2f} deg" if turns(axes) else "n/a"
    return f"closed loop: success {score.success:.1%}, median {1e3 * score.position_m:.2f} mm {turn}"


def merit(position_m: float, rotation_rad: float) -> float:
    """One number of two errors: 1.5 mm counts as much as 1 degree; lower is better, infinity for NaN."""
    value = position_m / 0.0015 + float(np.degrees(rotation_rad))
    return value if math.isfinite(value) else math.inf
