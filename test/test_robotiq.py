"""The gripper's driver against the simulated controller."""

from __future__ import annotations

import time

import pytest
from ur_cell import Cell, new_address

from kovis_ros.drivers.robotiq import GripperError, Robotiq


@pytest.fixture(scope="module")
def cell():
    with Cell() as running:
        yield running


def test_gripper_opens_and_holds(cell):
    cell.shared.reset(cell.shared.read_arm().q, 0.085)
    gripper = Robotiq(cell.address)
    with pytest.raises(GripperError, match="call connect first"):
        gripper.state()
    gripper.connect()
    gripper.move(0.030, 0.5)
    deadline = time.monotonic() + 3.0
    while (state := gripper.state()).moving:
        cell.shared.report(0.0, 0.045)
        assert time.monotonic() < deadline
    assert state.holding and not state.reached and state.opening_m == pytest.approx(0.045, abs=0.001)
    cell.shared.report(0.0)
    gripper.move(0.060, 0.5)
    time.sleep(0.4)
    assert gripper.state().reached and not gripper.state().holding
    gripper.close()
    gripper.move(0.050, 0.5)  # a closed socket is opened anew
    time.sleep(0.4)
    assert gripper.state().reached
    gripper.close()
    with pytest.raises(GripperError, match="start with gripper:=none"):
        Robotiq(new_address()).connect()
