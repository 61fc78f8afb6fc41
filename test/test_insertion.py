"""Tasks with an object in the hand: where it is, what the label leads to, and when it counts as seated."""

import dataclasses

import cv2
import numpy as np
import pytest

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from oracle import Oracle  # noqa: E402

from kovis_ros.method import geometry, kinematics, motion  # noqa: E402
from kovis_ros.method.config import ConfigError, load_task  # noqa: E402
from kovis_sim import completion, hand, rollouts  # noqa: E402
from kovis_sim.cell import pieces  # noqa: E402
from kovis_sim.evaluate import run_trial  # noqa: E402
from kovis_sim.scene import Scene  # noqa: E402
from kovis_sim.shared_state import ArmState  # noqa: E402
from kovis_sim.trial import Trial  # noqa: E402
from kovis_sim.world import World  # noqa: E402

NAMES = ("insert_plug", "insert_shaft")
TICK_S = 1 / 60


@pytest.fixture(scope="module", params=NAMES)
def scene(request):
    made = Scene(load_task(request.param), seed=0, split="test")
    yield made
    made.close()


@pytest.mark.parametrize(("name", "depth_m"), [("insert_shaft", 0.012), ("insert_plug", 0.016)])
def test_the_hole_is_open_with_the_declared_clearance(name, depth_m):
    """4 mm on the diameter: 2 mm to every side of a centred object, contact when it is 3 mm aside."""
    task, world = load_task(name), World()
    world.add_mesh("target", None, pieces(task.target.collision), 0.4)
    world.add_mesh("held", None, pieces(task.held.collision), 0.1)
    bullet, a, b = world._bullet, world.number("target"), world.number("held")
    gaps = []
    for aside in (0.0, 0.003):
        world.set_pose("held", geometry.pose((aside, 0.0, task.success.rim_m - depth_m)))
        gaps.append(min(point[8] for point in bullet.getClosestPoints(a, b, 0.05)))
    assert gaps[0] == pytest.approx(0.002, abs=3e-4) and gaps[1] < -5e-4
    world.close()


def test_the_goal_is_that_of_the_object_wherever_it_is_in_the_hand(scene):
    held, grips = scene.task.held, []
    for seed in range(6):
        scene.reset(seed)
        scene.q = scene.goal_q
        goal = scene.world_T_target @ scene.target_T_goal
        np.testing.assert_allclose(scene.world_T_held[:3, 3], goal[:3, 3], atol=1e-8)
        assert np.abs(scene.displacement()).max() < 1e-8
        off = geometry.log(scene.tcp_T_held @ geometry.inverse(hand.nominal(held)))
        assert np.all(np.abs(off[:3]) <= held.position_range_m)
        assert np.linalg.norm(off[3:]) <= np.radians(np.linalg.norm(held.rotation_range_deg))
        axis = np.degrees(np.arccos(scene.world_T_held[2, 2]))  # what no commanded axis removes
        assert np.degrees(scene.tilt()) == pytest.approx(axis, abs=0.05)
        grips.append(off)
    varies = [*(value > 0.0 for value in (*held.position_range_m, *held.rotation_range_deg))]
    assert np.all((np.std(grips, axis=0) > 1e-4) == varies)


def test_one_grip_for_a_whole_rollout(scene):
    made = rollouts.rollout(scene, 1, 0)
    first = (next(made), scene.tcp_T_held)[1]
    for sample in made:
        np.testing.assert_array_equal(scene.tcp_T_held, first)
        assert np.linalg.norm(sample.displacement) > 0.0


def integrate(scene):
    """Follow the label as a velocity: 0.9^80 of 60 mm is 0.01 mm."""
    for _ in range(80):
        d = scene.displacement()
        scene.move(motion.twist(motion.label(d)[0], 1.0, scene.task.axes, float(np.linalg.norm(d))), 0.1)


def test_labels_integrate_to_the_goal(scene):
    for seed in (1, 2):
        scene.reset(seed)
        integrate(scene)
        goal = scene.world_T_target @ scene.target_T_goal
        assert np.linalg.norm(scene.world_T_held[:3, 3] - goal[:3, 3]) < 1e-4 and scene.error()[1] < 2e-3
        assert not scene.touched


def test_six_axes_upright_the_object_too():
    scene = Scene(dataclasses.replace(load_task("insert_plug"), axes=motion.AXES))
    for seed in (0, 1):
        scene.reset(seed)
        assert scene.displacement().shape == (6,) and scene.tilt() == 0.0
        integrate(scene)
        goal = scene.world_T_target @ scene.target_T_goal
        left = motion.fold(geometry.inverse(scene.world_T_held) @ goal, scene.task.symmetry)
        assert np.abs(geometry.log(left)).max() < 2e-4 and not scene.touched
    scene.close()


