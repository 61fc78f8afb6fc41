"""Messages <-> numpy: round trips, and bad messages named in one line."""

from __future__ import annotations

import array
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import small
import torch

pytest.importorskip("sensor_msgs")

from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from kovis_msgs.msg import Keypoints as KeypointsMessage
from kovis_msgs.msg import Motion as MotionMessage
from kovis_ros import conversions
from kovis_ros.conversions import MessageError
from kovis_ros.method import geometry
from kovis_ros.method.images import Crop, StereoKeypoints
from kovis_ros.method.motion import Motion
from kovis_ros.method.networks import Network
from kovis_ros.method.policy import ServoPolicy

STAMP = 1_234_567_890_123_456_789
K = np.array([[424.5, 0.0, 423.2], [0.0, 425.5, 239.8], [0.0, 0.0, 1.0]])


def image_message(**changes: Any) -> Image:
    message = Image(height=2, width=3, step=3, encoding="mono8")
    message.data = array.array("B", range(6))
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("encoding", "dtype", "shape"),
    [("mono8", np.uint8, (480, 848)), ("16UC1", np.uint16, (128, 130)), ("bgr8", np.uint8, (7, 5, 3))],
)
def test_image_round_trip(encoding: str, dtype: type, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    pixels = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    message = conversions.array_to_image(pixels, STAMP, "camera", encoding)
    assert (message.encoding, message.header.frame_id, message.step) == (
        encoding, "camera", pixels.strides[0],
    )  # fmt: skip
    assert isinstance(message.data, array.array)
    assert conversions.stamp_from_msg(message.header.stamp) == STAMP
    np.testing.assert_array_equal(conversions.image_to_array(message, encoding), pixels)


def test_image_of_a_slice_is_the_slice() -> None:
    """A view with gaps between its rows is written without them."""
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)[::2, 1:5]
    message = conversions.array_to_image(pixels, STAMP, "camera")
    np.testing.assert_array_equal(conversions.image_to_array(message), pixels)


def test_padded_rows_are_cut() -> None:
    """step 5 for width 3: bytes 3 and 4 of each row are padding."""
    message = image_message(step=5, data=array.array("B", [1, 2, 3, 99, 99, 4, 5, 6, 99, 99]))
    np.testing.assert_array_equal(conversions.image_to_array(message), [[1, 2, 3], [4, 5, 6]])
    message = image_message(width=1, step=4, encoding="16UC1", data=array.array("B", [1, 2, 9, 9, 0, 1, 9, 9]))
    np.testing.assert_array_equal(conversions.image_to_array(message, "16UC1"), [[0x0201], [0x0100]])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoding": "rgb8"}, "encoding is 'rgb8': 'mono8' is needed"),
        ({"encoding": ""}, "encoding is ''"),
        ({"height": 3}, "image 3x3 mono8 has step 3 and 6 bytes"),
        ({"width": 4, "step": 4}, "image 4x2 mono8 has step 4 and 6 bytes"),
        ({"step": 2}, "step must be at least 3"),
        ({"data": array.array("B", range(5))}, "5 bytes"),
        ({"height": 0, "data": array.array("B")}, "image 3x0"),
    ],
)
def test_bad_images_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(MessageError, match=words):
        conversions.image_to_array(image_message(**changes))


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), np.float64), np.zeros((4, 4, 3), np.uint8)])
def test_arrays_of_another_kind_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(MessageError, match="is no mono8 image"):
        conversions.array_to_image(pixels, STAMP, "camera")


def test_camera_infos_as_realsense_publishes_them() -> None:
    left, right = conversions.camera_infos(K, 0.05, (480, 848), STAMP, "camera_infra1_optical_frame")
    assert left.header == right.header
    assert right.header.frame_id == "camera_infra1_optical_frame"
    assert right.p[3] == pytest.approx(-424.5 * 0.05) and left.p[3] == 0.0  # P[0, 3] = -fx * baseline
    assert (left.width, left.height, left.distortion_model) == (848, 480, "plumb_bob")
    back, baseline = conversions.camera_from_infos(left, right)
    np.testing.assert_allclose(back, K)
    assert baseline == pytest.approx(0.05)


