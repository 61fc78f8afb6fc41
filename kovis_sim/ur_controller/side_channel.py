"""Client of the simulated controller's side channel: break it, and measure at the controller how the arm stopped."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

FAULT_PORT = 30100
STILL_MPS, STILL_RADPS = 1e-4, 1e-3  # slower counts as standing
STILL_RAD = 2e-4  # a joint that stays within this stands: 0.2 mm at the end of a stretched arm of 1 m
CYCLE_S = 0.008
REST_S = 0.2  # motion after so long a rest is a new one, no slow stop
ANSWER_S = 5.0


class SideChannelError(RuntimeError):
    """The controller does not answer, or refused; the message says what was asked."""


class Stop(NamedTuple):
    """How the tool came to rest after a moment, by the controller's target speed."""

    zero_s: float  # from the moment until the speed was zero for good; 0 if it was already, infinite if it never was
    watched_s: float  # length of the series after the moment
    top_mps: float  # fastest translation after the moment
    again: bool = False  # did it stand for a while and move once more


class SideChannel:
    """One request a connection, so that it works across restarts of either side."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, do: str, **values: Any) -> dict[str, Any]:
        """Carry out one request of ``faults``; SideChannelError unless the controller did it."""
        request = json.dumps({"do": do, **values})
        try:
            with socket.create_connection((self.address, FAULT_PORT), ANSWER_S) as link:
                link.sendall(request.encode() + b"\n")
                reply: dict[str, Any] = json.loads(link.makefile().readline())
        except (OSError, ValueError) as error:
            raise SideChannelError(f"controller at {self.address} does not answer {request}: {error}") from None
        if not reply.pop("ok"):
            raise SideChannelError(f"controller at {self.address} refused {request}: {reply['error']}")
        return reply

    def speed(self) -> float:
        """Translation of the TCP that is commanded now, m/s."""
        v = self.ask("state")["target_TCP_speed"][:3]
        return float(sum(x * x for x in v) ** 0.5)

    def stop_after(self, moment_s: float) -> Stop:
        """How the tool stopped after a ``time.monotonic()`` moment."""
        seconds = time.monotonic() - moment_s
        return measure(self.ask("trace", seconds=seconds + CYCLE_S)["trace"], moment_s)

    def still_after(self, moment_s: float) -> float:
        """Seconds from a ``time.monotonic()`` moment to standstill of the joints, see `standstill`."""
        seconds = time.monotonic() - moment_s
        return standstill(self.ask("joints", seconds=seconds + CYCLE_S)["joints"], moment_s)

    def commands(self, seconds: float) -> list[float]:
        """``time.monotonic()`` of every command package of the last seconds."""
        return [float(at) for at in self.ask("commands", seconds=seconds)["commands"]]


def measure(trace: Sequence[Sequence[float]], moment_s: float) -> Stop:
    """`Stop` of a series of (time s, |v| m/s, |w| rad/s), one entry a cycle."""
    after = [entry for entry in trace if entry[0] >= moment_s]
    if not after:
        return Stop(float("inf"), 0.0, 0.0)
    moving = [at for at, v, w in after if v > STILL_MPS or w > STILL_RADPS]
    end = after[-1][0]
    zero = moving[-1] + CYCLE_S - moment_s if moving else 0.0
    zero = zero if not moving or moving[-1] < end else float("inf")
    return Stop(zero, end - moment_s, max(e[1] for e in after), moves_again(after))


def standstill(joints: Sequence[Sequence[float]], moment_s: float) -> float:
    """Seconds from the moment until every joint was where it stayed to the end of a series of (time s, angles rad).

    Infinite where the series ends before the moment: an arm that nobody saw is not taken for one that stood.
    """
    after = [entry for entry in joints if entry[0] >= moment_s]
    if not after:
        return float("inf")
    end = after[-1][1:]
    moving = [at for at, *q in after if max(abs(a - b) for a, b in zip(q, end, strict=True)) > STILL_RAD]
    return moving[-1] + CYCLE_S - moment_s if moving else 0.0


def moves_again(trace: Sequence[Sequence[float]]) -> bool:
    """Is there motion after cycles without it that lasted `REST_S`."""
    rest_since: float | None = None
    for at, v, w in trace:
        if v <= STILL_MPS and w <= STILL_RADPS:
            rest_since = at if rest_since is None else rest_since
        elif rest_since is not None and at - rest_since >= REST_S:
            return True
        else:
            rest_since = None
    return False


def late_share(times: Sequence[float], period_s: float, allowed_s: float) -> float:
    """Share 0..1 of periods between the times that were longer than period and allowance."""
    periods = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    return sum(period > period_s + allowed_s for period in periods) / max(len(periods), 1)