def test_the_papers_shaft_has_the_yaw_of_the_rollout_itself():
    """Of the goal seen from the tcp, whose z it is; a bearing declared round has none."""
    scene = Scene(load_task("insert_shaft_yaw"))
    turned = []
    for index in range(3):
        for sample in rollouts.rollout(scene, 1, index):
            tcp_T_goal = geometry.inverse(scene.world_T_tcp) @ scene.world_T_goal
            turn = float(np.arctan2(tcp_T_goal[1, 0], tcp_T_goal[0, 0]))
            assert sample.displacement[3] == pytest.approx(motion.ROTATION_SCALE * turn, abs=2e-4)
            turned.append(turn)
    assert np.ptp(np.degrees(turned)) > 15.0
    scene.task = dataclasses.replace(scene.task, symmetry=(1, 1, 0))
    assert abs(scene.displacement()[3]) < 5e-4 < 0.01 * motion.ROTATION_SCALE  # what the tilt in the hand leaves
    scene.close()


def test_what_is_held_is_seen_and_listed(scene):
    scene.reset(3)
    scene.stereo()
    shown = {visual.name: visual for visual in scene.visuals()}
    assert shown["held"].mesh.is_file()
    np.testing.assert_array_equal(shown["held"].world_T_shape, scene.world_T_held)
    world_T_camera, K, size = scene.cameras()["left"]
    near_side = scene.world_T_tcp @ np.array([0.0, -0.5 * scene.task.held.grip_m + 0.006, -0.005, 1.0])
    x, y, z = (geometry.inverse(world_T_camera) @ near_side)[:3]
    u, v = (K @ (x / z, y / z, 1.0))[:2].round().astype(int)
    assert 0 <= u < size and 0 <= v < size
    assert (scene.truth().segmentation[0][v - 3 : v + 4, u - 3 : u + 4] == 2).any()


def test_what_is_held_throws_a_shadow(scene):
    """Under a light from straight above: below the object, wherever it is."""
    scene.reset(3)
    for aside_m in (0.0, 0.4):  # 0.4: nothing else is near
        world_T_held = geometry.pose((aside_m, 0.0, 0.0)) @ scene.world_T_held
        scene._stage.pose(scene.world_T_tool0, scene.opening_m, scene.world_T_target, world_T_held)
        outlines = scene._stage._casters.outlines(scene._stage._poses, (0.0, 0.0, 1.0))
        middle = (world_T_held @ (0.004, 0.0, 0.02, 1.0))[:2].tolist()
        assert any(cv2.pointPolygonTest(outline, middle, False) >= 0 for outline in outlines)


def test_what_is_held_collides(scene):
    scene.reset(4)
    scene.q = scene.goal_q
    assert not scene.touching(scene.q)
    lower = scene.world_T_tcp @ geometry.pose((0.008, 0.0, 0.014))  # on the rim, half over the hole
    assert scene.touching(scene.solve(lower, scene.q))


def test_a_true_servo_seats_the_object_in_physics(scene):
    trials = [run_trial(scene, Oracle(scene), seed) for seed in range(40, 44)]
    assert all(t.success and t.aligned and not t.touched for t in trials), trials
    assert all(t.final_m < 1e-3 for t in trials)


def test_a_push_beside_the_hole_is_stopped_by_force_and_does_not_count(scene):
    scene.reset(5)
    scene.put(scene.world_T_goal @ geometry.pose((0.012, 0.0, 0.0)))
    outcome = completion.run(scene)
    assert not outcome.success and outcome.distance_m < 0.004
    assert scene.task.completion[0].force_limit_n < outcome.force_n < scene.task.success.force_n


def push(trial, scene, aside_m=0.0):
    """What the graph does: the arm follows the push, then rests for 1.5 s."""
    scene.put(scene.world_T_goal @ geometry.pose((aside_m, 0.0, 0.0)))
    scene.settle()
    start, q = scene.world_T_tcp, scene.q
    depth = scene.task.completion[0].move_m[2]
    for share in [*np.linspace(0.0, 1.0, 70), *[1.0] * 90]:
        if trial.force_n < scene.task.completion[0].force_limit_n:
            q = scene.solve(start @ geometry.pose((0.0, 0.0, depth * share)), q)
        arm = ArmState(tuple(q), (0.0,) * 6, scene.opening_m, trial.start_opening_m, 0.0, 0, 0)
        trial.advance(arm, TICK_S)


def test_the_running_cell_scores_a_push(scene):
    scene.reset(6)
    good = Trial(scene, 6)
    push(good, scene)
    assert good.completed and not good.touched
    scene.reset(6)
    early = Trial(scene, 6)
    early.force_n = 1.0
    early._score(ArmState(tuple(scene.q), (0.0,) * 6, scene.opening_m, early.start_opening_m, 0.0, 0, 0), TICK_S)
    assert early.touched
    push(early, scene)
    assert not early.completed


def test_a_goal_that_cannot_be_is_found_before_the_work():
    task = load_task("insert_shaft")

    def at(z, **target):
        goal = dataclasses.replace(task.goal, position_m=(0.0, 0.0, z))
        return dataclasses.replace(task, goal=goal, target=dataclasses.replace(task.target, **target))

    with pytest.raises(ConfigError, match="insert_shaft: goal with the target at .* is in collision: raise goal"):
        Scene(at(-0.01))
    with pytest.raises(ConfigError, match="is out of reach .*: check goal and target ranges"):
        Scene(at(0.03, position_range_m=((0.5, 2.0), (0.0, 0.0))))
    assert issubclass(kinematics.Unreachable, ValueError)
