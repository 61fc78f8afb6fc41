"""An arm that follows every command at once, and a clock, for tests of the arm's loop."""

from __future__ import annotations

import numpy as np

from kovis_ros.drivers.arm import Reading
from kovis_ros.drivers.arm_limits import Limits
from kovis_ros.drivers.arm_loop import ArmLoop
from kovis_ros.method import geometry

PERIOD = 0.008
LIMITS = Limits(quiet_s=0.3, recovery_s=0.5)


class PretendedArm:
    """Integrates the commanded twist at once; notes the calls."""

    def __init__(self):
        self.pose = geometry.pose((-0.5, 0.1, 0.3), geometry.rotation((np.pi, 0.0, 0.0)))  # tool0 z down, y to -y
        self.twist = np.zeros(6)
        self.robot_mode, self.safety_mode, self.runtime, self.scaling = 7, 1, 2, 1.0
        self.force = np.zeros(6)
        self.stuck = False  # it does not follow
        self.calls = []

    def read(self):
        step = PERIOD * self.twist * self.scaling * (not self.stuck)
        self.pose = geometry.pose(self.pose[:3, 3] + step[:3], geometry.rotation(step[3:]) @ self.pose[:3, :3])
        tcp = [*self.pose[:3, 3], *geometry.rotvec(self.pose[:3, :3])]
        return Reading(0.0, [0.0] * 6, [0.0] * 6, tcp, self.twist.tolist(), self.force.tolist(), self.robot_mode,
                       self.safety_mode, self.runtime, self.scaling)  # fmt: skip

    def speed(self, twist, acceleration_mps2):
        self.calls.append("speed")
        self.twist = np.asarray(twist, float)

    def rest(self, deceleration_mps2):
        self.calls.append("rest")
        self.twist = np.zeros(6)

    def kick(self):
        self.calls.append("kick")

    def end_program(self):
        self.calls.append("end_program")
        self.runtime = 1
        return "Stopped"

    def recover(self):
        self.calls.append("recover")
        self.runtime = 2


class Stage:
    """A loop, its arm, and a clock that only `run` moves."""

    def __init__(self):
        self.arm, self.now = PretendedArm(), 100.0
        self.loop = ArmLoop(self.arm, LIMITS)
        self.run(LIMITS.quiet_s + 2 * PERIOD)  # held until then

    def run(self, seconds, twist=None):
        """Tick for so long; with a twist, a setpoint every 20 ms."""
        sent = -1.0
        for _ in range(round(seconds / PERIOD)):
            if twist is not None and self.now - sent >= 0.02:
                self.loop.follow(twist, self.now)
                sent = self.now
            self.loop.tick(self.now)
            self.now += PERIOD
