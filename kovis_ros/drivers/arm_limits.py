"""How fast the arm may be told to move, and how long to wait for what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """Speeds are norms over the three axes."""

    linear_mps: float = 0.05
    angular_radps: float = 0.3
    acceleration_mps2: float = 1.0
    deceleration_mps2: float = 3.0
    setpoint_timeout_s: float = 0.1
    quiet_s: float = 0.3  # setpoints must have stopped or been zero for this long after a fault
    recovery_s: float = 2.0  # from the robot being safe again to a new upload

    def clamp(self, twist: Array) -> Array:
        """The twist (6,) itself, or shrunk as a whole, direction kept, until both its norms are within the limits."""
        linear, angular = float(np.linalg.norm(twist[:3])), float(np.linalg.norm(twist[3:]))
        ratio = max(linear / self.linear_mps, angular / self.angular_radps)
        if ratio <= 1.0:
            return twist
        shrunk: Array = twist / ratio
        return shrunk


def speeds(twist: Array) -> str:
    """The two norms of a twist (6,), for a person."""
    return f"{np.linalg.norm(twist[:3]):.2f} m/s and {np.linalg.norm(twist[3:]):.2f} rad/s"
