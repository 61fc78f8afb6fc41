"""The simulated arm's state in shared memory: who stands where, who pushes, and a mailbox for resets.

Two processes share one small file in memory.  `ur_controller` owns joints and gripper and writes an `ArmState` each
cycle; the sim node reads it, moves the bodies, and writes a `CellState` back: contact force, an object between the
fingers, and a request to jump to other joints (a simulator's privilege, not to be had over RTDE).

Each state has two slots, written in turn, each closed by a checksum: a reader takes the newest slot that is whole, so a
writer that is stopped or killed half-way leaves the state before it readable.  No locks, no registered shared memory
(whose tracker in Python 3.11 removes the block of another process).
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kovis_sim.gripper import GRIP_N

NAN = float("nan")
ARM_FORMAT = struct.Struct("<6d6ddddqqd")
CELL_FORMAT = struct.Struct("<dddq6dd")
COUNTER = struct.Struct("<Q")
CHECKSUM = struct.Struct("<I")
MAGIC = b"KOVISARM"
SLOT = 256
SIZE = 64 + 4 * SLOT
READ_TRIES = 50


class ArmState(NamedTuple):
    """Written by the controller each cycle."""

    q: tuple[float, ...]  # (6,) rad
    qd: tuple[float, ...]  # (6,) rad/s
    opening_m: float  # distance between the fingers
    opening_target_m: float
    stamp_s: float  # time.monotonic() of the cycle
    cycle: int
    reset_done: int  # number of the last reset carried out
    grip_n: float = GRIP_N  # how hard a pad presses at most


class CellState(NamedTuple):
    """Written by the sim node each tick."""

    force_n: float = 0.0  # magnitude of the contact force on gripper and held object
    blocked_opening_m: float = NAN  # fingers cannot close below it; NaN: nothing between them
    stamp_s: float = 0.0  # time.monotonic()
    reset: int = 0  # number of the reset asked for
    reset_q: tuple[float, ...] = (0.0,) * 6  # rad
    reset_opening_m: float = 0.0


class StateError(RuntimeError):
    """The shared state is missing, foreign, or already has an owner; the message says what to do."""


def state_path(name: str) -> Path:
    """The file behind a state name: in /dev/shm, or the temporary directory where there is none."""
    if not name or any(not (c.isalnum() or c in "-_.") for c in name):
        raise StateError(f"state name {name!r} has characters other than letters, digits, '-', '_', '.': rename it")
    folder = Path("/dev/shm")
    return (folder if folder.is_dir() else Path(tempfile.gettempdir())) / f"kovis-{name}"


class SharedState:
    """Both ends of the block.  `create` is the controller's (sole owner), `attach` the sim node's."""

    def __init__(self, path: Path, descriptor: int, owner: bool) -> None:
        self.path = path
        self._descriptor, self._owner = descriptor, owner
        self._map = mmap.mmap(descriptor, SIZE)
        self._arm = _Block(self._map, 64)
        self._cell = _Block(self._map, 64 + 2 * SLOT)

    @classmethod
    def create(cls, name: str) -> SharedState:
        """Make (or take over, if its owner is dead) the block.  StateError if another process owns it."""
        path = state_path(name)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StateError(f"state {name!r} belongs to a running controller: choose another --state") from None
        os.ftruncate(descriptor, SIZE)
        state = cls(path, descriptor, owner=True)
        state._map[:] = MAGIC.ljust(SIZE, b"\0")
        return state

    @classmethod
    def attach(cls, name: str, timeout_s: float = 5.0) -> SharedState:
        """Open a block that a controller has filled; waits up to timeout_s.  StateError if there is none."""
        path = state_path(name)
        deadline = time.monotonic() + timeout_s
        while True:
            state = cls._attempt(path)
            if state is not None:
                return state
            if time.monotonic() > deadline:
                raise StateError(f"no arm state at {path}: start the controller with --state {name}")
            time.sleep(0.02)

    @classmethod
    def _attempt(cls, path: Path) -> SharedState | None:
        if not path.exists() or path.stat().st_size != SIZE:
            return None
        state = cls(path, os.open(path, os.O_RDWR), owner=False)
        if state._map[:8] == MAGIC and state._arm.read() is not None:
            return state
        state.close()
        return None

    def write_arm(self, arm: ArmState) -> None:
        """The controller's state of this cycle."""
        payload = ARM_FORMAT.pack(
            *arm.q, *arm.qd, arm.opening_m, arm.opening_target_m, arm.stamp_s, arm.cycle, arm.reset_done, arm.grip_n
        )
        self._arm.write(payload)

    def read_arm(self) -> ArmState:
        """The newest whole state.  StateError if nothing was ever written."""
        payload = self._arm.read()
        if payload is None:
            raise StateError(f"no arm state in {self.path}: is the controller running?")
        values = ARM_FORMAT.unpack(payload)
        return ArmState(values[:6], values[6:12], *values[12:])

    def write_cell(self, cell: CellState) -> None:
        """The sim node's state of this tick, reset request included."""
        payload = CELL_FORMAT.pack(
            cell.force_n, cell.blocked_opening_m, cell.stamp_s, cell.reset, *cell.reset_q, cell.reset_opening_m
        )
        self._cell.write(payload)

    def read_cell(self) -> CellState:
        """What the sim node says; no force and nothing between the fingers if it never spoke."""
        payload = self._cell.read()
        if payload is None:
            return CellState()
        values = CELL_FORMAT.unpack(payload)
        force_n, blocked_opening_m, stamp_s, reset = values[:4]
        return CellState(force_n, blocked_opening_m, stamp_s, reset, values[4:10], values[10])

    def report(self, force_n: float, blocked_opening_m: float = NAN) -> None:
        """Sim node: contact force (N) and the opening (m) at which an object blocks the fingers, NaN for none."""
        cell = self.read_cell()
        self.write_cell(cell._replace(force_n=force_n, blocked_opening_m=blocked_opening_m, stamp_s=time.monotonic()))

    def ask_reset(self, q: Sequence[float], opening_m: float) -> int:
        """Sim node: put the arm at q (6,) rad and the fingers at opening_m; returns the number to wait for."""
        cell = self.read_cell()
        number = max(cell.reset, self.read_arm().reset_done) + 1
        joints = tuple(float(angle) for angle in q)
        self.write_cell(CellState(0.0, NAN, time.monotonic(), number, joints, float(opening_m)))
        return number

    def reset(self, q: Sequence[float], opening_m: float, timeout_s: float = 2.0) -> None:
        """Sim node: `ask_reset` and wait for the controller to have done it.  StateError when it does not answer."""
        number = self.ask_reset(q, opening_m)
        deadline = time.monotonic() + timeout_s
        while self.read_arm().reset_done < number:
            if time.monotonic() > deadline:
                raise StateError(f"the controller of {self.path} did not carry out a reset: is it running?")
            time.sleep(0.002)

    def close(self) -> None:
        """Leave the block; the owner removes the file."""
        self._map.close()
        if self._owner:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


