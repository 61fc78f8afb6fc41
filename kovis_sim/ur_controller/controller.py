"""One simulated controller: modes, program, motion, gripper and shared state, advanced a control cycle at a time."""

from __future__ import annotations

from collections import deque
from math import isfinite
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kovis_ros.method.kinematics import ARMS
from kovis_sim.shared_state import NAN, ArmState, SharedState
from kovis_sim.ur_controller.gripper import Gripper
from kovis_sim.ur_controller.motion import ArmMotion, MotionFaultError, stop_tool
from kovis_sim.ur_controller.program import ControlProgram, ProgramError
from kovis_sim.ur_controller.registers import Registers
from kovis_sim.ur_controller.safety import RobotMode, Runtime, SafetyMode
from kovis_sim.ur_controller.script import Script
from kovis_sim.ur_controller.settings import Settings

START_DELAY_S = 0.1  # compiling an uploaded script
PROGRAM_STOP_MPS2 = 2.0  # assumed deceleration when a program is stopped
CELL_TIMEOUT_S = 1.0  # an older report of the cell counts as no contact
TRACE_S = 60


class Watchdog(NamedTuple):
    """Armed by the program: stops it when no package with `register` came for `limit_s`."""

    register: str
    limit_s: float


class Controller:
    """See the module.  Times are `time.monotonic()` seconds."""

    def __init__(self, settings: Settings, state: SharedState, now: float) -> None:
        self.settings, self.state = settings, state
        self.dt = 1.0 / settings.rate_hz
        self.arm = ArmMotion(ARMS[settings.arm], settings.q)
        self.arm.flange_T_tcp[2, 3] = settings.tcp_offset_m
        self.gripper = Gripper(settings.opening_m)
        self.registers = Registers()
        self.runtime = Runtime.STOPPED
        self.remote_control = settings.remote_control
        self.robot_mode = RobotMode.RUNNING if settings.powered else RobotMode.POWER_OFF
        self.safety_mode = SafetyMode.NORMAL
        self.program: ControlProgram | None = None
        self.watchdog: Watchdog | None = None
        self.input_stamp = now
        self.payload_kg, self.payload_centre_m = settings.payload_kg, (0.0, 0.0, 0.0)
        self.force_n, self._force_zero_n = 0.0, 0.0
        self.cycle_count, self.reset_done = 0, 0
        self.stopped_at = -1e9  # of the last protective stop
        self.log: deque[str] = deque(maxlen=200)
        self.trace: deque[tuple[float, float, float]] = deque(maxlen=TRACE_S * settings.rate_hz)
        self.joints: deque[tuple[float, ...]] = deque(maxlen=TRACE_S * settings.rate_hz)  # time, q (6,)
        self.commands: deque[float] = deque(maxlen=TRACE_S * settings.rate_hz)  # when they came
        self._starting: tuple[float, Script] | None = None
        self.now = now

    # one cycle

    def judge_watchdog(self, now: float) -> None:
        """To be called before any input is read or any motion integrated, so that a frozen process wakes up stopped."""
        self.now = now
        if self.watchdog is not None and now - self.input_stamp > self.watchdog.limit_s:
            late_ms = 1e3 * (now - self.input_stamp)
            self.stop_program(f"watchdog: no {self.watchdog.register} for {late_ms:.0f} ms")

    def heard(self, came_s: float) -> None:
        """A package with the command register came: it feeds the watchdog."""
        self.input_stamp = self.now
        self.commands.append(came_s)

    def cycle(self, now: float) -> None:
        """Judge, run the program, move, and publish to the shared state."""
        self.judge_watchdog(now)
        self.cycle_count += 1
        self._read_cell(now)
        self._start_uploaded(now)
        try:
            if self.runtime == Runtime.PLAYING and self.program is not None and not self.program.step():
                self.stop_program("the program ended")
            self.arm.step(self.dt)
        except ProgramError as error:
            self.stop_program(f"program error: {error}")
        except MotionFaultError as error:
            self.arm.motion = None
            self.protective_stop(str(error))
        self._publish(now)

    def _read_cell(self, now: float) -> None:
        cell = self.state.read_cell()
        fresh = now - cell.stamp_s < CELL_TIMEOUT_S
        self.force_n = cell.force_n if fresh and isfinite(cell.force_n) else 0.0
        if cell.reset > self.reset_done:
            self.reset_done = cell.reset
            self.arm.jump(cell.reset_q)
            self.gripper.jump(cell.reset_opening_m)
        elif self.force_n > self.settings.force_limit_n and self.safety_mode == SafetyMode.NORMAL:
            self.protective_stop(f"contact force {self.force_n:.0f} N above {self.settings.force_limit_n:.0f} N")
        self.gripper.step(self.dt, cell.blocked_opening_m if fresh else NAN)

    def _publish(self, now: float) -> None:
        twist = self.arm.twist()
        self.trace.append((now, float(np.linalg.norm(twist[:3])), float(np.linalg.norm(twist[3:]))))
        q, gripper = tuple(self.arm.q.tolist()), self.gripper
        self.joints.append((now, *q))
        arm = ArmState(
            q, tuple(self.arm.qd.tolist()), gripper.opening_m, gripper.target_m,
            now, self.cycle_count, self.reset_done, gripper.grip_n,
        )  # fmt: skip
        self.state.write_arm(arm)

    # programs

    def upload(self, script: Script) -> None:
        """A program arrived on the script port: it replaces the running one."""
        self.stop_program("another program was sent")
        if not self.ready:
            self.note(f"program refused: robot {self.robot_mode.name}, safety {self.safety_mode.name}")
            return
        self._starting = (self.now + START_DELAY_S, script)

    def _start_uploaded(self, now: float) -> None:
        if self._starting is None or now < self._starting[0]:
            return
        script, self._starting = self._starting[1], None
        if not script.control:
            for number, value in script.writes:
                self.registers.output_int[number] = value
            return
        self.registers.offset = script.offset
        self.program = ControlProgram(self, self.registers, self.dt)
        self.runtime = Runtime.PLAYING
        self.note("control script runs")

    def stop_program(self, reason: str) -> None:
        """End the program and bring the arm to rest; watchdogs end with it."""
        self._starting = None
        self.watchdog = None
        if self.program is None:
            return
        self.program, self.runtime = None, Runtime.STOPPED
        self.note(f"program stopped: {reason}")
        self._rest()

    def pause(self) -> bool:
        if self.runtime != Runtime.PLAYING:
            return False
        self.runtime = Runtime.PAUSED
        self._rest()
        return True

    def play(self) -> bool:
        """Resume a paused program, old speed target and all."""
        if self.runtime != Runtime.PAUSED or self.program is None or not self.ready:
            return False
        self.runtime = Runtime.PLAYING
        self.program.resume()
        return True

    def _rest(self) -> None:
        self.arm.motion = stop_tool(self.arm, PROGRAM_STOP_MPS2)

    # safety

    @property
    def ready(self) -> bool:
        return self.robot_mode == RobotMode.RUNNING and self.safety_mode in (SafetyMode.NORMAL, SafetyMode.REDUCED)

    def protective_stop(self, reason: str) -> None:
        if self.safety_mode not in (SafetyMode.NORMAL, SafetyMode.REDUCED):
            return
        self.safety_mode, self.stopped_at = SafetyMode.PROTECTIVE_STOP, self.now
        self.note(f"protective stop: {reason}")
        if not self.settings.stop_pauses:
            self.stop_program("protective stop")
        elif self.runtime == Runtime.PLAYING:
            self.runtime = Runtime.PAUSED
        self.arm.brake()

    def emergency_stop(self, reason: str) -> None:
        self.stop_program("emergency stop")
        self.safety_mode, self.robot_mode = SafetyMode.ROBOT_EMERGENCY_STOP, RobotMode.POWER_OFF
        self.note(f"emergency stop: {reason}")
        self.arm.brake()

    def release_emergency_stop(self) -> None:
        """The button is pulled out again; the robot stays without power."""
        if self.safety_mode == SafetyMode.ROBOT_EMERGENCY_STOP:
            self.safety_mode = SafetyMode.NORMAL

    def unlock_protective_stop(self) -> bool:
        """The operator's unlock; refused until `unlock_after_s` after the stop."""
        if self.safety_mode != SafetyMode.PROTECTIVE_STOP:
            return True
        if self.now - self.stopped_at < self.settings.unlock_after_s:
            return False
        self.safety_mode = SafetyMode.NORMAL
        return True

    def power(self, mode: RobotMode) -> None:
        if self.safety_mode in (SafetyMode.NORMAL, SafetyMode.REDUCED):
            if mode == RobotMode.POWER_OFF:
                self.stop_program("power off")
            self.robot_mode = mode

    # what the program asks for

    def zero_force(self) -> None:
        self._force_zero_n = self.force_n

    def force(self) -> npt.NDArray[np.float64]:
        """Force and torque at the TCP (6,), axes of base: the cell's force pushes against the approach axis."""
        wrench = np.zeros(6)
        wrench[:3] = -(self.force_n - self._force_zero_n) * self.arm.pose()[:3, 2]
        return wrench

    def set_payload(self, mass_kg: float, centre_m: npt.NDArray[np.float64]) -> None:
        self.payload_kg = float(mass_kg)
        self.payload_centre_m = (float(centre_m[0]), float(centre_m[1]), float(centre_m[2]))

    def set_watchdog(self, min_hz: float) -> None:
        if not min_hz > 0:
            raise ProgramError(f"rtde_set_watchdog: frequency {min_hz}")
        self.watchdog = Watchdog(self.registers.command_name, 1.0 / min_hz)

    def note(self, text: str) -> None:
        self.log.append(f"{self.now:.3f} {text}")
