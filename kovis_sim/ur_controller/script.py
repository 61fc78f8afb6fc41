"""What can be told from an uploaded URScript text without interpreting it."""

from __future__ import annotations

import re
from typing import NamedTuple

_OFFSET = re.compile(r"reg_offset_int\s*=\s*(\d+)")
_INTEGER_OUTPUT = re.compile(r"write_output_integer_register\(\s*(\d+)\s*,\s*(-?\d+)\s*\)")
_END = re.compile(rb"(?m)^end[ \t]*\r?\n")


class Script(NamedTuple):
    """One program: the control script (`offset` of its registers), or another one and the registers it writes."""

    control: bool
    offset: int
    writes: tuple[tuple[int, int], ...]


def take_programs(buffer: bytearray) -> list[Script]:
    """Remove the complete programs (up to an `end` at column 0) from the front of a buffer."""
    found = []
    while (end := _END.search(buffer)) is not None:
        found.append(_read(bytes(buffer[: end.end()]).decode("utf-8", "replace")))
        del buffer[: end.end()]
    return found


def _read(text: str) -> Script:
    control = "RTDE Control Script" in text
    offset = _OFFSET.search(text)
    writes = () if control else tuple((int(n), int(value)) for n, value in _INTEGER_OUTPUT.findall(text))
    return Script(control, int(offset.group(1)) if offset else 0, writes)
