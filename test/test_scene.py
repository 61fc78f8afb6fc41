"""The simulated cell: labels, images, contacts, and a servo that knows the truth."""

import os

import numpy as np
import pytest
from oracle import Oracle

from kovis_ros.bringup import resources
from kovis_ros.method import geometry, motion
from kovis_ros.method.config import load_task, task_names
from kovis_sim import completion
from kovis_sim.evaluate import run_trial, summarise
from kovis_sim.scene import Scene, SceneError


@pytest.fixture(scope="module")
def scene():
    built = Scene(load_task("pick_mug"), seed=3, split="test")
    yield built
    built.close()


@pytest.mark.parametrize("name", task_names())
def test_every_task_starts_within_its_range_and_sees_its_target(name):
    task = load_task(name)
    scene = Scene(task, seed=0)
    for seed in range(5):
        scene.reset(seed)
        position, rotation = scene.error()
        low, high = task.rollout.start_distance_m
        assert low - 1e-6 <= position <= high + 1e-6
        assert rotation <= np.radians(task.rollout.start_rotation_deg) + 1e-6
        assert not scene.touching(scene.q)
        left, right = scene.stereo()
        side = task.camera.size_px
        assert left.shape == right.shape == (side, side) and left.dtype == np.uint8
        assert (scene.truth().segmentation == 1).mean() > 0.05
        assert (scene.truth().segmentation == 2).mean() > 0.05
    scene.close()


def test_truth_needs_a_picture_first():
    scene = Scene(load_task("pick_mug"))
    with pytest.raises(SceneError, match="call stereo"):
        scene.truth()
    scene.close()


def test_labels_integrate_to_the_goal(scene):
    """Following the label as a velocity, v = d, must end at the goal: 0.9^60 of 60 mm is 0.1 mm."""
    for seed in range(3):
        scene.reset(seed)
        for _ in range(60):
            d = scene.displacement()
            direction, _ = motion.label(d)
            scene.move(motion.twist(direction, 1.0, scene.task.axes, float(np.linalg.norm(d))), 0.1)
        position, rotation = scene.error()
        assert position < 2e-4 and rotation < 2e-3
        assert not scene.touched


def test_depth_and_disparity_agree(scene):
    """At the goal the tips are straight ahead: disparity = f b / depth, found by comparing left and right depth."""
    scene.reset(4)
    scene.q = scene.goal_q
    scene.stereo()
    truth = scene.truth()
    rows, columns = np.nonzero(truth.segmentation[0] == 1)
    row = int(np.median(rows))
    inside = columns[rows == row]
    left_edge = int(inside.min())
    right_edge = int(np.nonzero(truth.segmentation[1][row] == 1)[0].min())
    if left_edge == 0 or right_edge == 0:
        pytest.skip("target touches the image border")
    depth_m = truth.depth[0][row, left_edge + 2] * 1e-4
    assert left_edge - right_edge == pytest.approx(scene.K[0, 0] * scene.baseline_m / depth_m, abs=2.5)


def test_projection_matches_intrinsics(scene):
    """A point of the target projected with K and the pose of cameras() falls on the target's pixels."""
    scene.reset(1)
    scene.stereo()
    world_T_camera, K, size = scene.cameras()["left"]
    rim = scene.world_T_target @ np.array([-0.038, 0.0, 0.094, 1.0])
    seen = (geometry.inverse(world_T_camera) @ rim)[:3]
    u, v = (K @ seen / seen[2])[:2]
    if not (2 <= u < size - 2 and 2 <= v < size - 2):
        pytest.skip("rim outside the image")
    patch = scene.truth().segmentation[0][int(round(v)) - 1 : int(round(v)) + 2, int(round(u)) - 1 : int(round(u)) + 2]
    assert (patch == 1).any()
    assert scene.truth().depth[0][int(round(v)), int(round(u))] * 1e-4 == pytest.approx(seen[2], abs=0.01)


