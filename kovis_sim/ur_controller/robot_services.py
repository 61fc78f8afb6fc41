"""What the control script may ask of the controller it runs on."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from kovis_sim.ur_controller.motion import ArmMotion


class RobotServices(Protocol):
    """Met by `controller.Controller`."""

    arm: ArmMotion

    def zero_force(self) -> None: ...

    def set_payload(self, mass_kg: float, centre_m: npt.NDArray[np.float64]) -> None: ...

    def set_watchdog(self, min_hz: float) -> None: ...
