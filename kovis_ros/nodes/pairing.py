"""Left and right messages of equal stamp, for where ROS has no message_filters."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any


class Pairing:
    """Keeps the last few messages of each side; a pair is given once, and older leftovers are dropped and counted."""

    def __init__(self, depth: int = 4) -> None:
        self.depth = depth
        self.waiting: tuple[OrderedDict[int, Any], OrderedDict[int, Any]] = (OrderedDict(), OrderedDict())
        self.unmatched = 0

    def add(self, side: int, stamp_ns: int, message: Any) -> tuple[Any, Any] | None:
        """Take a message of side 0 (left) or 1 (right); the (left, right) pair once both are here."""
        own, other = self.waiting[side], self.waiting[1 - side]
        if stamp_ns not in other:
            own[stamp_ns] = message
            while len(own) > self.depth:
                own.popitem(last=False)
                self.unmatched += 1
            return None
        partner = other.pop(stamp_ns)
        for queue in self.waiting:
            old = [stamp for stamp in queue if stamp <= stamp_ns]
            self.unmatched += len(old)
            for stamp in old:
                del queue[stamp]
        return (message, partner) if side == 0 else (partner, message)