def infos(**changes: Any) -> tuple[Any, Any]:
    pair = conversions.camera_infos(K, 0.05, (480, 848), STAMP, "c")
    for name, value in changes.items():
        setattr(pair[name.startswith("right_")], name.partition("_")[2], value)
    return pair


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"left_k": [0.0] * 9}, "calibrate the camera"),
        ({"left_k": [math.nan] * 9}, "calibrate the camera"),
        ({"right_width": 640}, "differs from the left"),
        ({"right_p": conversions.projection(K * [[2], [1], [1]], 0.05).reshape(-1)}, "differs from the left"),
        ({"right_p": conversions.projection(K, 0.0).reshape(-1)}, "baseline of -?0.0000 m"),
        ({"right_p": conversions.projection(K, -0.05).reshape(-1)}, "baseline of -0.0500 m: swap"),
    ],
)
def test_bad_cameras_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(MessageError, match=words):
        conversions.camera_from_infos(*infos(**changes))


def keypoints(rng: np.random.Generator) -> StereoKeypoints:
    points = rng.uniform(0.0, 1.0, (2, 10, 3)).astype(np.float32) * [848.0, 480.0, 1.0]
    left, right = points.astype(np.float32)
    return StereoKeypoints(left, right, (480, 848), Crop(183.5, -0.5, 480.0))


def test_keypoints_round_trip(rng: np.random.Generator) -> None:
    points = keypoints(rng)
    message = conversions.keypoints_to_msg(points, conversions.header(STAMP, "camera"), "pick_mug", STAMP + 5)
    assert message.task == "pick_mug" and conversions.stamp_from_msg(message.inference_stamp) == STAMP + 5
    message.left.reverse()  # the id decides, not the place
    back = conversions.keypoints_from_msg(message)
    np.testing.assert_array_equal(back.left, points.left)
    np.testing.assert_array_equal(back.right, points.right)
    assert back.image_size == points.image_size and back.crop == points.crop


@pytest.mark.parametrize("damage", ["gap", "twice", "nan", "pairs", "crop", "size"])
def test_bad_keypoints_are_refused(damage: str, rng: np.random.Generator) -> None:
    message = conversions.keypoints_to_msg(keypoints(rng), conversions.header(STAMP, "c"), "pick_mug", STAMP)
    if damage == "gap":
        message.left[3].id = 12
    elif damage == "twice":
        message.right[3].id = 2
    elif damage == "nan":
        message.left[0].x = math.nan
    elif damage == "pairs":
        message.right.pop()
    elif damage == "crop":
        message.crop_side = 0.0
    else:
        message.image_width = 0
    words = {
        "gap": "left keypoints have ids",
        "twice": "right keypoints have ids",
        "nan": "finite",
        "pairs": "in pairs",
    }
    with pytest.raises(MessageError, match=words.get(damage, "sizes above 0")):
        conversions.keypoints_from_msg(message)


def test_the_message_moves_the_arm_as_the_keypoints_would(rng: np.random.Generator) -> None:
    """motion(from_msg(to_msg(keypoints))), over the wire: the servo node sees nothing but the message."""
    torch.manual_seed(0)
    task = small.task()
    policy = ServoPolicy(task, Network(task))
    for _ in range(5):
        left, right = (points[: task.model.keypoints] for points in keypoints(rng)[:2])
        found = keypoints(rng)._replace(left=left, right=right)
        sent = conversions.keypoints_to_msg(found, conversions.header(STAMP, "camera"), task.name, STAMP)
        received = deserialize_message(serialize_message(sent), KeypointsMessage)
        here, there = policy.motion(found), policy.motion(conversions.keypoints_from_msg(received))
        np.testing.assert_allclose(there.direction, here.direction, rtol=0.0, atol=1e-5)
        assert there.speed == pytest.approx(here.speed, abs=1e-5)
        assert there.confidence == pytest.approx(here.confidence, abs=1e-5)


