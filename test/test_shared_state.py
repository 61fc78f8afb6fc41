"""The memory shared by controller and sim node: whole states only, one owner, resets acknowledged."""

import math
import multiprocessing
import os
import signal
import time

import pytest

from kovis_sim.shared_state import SIZE, ArmState, CellState, SharedState, StateError, state_path

Q = (0.1, -0.2, 0.3, -0.4, 0.5, -0.6)


@pytest.fixture
def state():
    shared = SharedState.create(f"test-{os.getpid()}")
    yield shared
    shared.close()


def arm(value: float, cycle: int = 1, reset_done: int = 0) -> ArmState:
    return ArmState((value,) * 6, (-value,) * 6, value, 0.04, 12.5, cycle, reset_done, 60.0)


def test_states_come_back_as_written(state):
    state.write_arm(arm(0.25))
    reader = SharedState.attach(f"test-{os.getpid()}")
    assert reader.read_arm() == arm(0.25)
    assert reader.read_cell().force_n == 0.0 and math.isnan(reader.read_cell().blocked_opening_m)
    reader.write_cell(CellState(3.5, 0.02, 7.0, 4, Q, 0.08))
    assert state.read_cell() == CellState(3.5, 0.02, 7.0, 4, Q, 0.08)
    reader.close()


def test_the_last_of_many_writes_is_read(state):
    for cycle in range(1, 6):
        state.write_arm(arm(float(cycle), cycle))
        assert state.read_arm().cycle == cycle


def test_a_half_written_slot_leaves_the_state_before(state):
    state.write_arm(arm(1.0, 1))
    state.write_arm(arm(2.0, 2))
    at = bytes(state._map).index(b"\x02\0\0\0\0\0\0\0")  # the slot that holds write number 2
    state._map[at + 20] ^= 0xFF
    assert state.read_arm().cycle == 1
    state.write_arm(arm(3.0, 3))
    assert state.read_arm().cycle == 3


def _write_for_ever(name):
    shared = SharedState.create(name)
    value = 0
    while True:
        value += 1
        shared.write_arm(arm(float(value), value))


def test_no_torn_state_under_a_busy_writer_that_is_killed():
    name = f"busy-{os.getpid()}"
    writer = multiprocessing.get_context("spawn").Process(target=_write_for_ever, args=(name,), daemon=True)
    writer.start()
    reader = SharedState.attach(name, timeout_s=20.0)
    seen, until = set(), time.monotonic() + 0.5
    while time.monotonic() < until:
        now = reader.read_arm()
        assert now == arm(float(now.cycle), now.cycle)
        seen.add(now.cycle)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    assert len(seen) > 5  # how many depends on what else the processors do
    assert reader.read_arm().cycle >= max(seen)
    SharedState.create(name).close()  # the dead writer's block can be taken over, and is removed
    assert not state_path(name).exists()
    reader.close()


def test_one_owner_and_clear_refusals(state):
    with pytest.raises(StateError, match="belongs to a running controller: choose another --state"):
        SharedState.create(f"test-{os.getpid()}")
    with pytest.raises(StateError, match="start the controller with --state nobody"):
        SharedState.attach("nobody", timeout_s=0.05)
    with pytest.raises(StateError, match="rename it"):
        state_path("../etc/passwd")
    assert os.stat(state.path).st_size == SIZE


def test_reset_waits_for_its_acknowledgement(state):
    state.write_arm(arm(0.0))
    with pytest.raises(StateError, match="did not carry out a reset"):
        state.reset(Q, 0.05, timeout_s=0.05)
    asked = state.read_cell()
    assert (asked.reset, asked.reset_q, asked.reset_opening_m) == (1, Q, 0.05)
    state.write_arm(arm(0.0, 2, reset_done=1))
    assert state.ask_reset(Q, 0.05) == 2
    state.report(2.0)
    assert state.read_cell().reset == 2  # a report does not lose the request
