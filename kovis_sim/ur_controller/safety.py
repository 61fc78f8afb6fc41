"""Modes of the robot, its safety system and the program, as RTDE and the dashboard name them."""

from __future__ import annotations

from enum import IntEnum


class Runtime(IntEnum):
    STOPPING = 0
    STOPPED = 1
    PLAYING = 2
    PAUSING = 3
    PAUSED = 4
    RESUMING = 5


class RobotMode(IntEnum):
    DISCONNECTED = 0
    POWER_OFF = 3
    IDLE = 5
    RUNNING = 7


class SafetyMode(IntEnum):
    NORMAL = 1
    REDUCED = 2
    PROTECTIVE_STOP = 3
    SAFEGUARD_STOP = 5
    ROBOT_EMERGENCY_STOP = 7
    VIOLATION = 8
    FAULT = 9


SAFETY_BITS = {
    SafetyMode.NORMAL: 1 << 0,
    SafetyMode.REDUCED: 1 << 1,
    SafetyMode.PROTECTIVE_STOP: 1 << 2 | 1 << 10,
    SafetyMode.SAFEGUARD_STOP: 1 << 4 | 1 << 10,
    SafetyMode.ROBOT_EMERGENCY_STOP: 1 << 6 | 1 << 7 | 1 << 10,
    SafetyMode.VIOLATION: 1 << 8 | 1 << 10,
    SafetyMode.FAULT: 1 << 9 | 1 << 10,
}
POWER_ON_BIT, PROGRAM_BIT = 1, 2
