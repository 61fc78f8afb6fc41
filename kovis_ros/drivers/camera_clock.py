"""The time of capture on the camera's clock, told on the host's.

Convention:
    The library's global time already is on the host's clock, transport left out. Any other clock is mapped by the
    smallest of the last offsets (arrival - camera time): clock difference plus the shortest transport, so a stamp
    may be too young by that transport (a few milliseconds), never in the future, and drift is followed: 20 ppm over
    the window's 10 s at 30 Hz is 0.2 ms.
"""

from __future__ import annotations

from collections import deque

HOST_CLOCKS = ("global_time", "system_time")
EARLIEST_NS, OLDEST_NS = -10_000_000, 1_000_000_000  # ages at arrival that a clock of the host can show
JUMP_NS = 1_000_000_000  # the hardware clock of a D400 wraps after 71 minutes, and starts anew with the camera


class CameraClock:
    """Maps one camera's stamps; ``host`` False for a recording, whose clocks are of another time: they are left out.

    A recording is captured as it arrives. Mapped, its images grew older by the second where the library could not play
    them as fast as they were taken (848x480 with noise: 24 of 30 pairs a second), until all were refused as old.
    """

    def __init__(self, host: bool = True, window: int = 300) -> None:
        self.host = host
        self.offsets: deque[int] = deque(maxlen=window)
        self.source = "none yet"

    def captured(self, camera_ms: float, domain: str, arrived_ns: int) -> int:
        """Host's time of capture in ns since 1970 for a stamp in ms of ``domain``, arrived at ``arrived_ns``."""
        if not self.host:
            self.source = "arrival"
            return arrived_ns
        camera_ns = round(camera_ms * 1e6)
        offset = arrived_ns - camera_ns
        if domain in HOST_CLOCKS and EARLIEST_NS <= offset <= OLDEST_NS:
            self.offsets.clear()
            self.source = domain.replace("_", " ")
            return min(camera_ns, arrived_ns)
        if self.offsets and abs(offset - min(self.offsets)) > JUMP_NS:
            self.offsets.clear()
        self.offsets.append(offset)
        self.source = f"{domain.replace('_', ' ')}, mapped"
        return camera_ns + min(self.offsets)
