"""The controller's sockets and its clock, in one thread."""

from __future__ import annotations

import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kovis_sim.ur_controller import dashboard, faults
from kovis_sim.ur_controller.arrival import arrived, stamp
from kovis_sim.ur_controller.controller import Controller
from kovis_sim.ur_controller.outputs import Outputs
from kovis_sim.ur_controller.rtde_peer import RtdePeer
from kovis_sim.ur_controller.script import take_programs

RTDE_PORT, DASHBOARD_PORT, SCRIPT_PORT, GRIPPER_PORT, FAULT_PORT = 30004, 29999, 30003, 63352, 30100
ROBOT_PORTS = (RTDE_PORT, DASHBOARD_PORT, SCRIPT_PORT, GRIPPER_PORT)  # what a dropped link takes along


@dataclass(eq=False)
class Connection:
    """A client of one port; `rtde` only on the RTDE port."""

    socket: socket.socket
    port: int
    received: bytearray = field(default_factory=bytearray)
    to_send: bytearray = field(default_factory=bytearray)
    rtde: RtdePeer | None = None

    @property
    def waiting(self) -> bytearray:
        return self.rtde.to_send if self.rtde is not None else self.to_send


class Server:
    """Listens on every port of `address`, advances `controller` in real time.  OSError if a port is taken."""

    def __init__(self, controller: Controller, address: str) -> None:
        self.controller, self.address = controller, address
        self._outputs = Outputs(controller)
        self._selector = selectors.DefaultSelector()
        self._listeners: dict[int, socket.socket] = {}
        self._connections: list[Connection] = []
        self._owners: dict[str, RtdePeer | None] = {}
        self._frozen_until = 0.0
        self._listen_again: float | None = None
        self._skipped, self._late_s, self._packages = 0, 0.0, 0
        self.running = True
        for port in (*ROBOT_PORTS, FAULT_PORT):
            self._listen(port)

    def run(self) -> None:
        """Serve until `running` is False; wakes up at each cycle of the controller."""
        due = time.monotonic() + self.controller.dt
        while self.running:
            events = self._selector.select(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            self.controller.judge_watchdog(now)
            for key, mask in events:
                self._serve(key, mask)
            if now >= due:
                self._cycle(now)
                due = self._next(due, now)
        self._close_all()

    def stop(self, *_: object) -> None:
        self.running = False

    # what the side channel may do

    def freeze(self, seconds: float) -> None:
        self._frozen_until = time.monotonic() + seconds

    def drop(self, seconds: float | None) -> None:
        for connection in [c for c in self._connections if c.port != FAULT_PORT]:
            self._close(connection)
        for port in ROBOT_PORTS:
            listener = self._listeners.pop(port, None)
            if listener is not None:
                self._selector.unregister(listener)
                listener.close()
        self._listen_again = None if seconds is None else time.monotonic() + seconds

    def claim(self, claimed: bool) -> None:
        names = [f"input_int_register_{n}" for n in range(48)]
        for name in names:
            if claimed:
                self._owners[name] = None
            elif self._owners.get(name, self) is None:
                del self._owners[name]

    def counts(self) -> dict[str, float]:
        return {
            "connections": len([c for c in self._connections if c.port != FAULT_PORT]),
            "skipped_cycles": self._skipped,
            "worst_lateness_s": self._late_s,
            "packages": self._packages,
        }

    # the clock

    def _cycle(self, now: float) -> None:
        frozen = now < self._frozen_until
        if not frozen:
            for connection in self._connections:
                if connection.rtde is not None:
                    connection.rtde.apply()
        self.controller.cycle(now)
        for connection in [] if frozen else list(self._connections):
            if connection.rtde is not None:
                connection.rtde.publish()
                self._packages += 1
                self._send(connection)
        if self._listen_again is not None and now >= self._listen_again:
            self._listen_again = None
            for port in ROBOT_PORTS:
                self._listen(port)

    def _next(self, due: float, now: float) -> float:
        """The next cycle in phase.  The clock counts the missed ones; the motion does not make up for them."""
        self._late_s = max(self._late_s, now - due)
        missed = int((now - due) / self.controller.dt)
        self._skipped += missed
        self.controller.cycle_count += missed
        return due + (missed + 1) * self.controller.dt

    # the sockets

    def _listen(self, port: int) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.address, port))
        listener.listen(8)
        listener.setblocking(False)
        self._listeners[port] = listener
        self._selector.register(listener, selectors.EVENT_READ, port)

    def _serve(self, key: selectors.SelectorKey, mask: int) -> None:
        port = key.data if isinstance(key.data, int) else key.data.port
        if port != FAULT_PORT and time.monotonic() < self._frozen_until:
            time.sleep(0.0005)  # data and clients stay in the socket: do not spin on it
            return
        if isinstance(key.data, int):
            self._accept(port)
            return
        connection: Connection = key.data
        if connection not in self._connections:
            return
        if mask & selectors.EVENT_WRITE:
            self._send(connection)
        if mask & selectors.EVENT_READ:
            self._read(connection)

    def _accept(self, port: int) -> None:
        if port not in self._listeners:
            return  # closed since the selector saw it
        client, _ = self._listeners[port].accept()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stamp(client)
        connection = Connection(client, port)
        if port == RTDE_PORT:
            connection.rtde = RtdePeer(self.controller, self._outputs, self._owners)
        self._connections.append(connection)
        self._selector.register(client, selectors.EVENT_READ, connection)
        if port == DASHBOARD_PORT:
            connection.to_send += dashboard.BANNER.encode()
            self._send(connection)

    def _read(self, connection: Connection) -> None:
        try:
            data, came_s = arrived(connection.socket)
            if data:
                self._handle(connection, data, came_s)
                self._send(connection)
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # closed or reset: no affair of the arm's
        except ValueError as error:
            self.controller.note(f"port {connection.port}: {error}")
        self._close(connection)

    def _handle(self, connection: Connection, data: bytes, came_s: float) -> None:
        if connection.rtde is not None:
            connection.rtde.receive(data, came_s)
            return
        connection.received += data
        if connection.port == SCRIPT_PORT:
            for script in take_programs(connection.received):
                self.controller.upload(script)
            return
        answer = self._line_answer(connection.port)
        while b"\n" in connection.received:
            line, _, rest = bytes(connection.received).partition(b"\n")
            connection.received[:] = rest
            connection.to_send += answer(line.decode("utf-8", "replace").strip())

    def _line_answer(self, port: int) -> Callable[[str], bytes]:
        if port == DASHBOARD_PORT:
            return lambda line: (dashboard.answer(self.controller, line) + "\n").encode()
        if port == GRIPPER_PORT:
            return self.controller.gripper.answer
        return lambda line: faults.answer(self.controller, self, line).encode()

    def _send(self, connection: Connection) -> None:
        waiting = connection.waiting
        if waiting and connection in self._connections:
            try:
                sent = connection.socket.send(waiting)
                del waiting[:sent]
            except BlockingIOError:
                pass
            except OSError:
                self._close(connection)
                return
        if connection in self._connections:
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if waiting else 0)
            if self._selector.get_key(connection.socket).events != wanted:
                self._selector.modify(connection.socket, wanted, connection)

    def _close(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._selector.unregister(connection.socket)
            connection.socket.close()
            if connection.rtde is not None:
                connection.rtde.release()

    def _close_all(self) -> None:
        for connection in list(self._connections):
            self._close(connection)
        for listener in self._listeners.values():
            self._selector.unregister(listener)
            listener.close()
        self._selector.close()


def serve(server: Server) -> None:
    """Run until SIGINT or SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.stop)
    server.run()
