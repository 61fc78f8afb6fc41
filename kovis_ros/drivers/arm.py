"""What an arm reports, and what the loop that commands it needs of it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from kovis_ros.method import geometry

Array = npt.NDArray[np.float64]
PLAYING = 2
RUNNING = 7
STANDING_SCALE = 0.001  # of the speed: a slider that is not above it is at 0
NORMAL, REDUCED, PROTECTIVE_STOP = 1, 2, 3
ROBOT_MODES = {
    -1: "no controller", 0: "disconnected", 1: "confirm safety", 2: "booting", 3: "power off", 4: "power on", 5: "idle",
    6: "backdrive", 7: "running", 8: "updating firmware",
}  # fmt: skip
SAFETY_MODES = {
    1: "normal", 2: "reduced", 3: "protective stop", 4: "recovery", 5: "safeguard stop", 6: "system emergency stop",
    7: "emergency stop", 8: "violation", 9: "fault",
}  # fmt: skip


class Reading(NamedTuple):
    """The arm as the controller last reported it."""

    timestamp_s: float  # controller's clock
    q: list[float]  # (6,) rad
    qd: list[float]  # (6,) rad/s
    tcp: list[float]  # (6,) base_T_tcp: m and rotation vector
    speed: list[float]  # (6,) m/s and rad/s in base
    force: list[float]  # (6,) N and Nm in base
    robot_mode: int
    safety_mode: int
    runtime_state: int
    speed_scaling: float  # 0..1

    @property
    def safe(self) -> bool:
        """Powered, brakes released, no safety stop."""
        return self.robot_mode == RUNNING and self.safety_mode in (NORMAL, REDUCED)

    @property
    def program_running(self) -> bool:
        return self.runtime_state == PLAYING

    def pose(self) -> Array:
        """base_T_tcp (4, 4)."""
        return geometry.pose(self.tcp[:3], geometry.rotation(self.tcp[3:]))

    def trouble(self) -> str:
        """Why the arm would not move, in one line; empty if it would."""
        if self.safety_mode == PROTECTIVE_STOP:
            return "protective stop: look for the cause, then unlock it on the pendant"
        if self.safety_mode not in (NORMAL, REDUCED):
            return f"{SAFETY_MODES.get(self.safety_mode, self.safety_mode)}: release it and power the arm on"
        if self.robot_mode != RUNNING:
            mode = ROBOT_MODES.get(self.robot_mode, self.robot_mode)
            return f"robot mode is {mode}: power the arm on and release its brakes on the pendant"
        if not self.program_running:
            return "the control program does not run on the controller"
        if self.speed_scaling <= STANDING_SCALE:
            return "the speed slider is at 0: raise it on the pendant"
        return ""


class Arm(Protocol):
    """What the loop needs of an arm; see `ur5.Ur5` for what each does."""

    def read(self) -> Reading: ...

    def speed(self, twist: npt.ArrayLike, acceleration_mps2: float) -> None: ...

    def rest(self, deceleration_mps2: float) -> None: ...

    def kick(self) -> None: ...

    def end_program(self) -> str: ...

    def recover(self) -> None: ...