class _Block:
    """Two slots of counter, payload and checksum; one writer, any number of readers."""

    def __init__(self, memory: mmap.mmap, offset: int) -> None:
        self._memory, self._offset = memory, offset
        self._written: int | None = None

    def write(self, payload: bytes) -> None:
        if self._written is None:
            self._written = max((found[0] for found in self._slots()), default=0)
        self._written = number = self._written + 1
        body = COUNTER.pack(number) + len(payload).to_bytes(2, "little") + payload
        at = self._offset + SLOT * (number % 2)
        self._memory[at : at + len(body) + CHECKSUM.size] = body + CHECKSUM.pack(zlib.crc32(body))

    def read(self) -> bytes | None:
        for _ in range(READ_TRIES):
            found = self._slots()
            if found:
                return max(found)[1]
            if not any(self._memory[self._offset : self._offset + 2 * SLOT]):
                break  # nothing was ever written
        return None

    def _slots(self) -> list[tuple[int, bytes]]:
        whole = []
        for slot in range(2):
            at = self._offset + SLOT * slot
            raw = self._memory[at : at + SLOT]
            end = 10 + int.from_bytes(raw[8:10], "little")
            body = raw[:end]
            if end + 4 <= SLOT and raw[:8] != bytes(8) and CHECKSUM.unpack_from(raw, end)[0] == zlib.crc32(body):
                whole.append((COUNTER.unpack_from(raw)[0], body[10:]))
        return whole
