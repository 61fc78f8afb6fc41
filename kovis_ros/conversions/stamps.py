"""Headers, stamps and durations; the error of all conversions."""

from __future__ import annotations

from typing import Any


class MessageError(ValueError):
    """A message holds what cannot be used; the text names the thing, the value and the remedy."""


def header(stamp_ns: int, frame: str) -> Any:
    """std_msgs/Header."""
    from std_msgs.msg import Header

    return Header(stamp=stamp_to_msg(stamp_ns), frame_id=frame)


def stamp_to_msg(stamp_ns: int) -> Any:
    """builtin_interfaces/Time of nanoseconds."""
    from builtin_interfaces.msg import Time

    seconds, nanoseconds = divmod(int(stamp_ns), 10**9)
    return Time(sec=seconds, nanosec=nanoseconds)


def stamp_from_msg(time: Any) -> int:
    """Nanoseconds of a builtin_interfaces/Time or Duration."""
    return int(time.sec) * 10**9 + int(time.nanosec)


def duration_to_msg(seconds: float) -> Any:
    """builtin_interfaces/Duration of seconds, negative ones too."""
    from builtin_interfaces.msg import Duration

    whole, rest = divmod(round(seconds * 1e9), 10**9)
    return Duration(sec=int(whole), nanosec=int(rest))
