"""One RTDE connection: handshake, recipes, registers it owns, data it is sent."""

from __future__ import annotations

import struct

from kovis_sim.ur_controller import rtde
from kovis_sim.ur_controller.controller import Controller
from kovis_sim.ur_controller.outputs import Outputs
from kovis_sim.ur_controller.rtde import INPUT_TYPES, Recipe

MAX_BACKLOG = 1 << 16  # bytes waiting for a client that does not read; whole packages beyond it are dropped


class RtdePeer:
    """State of one client.  `owners` maps input register names to the peer that holds them (None: somebody else)."""

    def __init__(self, controller: Controller, outputs: Outputs, owners: dict[str, RtdePeer | None]) -> None:
        self._controller, self._outputs, self._owners = controller, outputs, owners
        self._received = bytearray()
        self.to_send = bytearray()
        self._inputs: list[Recipe] = []
        self._output: Recipe | None = None
        self._packer: struct.Struct | None = None
        self._every, self._turn = 1, -1
        self._started = False
        self._latched: list[tuple[Recipe, bytes]] = []

    def receive(self, data: bytes, came_s: float) -> None:
        """Answer requests at once; keep data packages, which came at `came_s`, for the next cycle.

        ValueError if the peer speaks nonsense.
        """
        self._received += data
        for kind, payload in rtde.split(self._received):
            if kind == rtde.DATA:
                self._latch(payload, came_s)
            else:
                self.to_send += rtde.package(kind, self._reply(kind, payload))

    def apply(self) -> None:
        """Write what arrived since the last cycle into the registers: the last value of each wins."""
        for recipe, payload in self._latched:
            values = recipe.unpack(payload)
            if "speed_slider_mask" in values and values["speed_slider_mask"]:
                self._controller.arm.slider = min(max(float(values["speed_slider_fraction"]), 0.0), 1.0)  # type: ignore
            for name, value in values.items():
                self._controller.registers.store(name, value)
        self._latched.clear()

    def publish(self) -> None:
        """Queue this cycle's data package, if one is due."""
        if not self._started or self._output is None or self._packer is None:
            return
        turn = self._controller.cycle_count // self._every
        if turn != self._turn and len(self.to_send) < MAX_BACKLOG:
            self._turn = turn
            values = self._outputs.payload(self._output)
            self.to_send += rtde.package(rtde.DATA, b"\x01" + self._packer.pack(*values))

    def release(self) -> None:
        """The connection is gone: its registers are free again."""
        for name in [name for name, owner in self._owners.items() if owner is self]:
            del self._owners[name]

    def _latch(self, payload: bytes, came_s: float) -> None:
        number = payload[0] if payload else 0
        if 1 <= number <= len(self._inputs):
            recipe = self._inputs[number - 1]
            if self._controller.registers.command_name in recipe.names:
                self._controller.heard(came_s)
            self._latched.append((recipe, payload[1:]))

    def _reply(self, kind: int, payload: bytes) -> bytes:
        if kind == rtde.GET_VERSION:
            return struct.pack(">4I", *self._controller.settings.version)
        if kind == rtde.SETUP_OUTPUTS:
            return self._set_outputs(payload)
        if kind == rtde.SETUP_INPUTS:
            return self._set_inputs(payload)
        if kind in (rtde.START, rtde.PAUSE):
            self._started = kind == rtde.START
        return b"\x01"

    def _set_outputs(self, payload: bytes) -> bytes:
        (frequency,) = struct.unpack_from(">d", payload)
        recipe = self._outputs.recipe(rtde.field_names(payload[8:]))
        rate = self._controller.settings.rate_hz
        self._every = max(1, round(rate / frequency)) if frequency > 0 else 1
        if "NOT_FOUND" not in recipe.types:
            self._output, self._packer = recipe, recipe.packer
        return b"\x01" + ",".join(recipe.types).encode()

    def _set_inputs(self, payload: bytes) -> bytes:
        names = rtde.field_names(payload)
        types = tuple(
            "NOT_FOUND" if name not in INPUT_TYPES
            else "IN_USE" if self._owners.get(name, self) is not self
            else INPUT_TYPES[name]
            for name in names
        )  # fmt: skip
        if "IN_USE" in types or "NOT_FOUND" in types:
            return b"\x00" + ",".join(types).encode()
        self._owners.update(dict.fromkeys(names, self))
        self._inputs.append(Recipe(names, types))
        return bytes([len(self._inputs)]) + ",".join(types).encode()
