"""A simulated UR controller in its own process, and clients of the vendor library in theirs, for the tests.

The library's constructors can hang for ever with the interpreter held, so no test calls them in its own process.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

from kovis_sim.shared_state import SharedState

ROOT = Path(__file__).resolve().parents[1]
HOME = (3.0, -1.5, 2.0, -2.1, -1.5708, 0.0)  # joints [rad]
_NUMBERS = itertools.count(1)
FAULT_PORT = 30100
DRIVER = """
    import json, sys, time
    from kovis_ros.drivers.ur5 import Ur5
    from kovis_ros.drivers.ur_link import ArmError, LinkLostError
    from kovis_ros.drivers.ur_setup import Ur5Settings
    def say(*values): print("@" + json.dumps(values), flush=True)
    ip = sys.argv[1]
"""


def new_address() -> str:
    """A loopback address that no other test run uses: the ports of a controller are fixed."""
    return f"127.0.{1 + os.getpid() % 250}.{next(_NUMBERS)}"


def busy() -> bool:
    """Is the machine busy with other work, so that times are those of that work?"""
    return os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1)


class SideChannel:
    """A running controller: `fault` breaks it, `state` shows what it did."""

    def __init__(self, address: str) -> None:
        self.address = address

    def fault(self, do: str, **values: Any) -> dict[str, Any]:
        """One request on the side channel; AssertionError if it was refused."""
        reply = self.ask(do, **values)
        assert reply["ok"], reply
        return reply

    def ask(self, do: str, **values: Any) -> dict[str, Any]:
        with socket.create_connection((self.address, FAULT_PORT), 5) as link:
            link.sendall(json.dumps({"do": do, **values}).encode() + b"\n")
            return json.loads(link.makefile().readline())

    def state(self) -> dict[str, Any]:
        return self.fault("state")

    def speed(self) -> float:
        """Norm of the TCP's linear velocity now, m/s."""
        v = self.state()["target_TCP_speed"]
        return float(sum(x * x for x in v[:3]) ** 0.5)

    def wait(self, what: Any, timeout_s: float = 10.0) -> dict[str, Any]:
        """Wait until what(state) holds; the state then."""
        deadline = time.monotonic() + timeout_s
        while not what(state := self.state()):
            assert time.monotonic() < deadline, f"never came: {state}"
            time.sleep(0.01)
        return state

    def stopped_after(self, moment_s: float, wait_s: float = 0.6) -> float:
        """Seconds from a time.monotonic() moment until the TCP stood, and it stayed so.  Infinite if it moves."""
        time.sleep(max(0.0, moment_s + wait_s - time.monotonic()))
        trace = self.fault("trace", seconds=time.monotonic() - moment_s + 1.0)["trace"]
        after = [entry for entry in trace if entry[0] >= moment_s]
        assert after, "the controller did not run"
        moving = [at for at, v, w in after if v > 1e-6 or w > 1e-6]
        if moving and moving[-1] >= after[-1][0] - 0.02:
            return float("inf")
        return moving[-1] - moment_s if moving else 0.0


class Cell(SideChannel):
    """Starts a controller of its own.  Use it in a `with`."""

    def __init__(self, *options: str) -> None:
        super().__init__(new_address())
        self.name = f"test-{os.getpid()}-{next(_NUMBERS)}"
        command = [sys.executable, "-m", "kovis_sim.ur_controller", "--address", self.address, "--state", self.name]
        self.process = subprocess.Popen(
            [*command, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        assert ready.startswith("ready"), ready + self.process.stdout.read()
        self.shared = SharedState.attach(self.name)

    def restore(self) -> None:
        """Everything as it was at the start."""
        self.shared.report(0.0)
        if self.state()["safety_mode"] == "PROTECTIVE_STOP":
            time.sleep(0.4)
            self.fault("unlock")
        self.fault("release")
        self.fault("power", value="on")
        self.fault("slider", value=1.0)
        self.fault("pendant_stop")
        self.shared.reset(HOME, 0.085)

    def __enter__(self) -> Cell:
        return self

    def __exit__(self, *_: object) -> None:
        self.shared.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            self.process.wait(timeout=10)
        finally:
            self.process.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()


class Client:
    """A program with the vendor library in a process of its own.

    `c` is a control, `r` a receive interface; `say(...)` prints a JSON line that `hear` returns.
    """

    PRELUDE = """
        import json, sys, time
        import rtde_control, rtde_receive
        ip = sys.argv[1]
        def say(*values): print("@" + json.dumps(values), flush=True)
        def until(what, seconds=5.0):
            end = time.monotonic() + seconds
            while not what():
                if time.monotonic() > end: raise TimeoutError
                time.sleep(0.002)
        r = rtde_receive.RTDEReceiveInterface(ip)
        c = rtde_control.RTDEControlInterface(ip)
    """

    running: ClassVar[list[Client]] = []

    def __init__(self, address: str, code: str, prelude: str = PRELUDE) -> None:
        program = textwrap.dedent(prelude) + textwrap.dedent(code)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, address], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        Client.running.append(self)

    def hear(self, timeout_s: float = 30.0) -> Any:
        """Values of the next `say`; AssertionError with the output if the program ended or hangs."""
        assert self.process.stdout is not None
        heard = []
        watchdog = threading.Timer(timeout_s, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout:
                if line.startswith("@"):
                    return json.loads(line[1:])
                heard.append(line)
            raise AssertionError(f"client ended or did not answer in {timeout_s:g} s: {''.join(heard)}")
        finally:
            watchdog.cancel()

    def kill(self) -> float:
        """SIGKILL; the moment, in time.monotonic() seconds."""
        moment = time.monotonic()
        Client.running.remove(self)
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return moment


def ask_client(address: str, code: str, prelude: str = Client.PRELUDE) -> Any:
    """Run a client to its first `say`, then end it."""
    client = Client(address, code, prelude)
    try:
        return client.hear()
    finally:
        client.kill()
