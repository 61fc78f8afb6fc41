"""Meshes and URDF: what is committed is what the code makes, and the handle's hole stays open."""

import numpy as np
import pytest

from kovis_ros.method import geometry, kinematics
from kovis_ros.method.config import load_task, task_names
from kovis_sim import gripper, meshes, robot
from kovis_sim.cell import pieces
from kovis_sim.scene import Scene
from kovis_sim.world import World


def vertices(path):
    return np.array([line.split()[1:4] for line in path.read_text().splitlines() if line.startswith("v ")], float)


def test_committed_meshes_are_those_the_code_makes(tmp_path):
    meshes.main(tmp_path)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.obj"))
    assert made == sorted(p.relative_to(meshes.ASSETS) for p in meshes.ASSETS.rglob("*.obj"))
    for name in made:
        new, old = vertices(tmp_path / name), vertices(meshes.ASSETS / name)
        assert new.shape == old.shape and np.abs(np.sort(new, 0) - np.sort(old, 0)).max() < 2e-6, name


@pytest.mark.parametrize("name", task_names())
def test_triangle_budget(name):
    task = load_task(name)
    objects = [meshes.ASSETS / item.mesh for item in (task.target, task.held) if item.mesh]
    counts = [
        len([line for line in path.read_text().splitlines() if line.startswith("f ")])
        for path in (*objects, *(robot.mesh_file(link) for link in robot.LINKS))
    ]
    assert sum(counts) <= 6000


@pytest.mark.parametrize("name", task_names())
def test_a_target_stands_where_it_is_drawn(name):
    scene = Scene(load_task(name))
    scene.reset(0)
    drawn, q, opening = scene.world_T_target, scene.q, scene.opening_m
    scene.settle()
    for _ in range(40):
        scene.follow(q, opening, 0.02)
    moved = geometry.log(geometry.inverse(drawn) @ scene.world_T_target)
    assert np.abs(moved[:3]).max() < 1e-4 and np.abs(moved[3:]).max() < 1e-3
    scene.close()


@pytest.mark.parametrize(
    ("point", "free"), [((0.056, 0, 0.050), True), ((0.056, 0, 0.078), False), ((0.078, 0, 0.050), False)]
)
def test_a_sphere_passes_the_handles_hole(point, free):
    world = World()
    world.add_mesh("mug", None, pieces("mug/piece_*.obj"), 0.25)
    bullet = world._bullet
    sphere = bullet.createMultiBody(
        0, bullet.createCollisionShape(bullet.GEOM_SPHERE, radius=0.006), basePosition=point
    )
    closest = bullet.getClosestPoints(sphere, world.number("mug"), 0.05)
    gap = min(entry[8] for entry in closest)
    assert gap > 0.004 if free else gap < -0.004  # 32 x 44 mm hole, 6 mm ball in its middle: 10 mm less the margin
    world.close()


def test_urdf_is_the_committed_one_and_has_the_published_kinematics():
    assert robot.urdf() == robot.URDF.read_text()
    world = World()
    world.add_robot("robot", robot.URDF)
    bullet, body = world._bullet, world.number("robot")
    links = {bullet.getJointInfo(body, i)[12].decode(): i for i in range(bullet.getNumJoints(body))}
    for q in np.random.default_rng(0).uniform(-np.pi, np.pi, (5, 6)):
        world.set_joints("robot", robot.joint_targets(q, 0.03))
        for name, expected in {
            "tool0": kinematics.forward(q),
            **robot.gripper_poses(kinematics.forward(q), 0.03),
        }.items():
            state = bullet.getLinkState(
                body, links["gripper_base" if name == "base" else name], computeForwardKinematics=1
            )
            found = geometry.pose(state[4], geometry.from_quaternion(state[5]))
            np.testing.assert_allclose(found, expected, atol=2e-5)
    world.close()


def test_gripper_closes_like_a_2f85():
    # Published: 85 mm stroke over 0.8 rad; the tips move forward by 14 mm.
    assert gripper.angle(0.085) == pytest.approx(0.0, abs=1e-12)
    assert gripper.angle(0.0) == pytest.approx(0.80, abs=0.01)
    assert gripper.peg_height(0.012) - gripper.peg_height(0.085) == pytest.approx(0.014, abs=0.001)
    for opening in (0.0, 0.02, 0.085):
        assert gripper.opening(gripper.angle(opening)) == pytest.approx(opening, abs=1e-9)
