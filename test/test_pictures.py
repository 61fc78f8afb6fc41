"""The pictures that a run leaves."""

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")

from PIL import Image  # noqa: E402

from kovis_ros import pictures  # noqa: E402
from kovis_ros.method.images import Crop, StereoKeypoints  # noqa: E402
from kovis_ros.method.loop import State  # noqa: E402
from kovis_ros.nodes import overlay  # noqa: E402
from kovis_ros.nodes.trials import Frame, Moment, TrialResult  # noqa: E402

AXES = ("x", "y", "z", "rz")


def trial(seed, frames=12):
    rng = np.random.default_rng(seed)
    grey = rng.integers(0, 256, (128, 128), np.uint8)
    points = np.column_stack([rng.uniform(5, 120, (10, 2)), np.full(10, 0.9)]).astype(np.float32)
    picture = overlay.draw(grey, grey, StereoKeypoints(points, points, (128, 128), Crop(-0.5, -0.5, 128.0)))
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    shown = tuple(Frame(0.2 * i, jpeg, State.SERVOING, 0.03, 0.1) for i in range(frames))
    history = tuple(Moment(0.1 * i, np.full(4, 0.03 * 0.9**i), State.SERVOING) for i in range(40))
    return TrialResult(seed, 0.03, 0.1, 0.001, 0.01, 0.0, 4.0, True, False, True, "", 100, history, shown)


def test_strip_has_a_row_a_trial_from_start_to_end(tmp_path):
    pictures.strip([trial(0), trial(1)], tmp_path / "strip.png")
    image = cv2.imread(str(tmp_path / "strip.png"))
    width = pictures.STRIP_WIDTH
    assert image.shape == (2 * width // (2 * pictures.STRIP_COLUMNS), width, 3)  # five pairs of squares side by side


def test_animation_keeps_the_colours_of_the_keypoints(tmp_path):
    pictures.animation([trial(0)], tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.n_frames == 12 and animation.info["duration"] == 200
        pixels = np.asarray(animation.convert("RGB"), int).reshape(-1, 3)
    assert (np.ptp(pixels, axis=1) > 150).sum() > 200  # strong colours, on grey images


def test_trajectories_are_drawn_even_of_a_trial_without_any(tmp_path):
    pictures.trajectories([trial(0), trial(1)._replace(history=())], AXES, tmp_path / "t.png")
    assert cv2.imread(str(tmp_path / "t.png")).shape[1] > 1000


def test_nothing_is_written_of_nothing(tmp_path):
    pictures.strip([], tmp_path / "strip.png")
    pictures.animation([], tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []
