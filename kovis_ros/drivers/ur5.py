"""UR arm over RTDE: the only module that imports ``ur_rtde``.

All methods belong to one thread: the library is not thread-safe.  Four of its habits shape this file:
``speedL`` never stops by itself, so a watchdog is armed after every upload of the control script; its return value
says nothing about the arm, so health is judged by what the controller sends; after a lost link any call may hang or
crash, so `LinkLostError` ends the process; after any stop both "play" and ``reuploadScript`` would carry out the last
speed command again, which still stands in the controller's registers, so a paused program is ended and recovery takes a
new connection, which clears them.
"""

from __future__ import annotations

import time
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from kovis_ros.drivers.arm import Reading
from kovis_ros.drivers.ur_link import ArmError, LinkLostError, Version, dashboard, limited, probe, send_at_once
from kovis_ros.drivers.ur_setup import (
    Ur5Settings,
    check_model,
    check_payload,
    check_remote,
    check_tcp,
    explain,
    tells_payload,
    variables,
)

Array = npt.NDArray[np.float64]
INSTALL = "pip install 'kovis_ros[ur]' (ur_rtde)"
RATE_HZ = 125.0
CONNECT_LIMIT_S = 20.0  # for the library's constructors and first calls: a process that hangs in one is ended
START_LIMIT_S = 1.0
LONGEST_WAIT_S = 0.1  # between two checks of the link: a stall of this process is no silence of the controller