def test_motion_round_trip() -> None:
    motion = Motion(np.array([0.6, 0.0, 0.8], np.float32), 0.25, 0.75)
    message = conversions.motion_to_msg(motion, ("x", "y", "rz"), STAMP, 0.0014, displacement=(0.001, 0.0, 0.002))
    assert list(message.axes) == ["x", "y", "rz"] and message.header.frame_id == "tool0"
    assert message.estimated_error == pytest.approx(0.0014) and len(message.displacement) == 3
    back = conversions.motion_from_msg(message)
    np.testing.assert_array_equal(back.direction, motion.direction)
    assert (back.speed, back.confidence) == (0.25, 0.75)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"direction": [1.0]}, "one each is needed"),
        ({"direction": [math.nan, 0.0]}, "finite"),
        ({"speed": 1.5}, "in 0..1"),
        ({"speed": math.nan}, "in 0..1"),
        ({"confidence": -0.1}, "in 0..1"),
    ],
)
def test_bad_motions_are_refused(changes: dict[str, Any], words: str) -> None:
    message = MotionMessage(**{"axes": ["x", "y"], "direction": [1.0, 0.0], "speed": 0.5, "confidence": 1.0} | changes)
    with pytest.raises(MessageError, match=words):
        conversions.motion_from_msg(message)


def test_pose_round_trip(rng: np.random.Generator) -> None:
    """Quarter turn about z at (1, 2, 3): quaternion (0, 0, sin 45, cos 45)."""
    quarter = geometry.pose((1.0, 2.0, 3.0), [[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    message = conversions.pose_to_msg(quarter, STAMP, "base")
    q, root = message.pose.orientation, math.sqrt(0.5)
    assert (q.x, q.y, q.z, q.w) == pytest.approx((0.0, 0.0, root, root))
    for _ in range(20):
        pose = geometry.exp(rng.uniform(-1.5, 1.5, 6))
        back = conversions.pose_from_msg(conversions.pose_to_msg(pose, STAMP, "base"), "base")
        np.testing.assert_allclose(back, pose, atol=1e-9)


def test_bad_poses_are_refused() -> None:
    with pytest.raises(MessageError, match="unit quaternion"):  # all zero, as a message that nobody filled
        zero = PoseStamped()
        zero.pose.orientation.w = 0.0
        conversions.pose_from_msg(zero, "")
    with pytest.raises(MessageError, match="pose is in frame 'base_link': 'base' is needed"):
        conversions.pose_from_msg(conversions.pose_to_msg(np.eye(4), STAMP, "base_link"), "base")


def test_twist_round_trip_and_refusals() -> None:
    twist = np.array([0.01, -0.02, 0.03, 0.1, -0.2, 0.3])
    message = conversions.twist_to_msg(twist, STAMP)
    assert message.twist.angular.y == -0.2 and message.header.frame_id == "tool0"
    np.testing.assert_array_equal(conversions.twist_from_msg(message), twist)
    with pytest.raises(MessageError, match="twist is in frame 'base'"):
        conversions.twist_from_msg(conversions.twist_to_msg(twist, STAMP, "base"))
    with pytest.raises(MessageError, match="twist is in frame ''"):
        conversions.twist_from_msg(TwistStamped())
    for bad in ([math.nan, 0, 0, 0, 0, 0], [math.inf, 0, 0, 0, 0, 0], [0, 0, 0]):
        with pytest.raises(MessageError, match="six finite numbers"):
            conversions.twist_to_msg(bad, STAMP)
    message.twist.linear.z = math.inf
    with pytest.raises(MessageError, match="six finite numbers"):
        conversions.twist_from_msg(message)


@pytest.mark.parametrize("seconds", [0.0, 0.25, 1.5, -0.25, 86400.000000001])
def test_durations(seconds: float) -> None:
    message = conversions.duration_to_msg(seconds)
    assert 0 <= message.nanosec < 10**9
    assert conversions.stamp_from_msg(message) == round(seconds * 1e9)


def test_takes_any_object_with_the_fields() -> None:
    """As a bag reader gives them: numpy data, no ROS class."""
    data = np.arange(6, dtype=np.uint8)
    message = SimpleNamespace(height=2, width=3, step=3, encoding="mono8", is_bigendian=0, data=data)
    np.testing.assert_array_equal(conversions.image_to_array(message), data.reshape(2, 3))
