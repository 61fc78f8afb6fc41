"""Side channel for tests: break things, and see what the controller did.  One JSON object a line each way.

    {"do": "protective_stop"} {"do": "unlock"} {"do": "emergency_stop"} {"do": "release"} {"do": "pendant_stop"}
    {"do": "slider", "value": 0.5} {"do": "remote_control", "value": false} {"do": "power", "value": "on" | "off"}
    {"do": "claim", "value": true}            somebody else holds the RTDE input registers
    {"do": "freeze", "seconds": 3}            the link is silent: nothing is read or sent
    {"do": "drop", "seconds": 0}              connections are closed; nobody listens for that long (null: ever after)
    {"do": "state"} {"do": "trace", "seconds": 2} {"do": "joints", "seconds": 2} {"do": "commands", "seconds": 2}
Every reply has "ok" and, where it is false, "error".  `trace` gives [time.monotonic(), |v| m/s, |w| rad/s] per cycle,
`joints` [time.monotonic(), six angles in rad]; `commands` gives time.monotonic() of each command package.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from kovis_sim.ur_controller.controller import Controller
from kovis_sim.ur_controller.safety import RobotMode

Request = dict[str, Any]


class Link(Protocol):
    """The server's side: what can be done to its connections."""

    def freeze(self, seconds: float) -> None: ...

    def drop(self, seconds: float | None) -> None: ...

    def claim(self, claimed: bool) -> None: ...

    def counts(self) -> dict[str, float]: ...


def answer(controller: Controller, link: Link, line: str) -> str:
    """Carry out one request."""
    try:
        request = json.loads(line)
        reply = _ACTIONS[request["do"]](controller, link, request) or {}
    except (ValueError, KeyError, TypeError) as error:
        known = ", ".join(sorted(_ACTIONS))
        return json.dumps({"ok": False, "error": f"{line.strip()[:80]!r}: {error!r}; known actions: {known}"}) + "\n"
    return json.dumps({"ok": True, **reply}) + "\n"


def _state(controller: Controller, link: Link, request: Request) -> Request:
    twist = controller.arm.twist().tolist()
    return {
        "now": controller.now,
        "cycle": controller.cycle_count,
        "q": controller.arm.q.tolist(),
        "qd": controller.arm.qd.tolist(),
        "base_T_tcp": controller.arm.pose().tolist(),
        "target_TCP_speed": twist,
        "runtime": controller.runtime.name,
        "robot_mode": controller.robot_mode.name,
        "safety_mode": controller.safety_mode.name,
        "slider": controller.arm.slider,
        "watchdog_s": controller.watchdog.limit_s if controller.watchdog else None,
        "opening_m": controller.gripper.opening_m,
        "force_n": controller.force_n,
        "log": list(controller.log)[-20:],
        **link.counts(),
    }


def _slider(controller: Controller, link: Link, request: Request) -> None:
    controller.arm.slider = min(max(float(request["value"]), 0.0), 1.0)


def _power(controller: Controller, link: Link, request: Request) -> None:
    controller.power({"on": RobotMode.RUNNING, "off": RobotMode.POWER_OFF}[request["value"]])


def _remote(controller: Controller, link: Link, request: Request) -> None:
    controller.remote_control = bool(request["value"])


def _unlock(controller: Controller, link: Link, request: Request) -> None:
    if not controller.unlock_protective_stop():
        raise ValueError("too early after the stop")


def _trace(controller: Controller, link: Link, request: Request) -> Request:
    start = controller.now - float(request["seconds"])
    return {"trace": [list(entry) for entry in controller.trace if entry[0] >= start]}


def _joints(controller: Controller, link: Link, request: Request) -> Request:
    start = controller.now - float(request["seconds"])
    return {"joints": [list(entry) for entry in controller.joints if entry[0] >= start]}


def _commands(controller: Controller, link: Link, request: Request) -> Request:
    start = controller.now - float(request["seconds"])
    return {"commands": [at for at in controller.commands if at >= start]}


_ACTIONS: dict[str, Callable[[Controller, Link, Request], Request | None]] = {
    "state": _state,
    "trace": _trace,
    "joints": _joints,
    "commands": _commands,
    "protective_stop": lambda c, link, r: c.protective_stop("side channel"),
    "unlock": _unlock,
    "emergency_stop": lambda c, link, r: c.emergency_stop("side channel"),
    "release": lambda c, link, r: c.release_emergency_stop(),
    "pendant_stop": lambda c, link, r: c.stop_program("pendant"),
    "slider": _slider,
    "remote_control": _remote,
    "power": _power,
    "claim": lambda c, link, r: link.claim(bool(r["value"])),
    "freeze": lambda c, link, r: link.freeze(float(r["seconds"])),
    "drop": lambda c, link, r: link.drop(None if r["seconds"] is None else float(r["seconds"])),
}
