"""RTDE version 2 on the wire: field types, recipes, packages (all big endian)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

HEADER = struct.Struct(">HB")
REQUEST_VERSION, GET_VERSION, TEXT, DATA, SETUP_OUTPUTS, SETUP_INPUTS, START, PAUSE = b"VvMUOISP"

FORMATS = {
    "BOOL": "?",
    "UINT8": "B",
    "UINT32": "I",
    "UINT64": "Q",
    "INT32": "i",
    "DOUBLE": "d",
    "VECTOR3D": "3d",
    "VECTOR6D": "6d",
    "VECTOR6INT32": "6i",
    "VECTOR6UINT32": "6I",
}

_VECTORS = (
    "target_q target_qd target_qdd target_current target_moment actual_q actual_qd actual_current "
    "joint_control_output actual_TCP_pose actual_TCP_speed actual_TCP_force target_TCP_pose target_TCP_speed "
    "joint_temperatures actual_joint_voltage actual_current_as_torque ft_raw_wrench payload_inertia"
)
_DOUBLES = (
    "timestamp actual_execution_time speed_scaling target_speed_fraction actual_momentum actual_main_voltage "
    "actual_robot_voltage actual_robot_current standard_analog_input0 standard_analog_input1 "
    "standard_analog_output0 standard_analog_output1 payload"
)
OUTPUT_TYPES = (
    dict.fromkeys(_VECTORS.split(), "VECTOR6D")
    | dict.fromkeys(_DOUBLES.split(), "DOUBLE")
    | dict.fromkeys(("payload_cog", "actual_tool_accelerometer"), "VECTOR3D")
    | dict.fromkeys(("actual_digital_input_bits", "actual_digital_output_bits"), "UINT64")
    | dict.fromkeys(("robot_mode", "safety_mode"), "INT32")
    | dict.fromkeys(("runtime_state", "robot_status_bits", "safety_status_bits"), "UINT32")
    | {"joint_mode": "VECTOR6INT32"}
    | {f"output_int_register_{n}": "INT32" for n in range(48)}
    | {f"output_double_register_{n}": "DOUBLE" for n in range(48)}
)
INPUT_TYPES = (
    {f"input_int_register_{n}": "INT32" for n in range(48)}
    | {f"input_double_register_{n}": "DOUBLE" for n in range(48)}
    | {"speed_slider_mask": "UINT32", "speed_slider_fraction": "DOUBLE", "external_force_torque": "VECTOR6D"}
    | dict.fromkeys(("standard_analog_output_0", "standard_analog_output_1"), "DOUBLE")
    | dict.fromkeys(("standard_analog_output_mask", "standard_analog_output_type"), "UINT8")
    | dict.fromkeys((f"{kind}_digital_output" for kind in ("standard", "tool", "configurable")), "UINT8")
    | dict.fromkeys((f"{kind}_digital_output_mask" for kind in ("standard", "tool", "configurable")), "UINT8")
)
SINCE: dict[str, dict[int, tuple[int, ...]]] = {  # fields that came later: first version by major number; none: never
    "payload": {3: (3, 11), 5: (5, 5, 1)},
    "payload_cog": {3: (3, 11), 5: (5, 5, 1)},
    "payload_inertia": {3: (3, 15), 5: (5, 11)},
    "ft_raw_wrench": {5: (5, 9)},
    "actual_current_as_torque": {5: (5, 23)},
}


def exists(name: str, version: tuple[int, ...]) -> bool:
    """Does a controller of this version have the output field."""
    if name not in OUTPUT_TYPES:
        return False
    return name not in SINCE or version >= SINCE[name].get(version[0], (1 << 30,))


class Recipe(NamedTuple):
    """Fields of one package, in order."""

    names: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def packer(self) -> struct.Struct:
        return struct.Struct(">" + "".join(FORMATS[kind] for kind in self.types))

    def unpack(self, payload: bytes) -> dict[str, object]:
        """name -> value for as many fields as the payload holds: the client sends some packages short or long."""
        values: dict[str, object] = {}
        at = 0
        for name, kind in zip(self.names, self.types, strict=True):
            field = struct.Struct(">" + FORMATS[kind])
            if at + field.size > len(payload):
                break
            found = field.unpack_from(payload, at)
            values[name] = found[0] if len(found) == 1 else found
            at += field.size
        return values


def field_names(text: bytes) -> tuple[str, ...]:
    """Comma-separated names, a trailing comma allowed."""
    return tuple(name.strip() for name in text.decode("ascii", "replace").split(",") if name.strip())


def package(kind: int, payload: bytes = b"") -> bytes:
    """Frame a payload."""
    return HEADER.pack(HEADER.size + len(payload), kind) + payload


def split(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take the whole packages off the front of a buffer: (type, payload).  ValueError on an impossible size."""
    while len(buffer) >= HEADER.size:
        size, kind = HEADER.unpack_from(buffer)
        if size < HEADER.size:
            raise ValueError(f"RTDE package of {size} bytes: the peer does not speak RTDE")
        if len(buffer) < size:
            return
        payload = bytes(buffer[HEADER.size : size])
        del buffer[:size]
        yield kind, payload
