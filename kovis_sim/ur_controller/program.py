"""The uploaded control script as a state machine, executed natively once per control cycle.

Only what the script itself does: commands arrive in a register, most are acknowledged in another.  A speed command
starts a thread that re-issues its last target for ever; only a speed stop ends it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from kovis_ros.method import geometry
from kovis_ros.method.kinematics import Unreachable, forward, inverse, nearest
from kovis_sim.ur_controller.motion import (
    ArmMotion,
    Motion,
    MotionFaultError,
    MoveJ,
    MoveL,
    stop_joints,
    stop_tool,
)
from kovis_sim.ur_controller.pose_vector import pose_of, vector_of
from kovis_sim.ur_controller.registers import Registers
from kovis_sim.ur_controller.robot_services import RobotServices
from kovis_sim.ur_controller.speed_thread import SpeedThread

Array = npt.NDArray[np.float64]
READY, DONE = 1, 2
RUNNING_BIT = 1 << 15
ASYNC_REGISTER = 2
STOP_SCRIPT = 255
REALTIME = frozenset({6, 9, 10, 11, 24, 25, 26, 27, 38, 58, 66, 67, 68, 69, 70, 71})  # executed anew each cycle


class ProgramError(RuntimeError):
    """The script ends with an error, as it would on the controller."""


class ControlProgram:
    """One run of the control script.

    `robot` gives what the script may ask of the controller: see `controller.Controller`.
    """

    name = "rtde_control"

    def __init__(self, robot: RobotServices, registers: Registers, dt: float) -> None:
        self.robot, self.registers, self.dt = robot, registers, dt
        self.arm: ArmMotion = robot.arm
        self._executing = False
        self._blocking: Motion | None = None  # a motion the main thread waits for
        self._restart: Callable[[], Motion] | None = None  # how to take up the current move after a pause
        self._async: Motion | None = None
        self._writes, self._operation = 0, 0
        self._speed: SpeedThread | None = None
        self._commands = self._command_table()
        self._report_async(-1)
        registers.int_out(0, READY)

    def step(self) -> bool:
        """One cycle; False when the script has ended.  ProgramError or MotionFaultError when it fails."""
        self._finish_async()
        alive = self._main()
        if alive and self._speed is not None:
            self._speed.step(self.arm, self.registers, self.dt)
        return alive

    def resume(self) -> None:
        """After a pause: take up the motion that was interrupted."""
        if self._restart is not None and (self._blocking is not None or self._async is not None):
            motion = self._restart()
            self.arm.motion = motion
            self._blocking, self._async = (motion, None) if self._blocking is not None else (None, motion)

    def _main(self) -> bool:
        if self._blocking is not None:
            if self.arm.motion is self._blocking:
                return True
            self._blocking = None
            self.registers.int_out(0, DONE)
            return True
        command = self.registers.int_in(0)
        if command in REALTIME:
            self._execute(command)
            self.registers.int_out(0, READY)
        elif command == 0:
            self._executing = False
            self.registers.int_out(0, READY)
        elif not self._executing:
            self._executing = True
            if command == STOP_SCRIPT:
                return False
            self._execute(command)
            if self._blocking is None:
                self.registers.int_out(0, DONE)
        return True

    def _execute(self, command: int) -> None:
        if command not in self._commands:
            raise ProgramError(f"command {command} is not simulated")
        self._commands[command]()

    def _command_table(self) -> dict[int, Callable[[], None]]:
        return {
            1: lambda: self._move(MoveJ, self._joint_target),
            2: lambda: self._move(MoveJ, self._joint_target_of_pose),
            3: lambda: self._move(MoveL, self._pose_target),
            4: lambda: self._move(MoveL, self._pose_of_joint_target),
            8: self.robot.zero_force,
            9: lambda: self._start_speed("joint"),
            10: lambda: self._start_speed("tool"),
            15: self._speed_stop,
            17: lambda: self.robot.set_payload(self._in(0, 1)[0], self._in(1, 3)),
            26: lambda: self._answer([self.dt]),
            28: lambda: self._answer(vector_of(self.arm.pose())),
            29: self._set_tcp,
            30: lambda: self._solve(self._in(6, 6)),
            31: self._protective_stop,
            33: lambda: self._stop(stop_tool),
            34: lambda: self._stop(stop_joints),
            35: lambda: self.robot.set_watchdog(self._in(0, 1)[0]),
            36: lambda: self._answer_int(len(inverse(self._flange(pose_of(self._in(0, 6))), self.arm.arm)) > 0),
            37: lambda: self._answer_int(bool(np.all(np.abs(self._in(0, 6)) <= self.arm.arm.max_joint_rad))),
            39: lambda: self._answer(vector_of(pose_of(self._in(0, 6)) @ pose_of(self._in(6, 6)))),
            40: lambda: self._answer(vector_of(self.arm.flange_T_tcp)),
            43: lambda: self._answer(vector_of(self.arm.pose())),
            44: lambda: self._answer(vector_of(forward(self._in(0, 6), self.arm.arm) @ pose_of(self._in(6, 6)))),
            46: lambda: self._solve(self.arm.q),
            47: lambda: self._answer_int(self.arm.standing),
            58: lambda: self._answer(vector_of(forward(self.arm.q, self.arm.arm))),
            60: lambda: self._answer_int(len(inverse(self._flange(pose_of(self._in(0, 6))), self.arm.arm)) > 0),
            61: lambda: self._answer_int(len(inverse(self._flange(pose_of(self._in(0, 6))), self.arm.arm)) > 0),
        }

    # moves

    def _move(self, kind: Callable[..., Motion], target: Callable[[], Array]) -> None:
        self._refuse_second_thread("a move")
        self._end_async()
        wanted, (speed, acceleration) = target(), self._in(6, 2)
        self._restart = lambda: kind(self.arm, wanted, speed, acceleration)
        self._start(self._restart())

    def _stop(self, kind: Callable[[ArmMotion, float], Motion | None]) -> None:
        self._refuse_second_thread("a stop of moves")
        self._end_async()
        motion = kind(self.arm, float(self._in(0, 1)[0]))
        self._restart = None
        if motion is None:
            self.arm.motion = None
        else:
            self._start(motion)

    def _start(self, motion: Motion) -> None:
        self.arm.motion = motion
        if self.registers.int_in(1) == 1:
            self._async = motion
            self._report_async(0)
        else:
            self._blocking = motion

    def _refuse_second_thread(self, what: str) -> None:
        if self._speed is not None:
            raise ProgramError(f"another thread is already controlling the robot: {what} while speedL or speedJ runs")

    def _finish_async(self) -> None:
        if self._async is not None and self.arm.motion is not self._async:
            self._async = None
            self._report_async(-1)

    def _end_async(self) -> None:
        if self._async is not None:
            self._async = None
            self._report_async(-1)

    def _report_async(self, progress: int) -> None:
        self._writes = (self._writes + 1) % 128
        if progress == 0:
            self._operation = (self._operation + 1) % 128
        value = (self._writes << 16) + (self._operation << 24)
        self.registers.int_out(ASYNC_REGISTER, value + (progress + RUNNING_BIT if progress >= 0 else 0))

    # speeds

    def _start_speed(self, kind: str) -> None:
        if self._async is not None:
            raise ProgramError("another thread is already controlling the robot: a speed while an async move runs")
        if self._speed is None:
            self._speed = SpeedThread()
        self._speed.command(kind, self.registers)

    def _speed_stop(self) -> None:
        kind = self._speed.kind if self._speed is not None else "tool"
        self._speed = None
        stop = stop_tool if kind == "tool" else stop_joints
        motion = stop(self.arm, float(self._in(0, 1)[0]))
        self.arm.motion = motion
        self._restart, self._blocking = None, motion

    # questions

    def _solve(self, q_near: Array) -> None:
        try:
            self._answer(nearest(self._flange(pose_of(self._in(0, 6))), q_near, self.arm.arm))
        except Unreachable as error:
            raise ProgramError(f"get_inverse_kin: {error}") from None

    def _protective_stop(self) -> None:
        raise MotionFaultError("asked for by the program")

    def _set_tcp(self) -> None:
        self.arm.flange_T_tcp = pose_of(self._in(0, 6))

    def _joint_target(self) -> Array:
        return self._in(0, 6)

    def _pose_target(self) -> Array:
        return pose_of(self._in(0, 6))

    def _joint_target_of_pose(self) -> Array:
        try:
            return nearest(self._flange(pose_of(self._in(0, 6))), self.arm.q, self.arm.arm)
        except Unreachable as error:
            raise ProgramError(f"get_inverse_kin: {error}") from None

    def _pose_of_joint_target(self) -> Array:
        target: Array = forward(self._in(0, 6), self.arm.arm) @ self.arm.flange_T_tcp
        return target

    def _flange(self, base_T_tcp: Array) -> Array:
        pose: Array = base_T_tcp @ geometry.inverse(self.arm.flange_T_tcp)
        return pose

    def _in(self, first: int, count: int) -> Array:
        return self.registers.doubles_in(first, count)

    def _answer(self, values: npt.ArrayLike) -> None:
        self.registers.doubles_out(values)

    def _answer_int(self, value: bool) -> None:
        self.registers.int_out(1, int(value))
