"""When the kernel received something, however late this process takes it up.

An arm's controller does not share its processor with networks; the simulated one does.
"""

from __future__ import annotations

import socket
import struct
import time

SO_TIMESTAMPNS = 35  # of Linux; socket(7)


def stamp(link: socket.socket) -> None:
    """Have the kernel note when it receives something on a socket."""
    link.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def arrived(link: socket.socket) -> tuple[bytes, float]:
    """What a stamped socket has received, and when the last of it came, in `time.monotonic()`."""
    data, notes, _, _ = link.recvmsg(1 << 16, socket.CMSG_SPACE(16))
    now = time.monotonic()
    for level, kind, value in notes:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("qq", value)
            return data, min(now, now - (time.time() - seconds - 1e-9 * nanoseconds))
    return data, now
