"""Breaks the running cell on purpose: the faults that the graph must survive with the arm at rest."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kovis_sim.ur_controller.side_channel import SideChannel

ZERO_S = 0.150  # from the fault, or from the limit after which what is missing counts as stale, to zero speed
STANDSTILL_S = 0.300  # the same, to the simulated arm at rest
FROZEN_S = 1.5  # how long the controller is stopped
NODES = ("sim", "keypoint", "servo", "ur5")
STALE_S = {"": 0.0, "image": 0.25, "setpoint": 0.1, "watchdog": 0.1, "owner": 0.4}


class Fault(NamedTuple):
    """One way to break the cell."""

    name: str
    means: str  # camera, kill, controller (side channel) or freeze
    what: str
    stale: str = ""  # what has to become stale first, a key of STALE_S
    heal: str = ""  # request that undoes it at the controller

    @property
    def limit_s(self) -> float:
        """Zero speed is due so long after the fault; for ``image`` after the last good image was exposed."""
        return STALE_S[self.stale] + ZERO_S


FAULTS = (
    Fault("camera frozen, old stamps", "camera", "frozen_old", "image"),
    Fault("camera frozen, fresh stamps", "camera", "frozen_new", "image"),
    Fault("camera's left eye frozen", "camera", "left_frozen", "image"),
    Fault("camera images dropped", "camera", "dropped", "image"),
    Fault("camera black", "camera", "black", "image"),
    Fault("camera's left eye covered", "camera", "left_black", "image"),
    Fault("camera's right eye covered", "camera", "right_black", "image"),
    Fault("camera left and right swapped", "camera", "swapped", "image"),
    Fault("camera delayed by 500 ms", "camera", "delayed", "image"),
    Fault("camera stamps from the future", "camera", "future", "image"),
    Fault("keypoint killed", "kill", "keypoint", "image"),
    Fault("servo killed", "kill", "servo", "setpoint"),
    Fault("ur5 killed", "kill", "ur5", "watchdog"),
    Fault("all nodes killed at once", "kill", "*", "watchdog"),
    Fault("controller frozen", "freeze", ""),
    Fault("link cut", "controller", "drop", "watchdog"),
    Fault("link silent", "controller", "freeze", "watchdog"),
    Fault("protective stop", "controller", "protective_stop", "", "unlock"),
    Fault("pendant stop", "controller", "pendant_stop"),
    Fault("speed slider to 0", "controller", "slider", "", "slider"),
)
VALUES: dict[str, dict[str, float]] = {"drop": {"seconds": 0.0}, "freeze": {"seconds": 1.0}, "slider": {"value": 0.0}}


class Breaker:
    """Injects faults.

    signal_to(names, number): sends a signal to these processes of the graph, all at once;
    camera(fault): has the simulated camera fail, see ``camera_faults``.
    """

    def __init__(
        self, channel: SideChannel, signal_to: Callable[[Sequence[str], int], None], camera: Callable[[str], None]
    ) -> None:
        self.channel, self.signal_to, self.camera = channel, signal_to, camera

    def inject(self, fault: Fault) -> float:
        """Break it; the ``time.monotonic()`` moment from which the time counts."""
        moment = time.monotonic()
        if fault.means == "camera":
            self.camera(fault.what)
        elif fault.means == "kill":
            self.signal_to(NODES if fault.what == "*" else (fault.what,), signal.SIGKILL)
        elif fault.means == "controller":
            self.channel.ask(fault.what, **VALUES.get(fault.what, {}))
        else:
            self.signal_to(("ur_controller",), signal.SIGSTOP)
            time.sleep(FROZEN_S)
            moment = time.monotonic()  # a stopped controller moves nothing: what counts is how it wakes up
            self.signal_to(("ur_controller",), signal.SIGCONT)
        return moment

    def heal(self, fault: Fault) -> None:
        """Mend what does not mend itself; killed processes are the supervisor's."""
        if fault.means == "camera":
            self.camera("none")
        elif fault.heal == "slider":
            self.channel.ask("slider", value=1.0)
        elif fault.heal:
            self.channel.ask(fault.heal)
