"""Scoring of a trial in the running cell: what counts as lifted, and what spoils it."""

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from kovis_ros.method import geometry, kinematics  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_sim import robot  # noqa: E402
from kovis_sim.scene import Scene  # noqa: E402
from kovis_sim.shared_state import ArmState  # noqa: E402
from kovis_sim.trial import Trial  # noqa: E402

TICK_S = 1 / 60
FINGERS_MPS = 0.1


@pytest.fixture(scope="module")
def scene():
    made = Scene(load_task("pick_mug"), seed=0)
    yield made
    made.close()


def arm(q, opening_m, target_m):
    return ArmState(tuple(q), (0.0,) * 6, opening_m, target_m, 0.0, 0, 0, 60.0)


def run_completion(trial, scene, lift_m=0.09):
    """Close as the controller does (not past what blocks), lift, and hold for 1.5 s."""
    q, opening = scene.q, scene.opening_m
    for _ in range(90):
        lowest = trial.blocked_opening_m if np.isfinite(trial.blocked_opening_m) else 0.0
        opening = max(opening - FINGERS_MPS * TICK_S, lowest)
        trial.advance(arm(q, opening, 0.0), TICK_S)
    start = scene.world_T_tool0
    for share in np.linspace(0.0, 1.0, 110):
        q = kinematics.nearest(start @ geometry.pose((0, 0, -lift_m * share)), q)
        trial.advance(arm(q, opening, 0.0), TICK_S)
    for _ in range(90):
        trial.advance(arm(q, opening, 0.0), TICK_S)


def test_the_cell_grips_as_hard_as_the_gripper_was_told(scene, monkeypatch):
    scene.reset(1)
    trial, told, drive = Trial(scene, 1), [], scene.cell.world.drive
    monkeypatch.setattr(scene.cell.world, "drive", lambda name, *state: told.append(state[1]) or drive(name, *state))
    trial.advance(arm(scene.q, scene.opening_m, 0.0), TICK_S)
    assert {round(torque["left_outer_joint"], 6) for torque in told} == {round(robot.finger_torque(60.0), 6)}


def test_a_lifted_mug_counts_after_it_hung_for_a_second(scene):
    scene.reset(1)
    scene.put(scene.world_T_goal)
    trial = Trial(scene, 1)
    for _ in range(20):
        trial.advance(arm(scene.q, scene.opening_m, trial.start_opening_m), TICK_S)
    assert trial.contacts == 0 and not trial.touched
    run_completion(trial, scene)
    assert trial.completed and trial.contacts > 0 and not trial.touched
    assert 0.005 < trial.blocked_opening_m < 0.03  # the handle is between the fingers, and they go on pressing
    assert trial.force_n > 1.0  # the mug weighs 2.5 N and hangs in the hooks


def test_a_low_lift_does_not_count(scene):
    scene.reset(2)
    scene.put(scene.world_T_goal)
    trial = Trial(scene, 2)
    run_completion(trial, scene, lift_m=0.03)
    assert not trial.completed


def test_nothing_counts_after_a_touch_before_the_completion(scene):
    scene.reset(3)
    scene.put(scene.world_T_goal)
    trial = Trial(scene, 3)
    trial.force_n = 1.0
    trial._score(arm(scene.q, trial.start_opening_m, trial.start_opening_m), TICK_S)
    assert trial.touched
    run_completion(trial, scene)
    assert not trial.completed


def test_an_insertion_that_touches_the_rim_on_its_way_in_counts():
    """The arm came near the goal without contact; what is touched while it pushes belongs to the completion."""
    scene = Scene(load_task("insert_shaft"), seed=0)
    scene.reset(1)
    aside = geometry.pose((0.003, 0.0, 0.0))
    scene.put(scene.world_T_goal @ aside)
    trial, q = Trial(scene, 1), scene.q
    start, opening = scene.world_T_tool0, scene.opening_m
    for share in [0.0] * 10 + np.linspace(0.0, 1.0, 66).tolist() + [1.0] * 90:
        q = kinematics.nearest(start @ geometry.pose((0.0, 0.0, 0.022 * share)), q)
        trial.advance(arm(q, opening, opening), TICK_S)
    assert trial.contacts > 0 and not trial.touched and trial.completed
    scene.close()
