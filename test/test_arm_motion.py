"""The motion core of the simulated controller, without sockets: ramps, moves, stops and faults."""

from __future__ import annotations

import numpy as np
import pytest
from ur_cell import HOME

from kovis_ros.method import geometry
from kovis_ros.method.kinematics import UR5
from kovis_sim.ur_controller.motion import ArmMotion, MotionFaultError, MoveJ, MoveL, SpeedL, Stop

DT = 0.008


def arm_at_home():
    arm = ArmMotion(UR5, HOME)
    arm.flange_T_tcp[2, 3] = 0.17
    return arm


def run(arm, motion, seconds=20.0):
    arm.motion, steps = motion, 0
    while arm.motion is not None and steps < seconds / DT:
        arm.step(DT)
        steps += 1
    return steps * DT


def test_speed_ramps_with_the_acceleration_and_holds_its_direction():
    arm = arm_at_home()
    arm.motion = motion = SpeedL(arm)
    motion.target, motion.acceleration = np.array([0.03, 0.04, 0, 0, 0, 0.1]), 0.5
    arm.step(DT)
    np.testing.assert_allclose(np.linalg.norm(arm.twist()[:3]), 0.5 * DT, rtol=0.01)
    start = arm.pose()
    for _ in range(125):
        arm.step(DT)
    np.testing.assert_allclose(arm.twist(), motion.target, atol=1e-4)
    moved = geometry.log(geometry.inverse(start) @ arm.pose())
    # 1 s at 50 mm/s less the ramp: 0.05 m/s / 0.5 m/s^2 = 0.1 s at half speed costs 2.5 mm (one tick is already done)
    assert np.linalg.norm(moved[:3]) == pytest.approx(0.050 - 0.0025, abs=0.0006)
    assert moved[5] == pytest.approx(-0.1 * (1 - 0.1), abs=0.003)  # tool0 z looks down, so base's +z is its -z


def test_moves_end_exactly_and_in_the_time_of_a_trapezoid():
    arm = arm_at_home()
    goal = arm.pose()
    goal[2, 3] += 0.05
    # 0.05 m at 0.25 m/s and 1.2 m/s^2: 0.05 / 0.25 + 0.25 / 1.2 = 0.408 s
    assert run(arm, MoveL(arm, goal, 0.25, 1.2)) == pytest.approx(0.408, abs=0.04)
    np.testing.assert_allclose(arm.pose(), goal, atol=1e-8)
    q = arm.q + [0.3, 0, -0.1, 0, 0, 0]
    assert run(arm, MoveJ(arm, q, 1.0, 2.0)) == pytest.approx(0.775, abs=0.04)  # never at speed: 2 sqrt(0.3 / 2)
    np.testing.assert_allclose(arm.q, q, atol=1e-12)


def test_move_keeps_the_straight_line():
    arm = arm_at_home()
    start, goal = arm.pose(), arm.pose() @ geometry.exp([0.05, 0.02, -0.1, 0, 0, 0.5])
    arm.motion = MoveL(arm, goal, 0.2, 1.0)
    line = goal[:3, 3] - start[:3, 3]
    while arm.motion is not None:
        arm.step(DT)
        way = arm.pose()[:3, 3] - start[:3, 3]
        assert np.linalg.norm(np.cross(way, line)) / np.linalg.norm(line) < 1e-7


def test_stop_fades_and_faults_are_raised():
    arm = arm_at_home()
    arm.qd = np.array([0.2, 0, 0, 0, 0, 0.1])
    assert run(arm, Stop(arm.qd, 0.1)) == pytest.approx(0.1, abs=DT)
    far = arm.pose()
    far[0, 3] = 3.0
    with pytest.raises(MotionFaultError, match="cannot put tool0 at"):
        MoveL(arm, far, 0.1, 1.0)
    with pytest.raises(MotionFaultError, match="shoulder_pan_joint would have to turn"):
        run(arm, MoveJ(arm, arm.q + [3.0, 0, 0, 0, 0, 0], 9.0, 99.0))
    arm.jump(HOME)
    with pytest.raises(MotionFaultError, match="shoulder_pan_joint at its limit of 6.28"):
        run(arm, MoveJ(arm, arm.q + [3.5, 0, 0, 0, 0, 0], 1.0, 2.0))


def test_slider_at_zero_holds_a_move_and_releases_it():
    arm = arm_at_home()
    goal = arm.pose()
    goal[2, 3] += 0.05
    arm.motion = MoveL(arm, goal, 0.05, 1.0)
    for _ in range(20):
        arm.step(DT)
    arm.slider = 0.0
    for _ in range(20):
        arm.step(DT)
    assert np.linalg.norm(arm.twist()) < 1e-9 and arm.motion is not None
    arm.slider = 1.0
    run(arm, arm.motion)
    np.testing.assert_allclose(arm.pose(), goal, atol=1e-8)
