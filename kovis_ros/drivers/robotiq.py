"""Robotiq 2F gripper through the socket that its URCap opens on the controller (port 63352)."""

from __future__ import annotations

import socket
from typing import NamedTuple

from kovis_ros.method.robotiq_2f85 import STROKE_M

PORT = 63352
SPEED = 128  # of 255
MOVING, OUTER_OBJECT, INNER_OBJECT, AT_POSITION = range(4)
ACTIVE = 3
TOLERANCE_M = 0.002


class GripperError(RuntimeError):
    """The gripper does not answer or is not ready; the message says what to do."""


class GripperState(NamedTuple):
    """Fingers now."""

    opening_m: float
    moving: bool
    holding: bool  # an object stopped the fingers
    target_m: float

    @property
    def reached(self) -> bool:
        return abs(self.opening_m - self.target_m) < TOLERANCE_M


class Robotiq:
    """One gripper; `connect` before use.  Not thread-safe."""

    def __init__(self, address: str, port: int = PORT, timeout_s: float = 1.0) -> None:
        self._where = (address, port)
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        """Open the socket and check that the gripper is activated.  It is never activated here: that moves it."""
        try:
            self._socket = socket.create_connection(self._where, self._timeout_s)
        except OSError as error:
            raise GripperError(
                f"no gripper at {self._where[0]}:{self._where[1]} ({error.strerror or error}): "
                "install the Robotiq URCap, or start with gripper:=none"
            ) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        status = self._get("STA")
        if status != ACTIVE:
            raise GripperError(f"gripper status is {status}, not active (3): activate it on the pendant (it will move)")

    def move(self, opening_m: float, force: float) -> None:
        """Start moving the fingers to a distance of opening_m (0 .. 0.085 m); force 0..1 of the gripper's range.

        A socket that was closed is opened anew, so that a URCap that was started again needs no new node.
        """
        if self._socket is None:
            self.connect()
        position = round(255 * (1 - min(max(opening_m, 0.0), STROKE_M) / STROKE_M))
        share = round(255 * min(max(force, 0.0), 1.0))
        reply = self._ask(f"SET GTO 1 SPE {SPEED} FOR {share} POS {position}")
        if reply != "ack":
            raise GripperError(f"gripper answered {reply!r} to a move: check its status on the pendant")

    def hold(self) -> None:
        """Stop the fingers where they are."""
        self._ask("SET GTO 0")

    def state(self) -> GripperState:
        """Opening, and whether an object is held."""
        found = self._get("OBJ")
        opening, target = (STROKE_M * (1 - self._get(name) / 255) for name in ("POS", "PRE"))
        return GripperState(opening, found == MOVING, found in (OUTER_OBJECT, INNER_OBJECT), target)

    def close(self) -> None:
        """Leave the fingers as they are."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _get(self, name: str) -> int:
        reply = self._ask(f"GET {name}")
        words = reply.split()
        if len(words) != 2 or words[0] != name or not words[1].isdigit():
            raise GripperError(f"gripper answered {reply!r} to GET {name}: check its URCap")
        return int(words[1])

    def _ask(self, line: str) -> str:
        """One request, one reply; the device ends `ack` without a newline."""
        if self._socket is None:
            raise GripperError("the gripper is not connected: call connect first")
        try:
            self._socket.sendall(line.encode() + b"\n")
            reply = self._socket.recv(1024)
        except OSError as error:
            reply = b""
            reason = str(error)
        else:
            reason = "closed"
        if not reply:
            self.close()
            raise GripperError(f"gripper at {self._where[0]} does not answer ({reason}): check controller and URCap")
        return reply.decode("ascii", "replace").strip()
