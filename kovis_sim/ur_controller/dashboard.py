"""Dashboard server: one line in, one line out."""

from __future__ import annotations

from collections.abc import Callable

from kovis_sim.ur_controller.controller import Controller
from kovis_sim.ur_controller.safety import RobotMode, Runtime

BANNER = "Connected: Universal Robots Dashboard Server\n"
_STATES = {Runtime.PLAYING: "PLAYING", Runtime.PAUSED: "PAUSED"}


def answer(controller: Controller, line: str) -> str:
    """The reply to one command, without the newline."""
    command = line.strip()
    lower = command.lower()
    if lower in _QUESTIONS:
        return _QUESTIONS[lower](controller)
    if lower == "stop":
        controller.stop_program("dashboard stop")
        return "Stopped"
    if lower == "play":
        return "Starting program" if controller.play() else "Failed to execute: play"
    if lower == "pause":
        return "Pausing program" if controller.pause() else "Failed to execute: pause"
    if lower == "unlock protective stop":
        if controller.unlock_protective_stop():
            return "Protective stop releasing"
        return "Cannot unlock protective stop until 5s after occurrence. Always inspect cause of protective stop"
    if lower in _POWER:
        mode, reply = _POWER[lower]
        controller.power(mode)
        return reply
    if lower.startswith("load "):
        return f"Loading program: {command[5:]}"
    if lower in ("close popup", "close safety popup"):
        return lower.replace("close ", "closing ")
    if lower == "quit":
        return "Disconnected"
    return f"could not understand: {command}"


def _program_state(controller: Controller) -> str:
    name = controller.program.name if controller.program is not None else "<unnamed>"
    return f"{_STATES.get(controller.runtime, 'STOPPED')} {name}"


_QUESTIONS: dict[str, Callable[[Controller], str]] = {
    "polyscopeversion": lambda c: "URSoftware {}.{}.{}.{}".format(*c.settings.version),
    "get serial number": lambda c: "20175300001",
    "get robot model": lambda c: c.settings.arm.upper().rstrip("E"),
    "is in remote control": lambda c: "true" if c.remote_control else "false",
    "robotmode": lambda c: f"Robotmode: {c.robot_mode.name}",
    "safetymode": lambda c: f"Safetymode: {c.safety_mode.name}",
    "safetystatus": lambda c: f"Safetystatus: {c.safety_mode.name}",
    "programstate": _program_state,
    "running": lambda c: f"Program running: {str(c.runtime == Runtime.PLAYING).lower()}",
    "get loaded program": lambda c: "No program loaded",
}
_POWER = {
    "power on": (RobotMode.IDLE, "Powering on"),
    "power off": (RobotMode.POWER_OFF, "Powering off"),
    "brake release": (RobotMode.RUNNING, "Brake releasing"),
}