class Ur5:
    """One arm.  Construct, `connect`, then call `read` and at most one command each period."""

    def __init__(self, settings: Ur5Settings) -> None:
        self.settings = settings
        self.version: Version | None = None
        self.found: dict[str, str] = {}  # what the controller says about its set-up
        self._control: Any = None
        self._receive: Any = None
        self._stamp, self._silent_s, self._checked_s = -1.0, 0.0, 0.0

    def probe(self) -> Version:
        """Find out in seconds whether a connection is possible, and to which arm.  ArmError says what is wrong."""
        _library()
        version = probe(self.settings.address)
        check_model(self.settings, version, dashboard(self.settings.address, "get robot model"))
        if version.major >= 5:
            check_remote(self.settings.address, dashboard(self.settings.address, "is in remote control"))
        self.version, self.found["controller"] = version, str(version)
        return version

    def connect(self) -> None:
        """Connect, compare the set-up, upload the control program and arm its watchdog.

        ArmError says what is wrong; nothing is left running on the controller then.
        """
        control, receive = _library()
        version = self.version or self.probe()
        with limited(self.settings.address, CONNECT_LIMIT_S):
            try:
                self._receive = receive.RTDEReceiveInterface(self.settings.address, RATE_HZ, variables(version))
            except RuntimeError as error:
                raise ArmError(explain(error, self.settings.address)) from None
            self._check_power()
            self._control = self._take_control(control)
            self._begin(version)

    def read(self) -> Reading:
        """State of the arm.  LinkLostError as from `check_link`."""
        for _ in range(3):
            stamp = self._receive.getTimestamp()
            reading = self._snapshot(stamp)
            if self._receive.getTimestamp() == stamp:
                break
        self.check_link()
        return reading

    def check_link(self) -> None:
        """LinkLostError when the controller is gone, or sent nothing new for `link_timeout_s`.

        May be asked from another thread, while this one is inside a call that does not return.
        """
        stamp, now = self._receive.getTimestamp(), time.monotonic()
        waited_s, self._checked_s = min(now - self._checked_s, LONGEST_WAIT_S), now
        self._silent_s = 0.0 if stamp != self._stamp else self._silent_s + waited_s
        self._stamp = stamp
        if self._silent_s > self.settings.link_timeout_s:
            self._lost(f"silent for {self._silent_s:.1f} s")
        if not self._receive.isConnected():
            self._lost("closed")

    def _lost(self, how: str) -> NoReturn:
        raise LinkLostError(
            f"link to the controller at {self.settings.address} is {how}: check cable and controller; "
            "the controller's watchdog stops the arm"
        )

    def _call(self, function: str, *arguments: Any) -> Any:
        """One call of the control interface.  LinkLostError if it raises: it does so on dying connections."""
        try:
            return getattr(self._control, function)(*arguments)
        except RuntimeError as error:
            self._lost(f"broken ({' '.join(str(error).split())})")

    def speed(self, twist: npt.ArrayLike, acceleration_mps2: float) -> None:
        """Command a twist of the TCP (6,), m/s and rad/s in base; to be repeated within the watchdog's period.

        ValueError if it is not six finite numbers: the library would pass anything on.
        """
        numbers = np.asarray(twist, dtype=float)
        if numbers.shape != (6,) or not np.isfinite(numbers).all():
            raise ValueError(f"twist {numbers.tolist()} is not six finite numbers: nothing was sent")
        self._call("speedL", numbers.tolist(), acceleration_mps2, 1.0 / RATE_HZ)

    def rest(self, deceleration_mps2: float) -> None:
        """Brake and wait until the arm stands.  Only with a healthy link: it blocks."""
        self._call("speedStop", deceleration_mps2)

    def kick(self) -> None:
        """Feed the watchdog while nothing is commanded; never right after `speed`, which would be lost."""
        self._call("kickWatchdog")

    def end_program(self) -> str:
        """Ask the dashboard to end whatever program runs or is paused; its reply: "Stopped" when there is none now.

        Blocks for up to 3 s; ArmError when the dashboard does not answer.
        """
        return dashboard(self.settings.address, "stop")

    def recover(self) -> None:
        """Connect and upload the control program anew, and arm its watchdog.  ArmError if it does not start.

        Not ``reuploadScript``: it leaves the last command in its register, and the new program would carry it out.
        """
        library, _ = _library()
        version = self.version or self.probe()
        with limited(self.settings.address, CONNECT_LIMIT_S):
            self._control.disconnect()
            self._control = self._take_control(library)
            deadline = time.monotonic() + START_LIMIT_S
            while not self.read().program_running:
                if time.monotonic() > deadline:
                    raise ArmError(f"the control program did not start in {START_LIMIT_S:g} s: look at the pendant")
                time.sleep(0.01)
            self._begin(version)

    def close(self) -> None:
        """Brake, end the program, disconnect.  Only with a healthy link."""
        if self._control is not None:
            if self.read().program_running:
                self._call("speedStop", 2.0)
                self._call("stopScript")
            self._control.disconnect()
        if self._receive is not None:
            self._receive.disconnect()

    def _snapshot(self, stamp: float) -> Reading:
        receive = self._receive
        return Reading(
            stamp,
            receive.getActualQ(),
            receive.getActualQd(),
            receive.getActualTCPPose(),
            receive.getActualTCPSpeed(),
            receive.getActualTCPForce(),
            receive.getRobotMode(),
            receive.getSafetyMode(),
            receive.getRuntimeState(),
            receive.getSpeedScaling() * receive.getTargetSpeedFraction(),
        )

    def _take_control(self, library: Any) -> Any:
        try:
            control = library.RTDEControlInterface(self.settings.address, RATE_HZ)
        except RuntimeError as error:
            raise ArmError(explain(error, self.settings.address)) from None
        send_at_once(self.settings.address)
        return control

    def _check_power(self) -> None:
        reading = self._snapshot(self._receive.getTimestamp())
        if not reading.safe:
            raise ArmError(f"arm at {self.settings.address}: {reading.trouble()}")

    def _begin(self, version: Version) -> None:
        """Compare the set-up, which whoever cleared a stop may have changed, and arm the watchdog of a new program.

        A program that is refused is ended: without its watchdog nothing would stop it.
        """
        try:
            self._check_setup(version)
            self._arm_watchdog()
        except LinkLostError:
            raise
        except ArmError:
            self._call("stopScript")
            raise

    def _check_setup(self, version: Version) -> None:
        """Compare TCP and payload with what the controller has."""
        tcp = self._call("getTCPOffset")
        self.found["TCP [m, rotation vector]"] = str([round(value, 4) for value in tcp])
        check_tcp(self.settings, tcp)
        if not tells_payload(version):
            self.found["payload [kg]"] = "not told by this version"
            return
        payload_kg = self._receive.getPayload()
        self.found["payload [kg]"] = f"{payload_kg:.2f}"
        check_payload(self.settings, payload_kg)

    def _arm_watchdog(self) -> None:
        if not self._call("setWatchdog", self.settings.watchdog_hz):
            raise ArmError("the controller refused the watchdog: nothing will be moved without it; restart the node")


def _library() -> tuple[Any, Any]:
    try:
        import rtde_control  # type: ignore[import-not-found, unused-ignore]
        import rtde_receive  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise ArmError(f"{error.name} is not installed: {INSTALL}") from None
    return rtde_control, rtde_receive
