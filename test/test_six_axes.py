"""Pick-Mug with all six axes: what it records, where its labels lead, and that the closed loop moves every axis."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from oracle import Oracle  # noqa: E402

from kovis_ros import bags  # noqa: E402
from kovis_ros.method import geometry, motion  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_sim import rollouts, starts  # noqa: E402
from kovis_sim.closed_loop import run_trial  # noqa: E402
from kovis_sim.scene import Scene  # noqa: E402

DEGREE = np.pi / 180.0


@pytest.fixture(scope="module")
def scene():
    made = Scene(load_task("pick_mug_6d"), split="test")
    yield made
    made.close()


def test_it_differs_from_pick_mug_in_axes_and_turns_alone():
    one, six = load_task("pick_mug"), load_task("pick_mug_6d")
    changed = dataclasses.replace(one, name=six.name, axes=motion.AXES, rollout=six.rollout)
    assert changed == six and six.rollout.translation_m == one.rollout.translation_m


def test_a_start_leans_within_its_limit(scene):
    """Up to 12 deg altogether: the mean of |x| over directions on a sphere is 1/2, that of the angle 6 deg."""
    turns = np.array([starts.displacement(scene.task, np.random.default_rng(seed))[3:] for seed in range(400)])
    assert np.linalg.norm(turns, axis=1).max() <= 12.0 * DEGREE + 1e-9
    np.testing.assert_allclose(np.abs(turns).mean(0), 3.0 * DEGREE, rtol=0.15)


def test_labels_of_all_axes_are_recorded(tmp_path):
    task = load_task("pick_mug_6d")
    rollouts.record(task, 12, 3, tmp_path / "bag", workers=1)
    samples = list(bags.read_samples(tmp_path / "bag"))
    found = np.array([sample.displacement for sample in samples])
    assert found.shape == (60, 6)
    assert np.all(found[::5] == pytest.approx(0.0, abs=1e-9))  # each roll-out begins at the goal
    for axis, values in zip(task.axes, found.T, strict=True):
        unit = 0.005 if axis in motion.AXES[:3] else motion.ROTATION_SCALE * DEGREE
        assert values.max() > unit and values.min() < -unit, axis
    limit = motion.ROTATION_SCALE * np.radians(task.rollout.rotation_deg) * np.sqrt(3.0)
    assert np.linalg.norm(found[:, 3:], axis=1).max() <= limit


def test_labels_integrate_to_the_goal(scene):
    """0.9^80 of 100 mm is 0.02 mm."""
    for seed in range(3):
        scene.reset(seed)
        for _ in range(80):
            d = scene.displacement()
            scene.move(motion.twist(motion.label(d)[0], 1.0, scene.task.axes, float(np.linalg.norm(d))), 0.1)
        left = geometry.log(geometry.inverse(scene.world_T_tcp) @ scene.world_T_goal)
        assert np.abs(left).max() < 5e-4 and scene.tilt() == 0.0 and not scene.touched


def test_a_true_servo_commands_all_axes_and_lifts(scene, monkeypatch):
    sent, move = [], scene.move
    monkeypatch.setattr(scene, "move", lambda twist, dt: (sent.append(np.array(twist)), move(twist, dt)))
    trials = [run_trial(scene, Oracle(scene), seed) for seed in range(40, 44)]
    assert all(trial.success and trial.aligned and not trial.touched for trial in trials), trials
    assert all(trial.final_m < 1e-3 and trial.final_rad < 0.5 * DEGREE for trial in trials)
    greatest = np.abs(sent).max(0)
    assert np.all(greatest[:3] > 1e-3) and np.all(greatest[3:] > 0.5 * DEGREE), greatest  # m/s, rad/s
