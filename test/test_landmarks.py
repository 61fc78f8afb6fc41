"""Landmarks: at corners, spread over both objects, seen where the camera sees them, the same in the bag."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from kovis_ros.method import geometry
from kovis_ros.method.config import load_task, task_names
from kovis_ros.method.images import intrinsics
from kovis_sim.landmarks import COUNT, VIEW_PX, Landmarks, corners, in_front, moved, spread, unproject
from kovis_sim.robot import ASSETS
from kovis_sim.scene import Scene


def test_the_heaviest_is_first_and_each_other_far_from_all_before_it() -> None:
    # from 10, 0 is farthest; then 5 is five away from both, and 3 three, unless it weighs twice as much
    points = np.array([[0.0, 0, 0], [1, 0, 0], [3, 0, 0], [5, 0, 0], [5, 0, 0], [10, 0, 0]])
    weight = np.array([1.0, 1, 1, 1, 1, 1.5])
    assert spread(points, weight, 3)[:, 0].tolist() == [10.0, 0.0, 5.0]
    weight[2] = 2.0
    assert spread(points, weight + [0, 0, 0, 0, 0, 1.0], 3)[:, 0].tolist() == [10.0, 3.0, 0.0]


def test_corners_are_at_the_corners_of_a_plate() -> None:
    """A square plate facing the camera: strong at its corners, nothing along its edges and in its middle."""
    depth = np.full((VIEW_PX, VIEW_PX), 0.5, np.float32)
    mask = np.zeros(depth.shape, bool)
    mask[80:180, 80:180] = True
    found = corners(unproject(depth, intrinsics(60.0, VIEW_PX)), mask)
    assert found[82, 82] == pytest.approx(found.max(), rel=0.3)
    assert found[82, 130] < 0.01 * found[82, 82] and found[130, 130] < 1e-6 * found[82, 82]


def test_projection_by_hand() -> None:
    # a camera at the origin looks along z: (0.1, 0, 1) at focal length 100 is 10 px right of the centre
    points = np.tile([[0.1, 0.0, 1.0]], (COUNT, 1))
    behind = np.tile([[0.0, 0.0, -1.0]], (COUNT, 1))
    K = np.array([[100.0, 0, 31.5], [0, 100.0, 31.5], [0, 0, 1.0]])
    right = geometry.pose((0.05, 0.0, 0.0))
    held, poses = np.arange(COUNT) == 1, (np.eye(4), np.eye(4), geometry.pose((0.0, 0.0, 2.0)))
    seen = Landmarks(points, behind, held).project(poses, (np.eye(4), right), K, 64)
    assert seen.shape == (2, 2 * COUNT, 3)
    assert seen[0, 0].tolist() == pytest.approx([41.5, 31.5, 1.0]) and seen[1, 0, 0] == pytest.approx(36.5)
    # behind the camera, but for the one on the held object, which its pose brings 1 m before it
    assert seen[0, COUNT:, 2].tolist() == held.tolist() and seen[0, COUNT + 1].tolist() == [31.5, 31.5, 1.0]


def off_surface_m(file: str | Path, points: np.ndarray) -> float:
    """Greatest distance of points (n, 3) from the surface of a mesh."""
    mesh = trimesh.load(ASSETS / file, force="mesh")
    return float(trimesh.proximity.closest_point_naive(mesh, points)[1].max())


@pytest.mark.parametrize("name", task_names())
def test_landmarks_lie_on_their_objects(name: str) -> None:
    """At the goal nearly all are inside the image, on pixels of their object or hidden by the other one."""
    task = load_task(name)
    scene = Scene(task, seed=0)
    target, tool, held, _ = scene.landmarks
    on_axis = int(task.success.kind == "seat")
    assert np.ptp(target, axis=0).max() > 0.02 and off_surface_m(scene.member.mesh, target[on_axis:]) < 1e-3
    assert not task.held.mesh or off_surface_m(task.held.mesh, tool[held][on_axis:]) < 1e-3
    share = []
    for seed in range(6):
        scene.reset(seed)
        scene.q = scene.goal_q
        scene.stereo()
        truth = scene.truth()
        for eye in (0, 1):
            for i, (x, y, seen) in enumerate(truth.keypoints[eye]):
                if i % COUNT < 5 and seen:
                    share.append(truth.segmentation[eye][round(float(y)), round(float(x))] > 0)
    assert len(share) > 100 and np.mean(share) > 0.95
    scene.close()


@pytest.mark.parametrize("name", task_names())
def test_half_of_the_tools_move_with_what_is_held(name: str) -> None:
    task = load_task(name)
    scene = Scene(task, seed=0)
    assert scene.landmarks.held.tolist() == [bool(task.held.mesh) and i % 2 == 0 for i in range(COUNT)]
    scene.stereo()
    before = scene.truth().keypoints
    scene.tcp_T_held = scene.tcp_T_held @ geometry.pose((0.004, 0.0, 0.0))
    apart = np.linalg.norm(scene.truth().keypoints[0] - before[0], axis=1)
    assert (apart[COUNT:][scene.landmarks.held] > 0.5).all()
    assert not apart[:COUNT].any() and not apart[COUNT:][~scene.landmarks.held].any()
    scene.close()


def test_the_first_ones_meet_where_the_object_enters() -> None:
    """Pushed down by the 10 mm that the goal leaves, the plug's mouth is at the screw's tip."""
    scene = Scene(load_task("insert_plug"), seed=0)
    target, tool, held, _ = scene.landmarks
    assert held[0] and tool[0].tolist() == [0.0, 0.0, 0.0] and target[0].tolist() == [0.0, 0.0, 0.040]
    down = scene.target_T_goal @ geometry.pose((0.0, 0.0, -0.010))
    assert moved(tool[:1], down)[0] == pytest.approx(target[0])
    scene.close()


def test_what_lies_behind_a_corner_has_none() -> None:
    # a plate 0.3 m away before a wall at 0.5 m: no landmark within 8 px of it, on the wall
    depth = np.full((VIEW_PX, VIEW_PX), 0.5, np.float32)
    depth[80:180, 80:180] = 0.3
    found = in_front(unproject(depth, intrinsics(60.0, VIEW_PX)))
    assert found[80:180, 80:180].all() and not found[130, 180:188].any() and found[130, 188:].all()


@pytest.mark.parametrize("name", task_names())
def test_landmarks_of_round_bodies_turn_with_the_eye(name: str) -> None:
    """However bearing and shaft are turned, their landmarks stay; those of all else move."""
    scene = Scene(load_task(name), seed=0)
    target, held, eyes = scene.world_T_target, scene.world_T_held, scene.camera.eyes(scene.world_T_tool0)
    turn = geometry.pose_rpy((0.0, 0.0, 0.0), (0.0, 0.0, 0.7))

    def seen(about_target: np.ndarray, about_held: np.ndarray) -> np.ndarray:
        poses = target @ about_target, scene.world_T_tool0, held @ about_held
        return scene.landmarks.project(poses, eyes, scene.K, scene.camera.size)

    moves = float(np.abs(seen(turn, turn) - seen(np.eye(4), np.eye(4))).max())
    assert (moves < 1e-3) == (0 in scene.task.symmetry) and (moves < 1e-3 or moves > 1.0)
    scene.close()


def test_points_change_frames() -> None:
    turn = geometry.pose_rpy((1.0, 0.0, 0.0), (0.0, 0.0, np.pi / 2))
    assert moved(np.array([[2.0, 0.0, 0.0]]), turn)[0].tolist() == pytest.approx([1.0, 2.0, 0.0])
