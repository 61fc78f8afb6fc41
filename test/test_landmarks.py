"""Landmarks: spread over both objects, seen where the camera sees them, the same in the bag."""

import numpy as np
import pytest

from kovis_ros.method import geometry
from kovis_ros.method.config import load_task, task_names
from kovis_sim.landmarks import COUNT, Landmarks, farthest, moved
from kovis_sim.scene import Scene


def test_each_is_farthest_from_all_before_it() -> None:
    # on a line from 0 to 10 with mean 4: first 10, then 0, then the middle
    points = np.array([[0.0, 0, 0], [1, 0, 0], [3, 0, 0], [5, 0, 0], [5, 0, 0], [10, 0, 0]])
    assert farthest(points, 3)[:, 0].tolist() == [10.0, 0.0, 5.0]


def test_projection_by_hand() -> None:
    # a camera at the origin looks along z: (0.1, 0, 1) at focal length 100 is 10 px right of the centre
    points = np.tile([[0.1, 0.0, 1.0]], (COUNT, 1))
    behind = np.tile([[0.0, 0.0, -1.0]], (COUNT, 1))
    K = np.array([[100.0, 0, 31.5], [0, 100.0, 31.5], [0, 0, 1.0]])
    right = geometry.pose((0.05, 0.0, 0.0))
    seen = Landmarks(points, behind).project(np.eye(4), np.eye(4), (np.eye(4), right), K, 64)
    assert seen.shape == (2, 2 * COUNT, 3)
    assert seen[0, 0].tolist() == pytest.approx([41.5, 31.5, 1.0]) and seen[1, 0, 0] == pytest.approx(36.5)
    assert not seen[:, COUNT:, 2].any()  # behind the camera


@pytest.mark.parametrize("name", task_names())
def test_landmarks_lie_on_their_objects(name: str) -> None:
    """At the goal nearly all are inside the image, on pixels of their object or hidden by the other one."""
    scene = Scene(load_task(name), seed=0)
    assert np.ptp(scene.landmarks.target, axis=0).max() > 0.02
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


def test_points_change_frames() -> None:
    turn = geometry.pose_rpy((1.0, 0.0, 0.0), (0.0, 0.0, np.pi / 2))
    assert moved(np.array([[2.0, 0.0, 0.0]]), turn)[0].tolist() == pytest.approx([1.0, 2.0, 0.0])
