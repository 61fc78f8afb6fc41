"""Settings of the simulated controller."""

from __future__ import annotations

from dataclasses import dataclass

from kovis_ros.method.robotiq_2f85 import STROKE_M

HOME = (0.0, -1.57, 1.57, -1.57, -1.57, 0.0)


@dataclass(frozen=True)
class Settings:
    """What the installation of a real controller would hold, and how this one behaves where the real one is unsure."""

    arm: str = "ur5"
    q: tuple[float, ...] = HOME
    tcp_offset_m: float = 0.170
    payload_kg: float = 1.0
    opening_m: float = STROKE_M
    force_limit_n: float = 150.0
    stop_pauses: bool = True  # a protective stop pauses the program; False: it stops it
    unlock_after_s: float = 5.0
    remote_control: bool = True
    powered: bool = True
    firmware: tuple[int, int, int] | None = None  # None: the usual one of the arm's series

    @property
    def e_series(self) -> bool:
        return self.arm.endswith("e")

    @property
    def rate_hz(self) -> int:
        return 500 if self.e_series else 125

    @property
    def version(self) -> tuple[int, int, int, int]:
        """Major, minor, bugfix, build."""
        if self.firmware is not None:
            return (*self.firmware, 0)
        return (5, 12, 6, 1102099) if self.e_series else (3, 15, 8, 106339)