def test_same_seed_same_trial(scene):
    scene.reset(7)
    first = (*scene.stereo(), scene.q.copy())
    scene.reset(8)
    scene.reset(7)
    for a, b in zip(first, (*scene.stereo(), scene.q), strict=False):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_memory_stays_flat(scene):
    """Over 500 looks and stereo pairs, once what they show was loaded, which stays."""

    def memory_after(count):
        for number in range(count):
            if number % 250 == 0:
                scene.rng = np.random.default_rng(3)
            scene.new_look()
            scene.stereo()
        return resources.look(os.getpid(), 0.0).memory_mb

    before = memory_after(250)
    assert memory_after(500) - before < 4.0


def test_visuals_name_every_shape_with_a_mesh_or_primitive(scene):
    scene.reset(2)
    names = [visual.name for visual in scene.visuals()]
    assert len(names) == len(set(names)) and {"table", "target", "right_tip", "distractor_0"} <= set(names)
    for visual in scene.visuals():
        assert bool(visual.mesh) != bool(visual.primitive)
        assert visual.mesh is None or visual.mesh.is_file()
    assert np.linalg.norm(scene.lights()[0].direction) == pytest.approx(1.0)


def test_the_hook_lifts_the_mug_at_the_goal_and_misses_it_beside(scene):
    scene.reset(5)
    scene.q = scene.goal_q
    outcome = completion.run(scene)
    assert outcome.success and 0.05 <= outcome.distance_m < 0.11 and outcome.penetration_m < 0.002
    assert scene.task.success.hook and not outcome.pinched
    scene.reset(5)
    scene.put(scene.world_T_goal @ geometry.pose((0.0, 0.0, -0.06)))  # 60 mm too high: closes on air
    assert not completion.run(scene).success


@pytest.mark.parametrize(("up_m", "pinched"), [(0.0, False), (0.014, True), (0.030, False)])
def test_pegs_beside_the_handles_bar_are_told_from_pegs_in_its_hole(scene, up_m, pinched):
    """From the goal up: in the hole, either side of the upper bar (12 mm thick), above the handle."""
    scene.reset(5)
    scene.put(scene.world_T_goal @ geometry.pose((0.0, 0.0, -up_m)))
    scene.settle()
    assert scene.cell.pinched() is pinched


def test_moving_into_the_table_is_noted(scene):
    scene.reset(5)
    scene.q = scene.goal_q
    for _ in range(20):
        scene.move((0, 0, 0.02, 0, 0, 0), 0.2)
    assert scene.touched and not scene.complete()


def test_a_true_servo_succeeds_and_a_wrong_one_is_found_out(scene):
    good = [run_trial(scene, Oracle(scene, np.zeros(4)), seed) for seed in (20, 21)]
    assert all(t.success and t.aligned and not t.false_converged for t in good)
    assert all(t.final_m < 1e-3 and t.time_s < 8.0 for t in good)
    wrong = run_trial(scene, Oracle(scene, [0.0, 0.0, 0.010, 0.0]), 20, complete=False)
    assert wrong.converged and wrong.false_converged and not wrong.aligned
    assert wrong.final_m == pytest.approx(0.010, abs=0.001)
    summary = summarise(scene.task, [*good, wrong])
    assert summary["success_rate"] == pytest.approx(2 / 3)
    assert summary["false_converged_rate"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", [62035, 62153, 62198])
def test_the_whole_line_from_a_start_to_the_goal_is_free(seed: int) -> None:
    """Seeds whose first start, looked at in ten places, had a line that touches between them."""
    scene = Scene(load_task("pick_mug"), split="test")
    scene.reset(seed)
    start = scene.world_T_tcp
    line = [geometry.interpolate(start, scene.world_T_goal, float(f)) for f in np.linspace(0.0, 1.0, 300)]
    assert not any(scene.touching(scene.solve(pose, scene.goal_q)) for pose in line)
