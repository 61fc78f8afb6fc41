"""The control script's speed thread: the reason why a speed command never ends by itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kovis_sim.ur_controller.motion import ArmMotion, MotionFaultError, SpeedJ, SpeedL
from kovis_sim.ur_controller.registers import Registers

Array = npt.NDArray[np.float64]


class SpeedThread:
    """The script's endless thread: re-issues its target, and reads a new one only every `time` seconds."""

    def __init__(self) -> None:
        self.kind = "tool"
        self._wanted: tuple[str, Array, float, float] = ("tool", np.zeros(6), 1.0, 0.0)
        self._left_s = 0.0

    def command(self, kind: str, registers: Registers) -> None:
        values = registers.doubles_in(0, 8)
        self._wanted = (kind, values[:6], float(values[6]), float(values[7]))

    def step(self, arm: ArmMotion, registers: Registers, dt: float) -> None:
        self._left_s -= dt
        if self._left_s > 1e-9 and isinstance(arm.motion, SpeedL | SpeedJ):
            return
        self.kind, target, acceleration, self._left_s = self._wanted
        if not np.isfinite(target).all():
            raise MotionFaultError(f"speed command {target.tolist()} is not finite")
        wanted = SpeedL if self.kind == "tool" else SpeedJ
        motion = arm.motion if isinstance(arm.motion, wanted) else wanted(arm)
        motion.target, motion.acceleration = target, acceleration
        arm.motion = motion
