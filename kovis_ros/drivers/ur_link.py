"""What can be asked of a UR controller with plain sockets, before and beside the vendor library.

The library's constructors have no timeouts and hold the interpreter, so a wrong address is found out here first.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple, NoReturn

RTDE_PORT, DASHBOARD_PORT, SCRIPT_PORT = 30004, 29999, 30003
OLDEST = {3: 4, 5: 4}  # minor versions below which ur_rtde's commands do not work, by major version


class ArmError(RuntimeError):
    """The arm cannot be used; the message names what was found and what to do."""


class LinkLostError(ArmError):
    """The controller is gone or silent.  Call nothing any more: end the process."""


class Version(NamedTuple):
    """URControl version of a controller: 3.x is CB3, 5.x e-Series."""

    major: int
    minor: int
    bugfix: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.bugfix}"


def probe(address: str, timeout_s: float = 2.0) -> Version:
    """Version of the controller at an address, once all ports the library needs answer.  ArmError otherwise."""
    for port, what in ((DASHBOARD_PORT, "dashboard"), (SCRIPT_PORT, "script")):
        _connect(address, port, what, timeout_s).close()
    with _connect(address, RTDE_PORT, "RTDE", timeout_s) as link:
        try:
            link.sendall(b"\x00\x05V\x00\x02" + b"\x00\x03v")
            _package(link)
            version = Version(*struct.unpack_from(">3I", _package(link)))
        except (OSError, struct.error):
            raise ArmError(
                f"{address}:{RTDE_PORT} accepts connections but does not speak RTDE: "
                "check robot_ip, and that the controller has booted"
            ) from None
    if version.minor < OLDEST.get(version.major, 1 << 30):
        raise ArmError(f"controller {address} has version {version}: 3.4 or newer (CB3) or 5.4 or newer is needed")
    return version


def dashboard(address: str, command: str, timeout_s: float = 1.0) -> str:
    """Reply of the dashboard server to one command.  ArmError if it does not answer."""
    with _connect(address, DASHBOARD_PORT, "dashboard", timeout_s) as link:
        try:
            lines = link.makefile("rw", newline="\n")
            lines.readline()
            lines.write(command + "\n")
            lines.flush()
            return lines.readline().strip()
        except OSError:
            raise ArmError(f"dashboard of {address} does not answer {command!r}: check the controller") from None


LAST_STOP = """
import socket, sys, time
address, code, deadline = sys.argv[1], int(sys.argv[2]), time.monotonic() + 0.6
while time.monotonic() < deadline:
    try:
        with socket.create_connection((address, 29999), 0.2) as link:
            link.settimeout(0.2)
            link.recv(256)
            link.sendall(b"stop\\n")
            link.recv(256)
    except OSError:
        pass
    time.sleep(0.05)
sys.exit(code)
"""


GUARD = """
import os, select, signal, sys
process, patience_s, line = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
if not select.select([sys.stdin], [], [], patience_s)[0]:
    print("error: " + line, file=sys.stderr, flush=True)
    os.kill(process, signal.SIGKILL)
"""


@contextmanager
def limited(address: str, patience_s: float) -> Iterator[None]:
    """Have this process ended, with a line, if the block takes longer.

    The vendor's constructors know no timeout, its calls one of five minutes. The former hold the interpreter meanwhile,
    so neither a thread nor a signal's handler of this process could do it.
    """
    line = f"the controller at {address} stopped answering while connecting: look at the pendant, check the network"
    command = [sys.executable, "-I", "-S", "-c", GUARD, str(os.getpid()), str(patience_s), line]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    assert guard.stdin is not None
    threading.Thread(target=guard.wait, daemon=True).start()  # not at the end, when an armed watchdog must be fed soon
    try:
        yield
    finally:
        guard.stdin.close()  # it has nothing to guard any more, and ends


def end_process(address: str, code: int) -> NoReturn:
    """Replace this process by one that only tells the dashboard to stop for a moment, and exits with `code`.

    The vendor library's threads end with the old image: left alone they reconnect, upload the control program again,
    and that carries out the last speed command without a watchdog.
    """
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", LAST_STOP, address, str(code)])


def send_at_once(address: str) -> None:
    """Have every RTDE connection of this process to a controller send small packages at once.

    The vendor library asks for that (TCP_NODELAY) on a socket which it then replaces, so each command waits for the
    acknowledgement of the one before, which comes with the controller's next state, a period later if it is late.
    """
    peers = {found[4][:2] for found in socket.getaddrinfo(address, RTDE_PORT, type=socket.SOCK_STREAM)}
    for link in _own_sockets():
        with link, suppress(OSError):
            if link.getpeername()[:2] in peers:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _own_sockets() -> Iterator[socket.socket]:
    """Copies of this process's Internet sockets; none where the system does not list them."""
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        with suppress(OSError):
            if stat.S_ISSOCK(os.stat(f"/proc/self/fd/{name}").st_mode):
                link = socket.socket(fileno=os.dup(int(name)))
                if link.family in (socket.AF_INET, socket.AF_INET6):
                    yield link
                else:
                    link.close()


def _connect(address: str, port: int, what: str, timeout_s: float) -> socket.socket:
    try:
        link = socket.create_connection((address, port), timeout_s)
    except TimeoutError:
        raise ArmError(
            f"no answer from {address}:{port} ({what}) in {timeout_s:g} s: "
            "check robot_ip, the network cable and that the controller is on"
        ) from None
    except OSError as error:
        raise ArmError(
            f"cannot connect to {address}:{port} ({what}): {error.strerror or error}: check robot_ip, "
            "and that the controller is up and its security settings leave this service open"
        ) from None
    link.settimeout(timeout_s)
    return link


def _package(link: socket.socket) -> bytes:
    size = struct.unpack(">H", _exactly(link, 2))[0]
    return _exactly(link, size - 2)[1:]


def _exactly(link: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = link.recv(count - len(data))
        if not part:
            raise OSError("closed")
        data += part
    return data
