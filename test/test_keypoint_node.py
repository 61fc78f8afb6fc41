"""The keypoint node with a network of random weights; parameters, pairing, and the picture it draws."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")

import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from kovis_msgs.msg import Keypoints  # noqa: E402
from kovis_ros import conversions  # noqa: E402
from kovis_ros.method import checkpoint  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_ros.method.images import Crop, StereoKeypoints  # noqa: E402
from kovis_ros.method.networks import Network  # noqa: E402
from kovis_ros.nodes import overlay  # noqa: E402
from kovis_ros.nodes.keypoint import KeypointNode, fault_of  # noqa: E402
from kovis_ros.nodes.pairing import Pairing  # noqa: E402

pytestmark = pytest.mark.ros
SIZE = 128
K = np.array([[115.0, 0, 63.5], [0, 115.0, 63.5], [0, 0, 1]])  # 58 deg across 128 px


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    task = load_task("pick_mug")
    checkpoint.save(path, task, Network(task))
    return str(path)


class Camera:
    """Publishes pairs to a keypoint node in this process and collects what comes out."""

    def __init__(self, domain, weights):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        overrides = [Parameter("checkpoint", value=weights), Parameter("warm_up", value=1)]
        self.keypoint = KeypointNode(context=self.context, parameter_overrides=overrides)
        self.node = rclpy.create_node("camera", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        for node in (self.keypoint, self.node):
            self.executor.add_node(node)
        topic = "/camera/camera/infra{}/{}".format
        self.images = [self.node.create_publisher(Image, topic(i, "image_rect_raw"), 1) for i in (1, 2)]
        self.infos = [self.node.create_publisher(CameraInfo, topic(i, "camera_info"), 1) for i in (1, 2)]
        self.found, self.pictures = [], []
        self.node.create_subscription(Keypoints, "keypoints", self.found.append, 10)
        self.stamp = 1_000_000_000
        self.rng = np.random.default_rng(0)
        self.spin(40)

    def spin(self, count=12):
        for _ in range(count):
            self.executor.spin_once(timeout_sec=0.01)

    def look(self):
        self.node.create_subscription(Image, "overlay", self.pictures.append, 1)
        self.spin(40)

    def pair(self):
        """Left and right image of something patchy, four pixels apart."""
        left = np.kron(self.rng.integers(0, 256, (SIZE // 8, SIZE // 8), np.uint8), np.ones((8, 8), np.uint8))
        return left, np.roll(left, -4, axis=1)

    def publish(self, left=None, right=None, encoding="mono8", skew_ns=0, infos=True):
        self.stamp += 33_000_000
        if infos:
            pair = conversions.camera_infos(K, 0.05, (SIZE, SIZE), self.stamp, "left_optical")
            for info, publisher in zip(pair, self.infos, strict=True):
                publisher.publish(info)
            self.spin(4)
        for i, (image, seen) in enumerate(zip((left, right), self.pair(), strict=True)):
            image = seen if image is None else image
            message = conversions.array_to_image(image, self.stamp + i * skew_ns, "left_optical")
            message.encoding = encoding
            self.images[i].publish(message)
        self.spin()

    def close(self):
        self.executor.shutdown(timeout_sec=0.5)
        for node in (self.keypoint, self.node):
            node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def camera(ros_domain, weights):
    made = Camera(ros_domain, weights)
    yield made
    made.close()


def test_a_pair_gives_keypoints_with_the_left_header(camera):
    camera.publish()
    message = camera.found[-1]
    assert conversions.stamp_from_msg(message.header.stamp) == camera.stamp
    assert message.header.frame_id == "left_optical" and message.task == "pick_mug"
    assert (message.image_width, message.image_height) == (SIZE, SIZE)
    assert len(message.left) == len(message.right) == load_task("pick_mug").model.keypoints
    assert all(-0.5 <= point.x <= SIZE - 0.5 for point in message.left)
    assert conversions.stamp_from_msg(message.inference_stamp) > camera.stamp


def test_bad_pairs_are_counted_by_cause_and_give_nothing(camera):
    camera.publish(infos=False)
    assert camera.keypoint.rejected == {"camera_info missing": 1}
    camera.publish()
    assert len(camera.found) == 1
    camera.publish(encoding="bgr8")
    camera.publish(left=np.zeros((SIZE, SIZE), np.uint8))
    camera.publish(right=camera.rng.normal(8.0, 3.0, (SIZE, SIZE)).astype(np.uint8))
    camera.publish(*(image[:96] for image in camera.pair()))
    camera.publish(skew_ns=1)
    same = camera.pair()
    camera.publish(*same)
    camera.publish(*same)
    camera.publish(right=same[1])
    expected = {"camera_info missing": 1, "message": 1, "dark": 2, "size": 1, "frozen": 2}
    assert camera.keypoint.rejected == expected and len(camera.found) == 2


def test_a_network_that_gives_no_numbers_is_told_as_such(camera):
    """Damage that came after loading, which checks the weights; images are not to blame."""
    camera.publish()
    assert len(camera.found) == 1
    for weight in camera.keypoint.policy.network.parameters():
        weight.fill_(float("nan"))
    camera.publish()
    assert camera.keypoint.rejected == {"not finite": 1} and len(camera.found) == 1


def test_overlay_only_while_somebody_looks(camera):
    camera.publish()
    assert camera.keypoint._last_overlay == 0.0
    camera.look()
    camera.publish()
    picture = conversions.image_to_array(camera.pictures[-1], "bgr8")
    assert picture.shape == (384, 768, 3)  # 128 px enlarged three times, side by side
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 256  # coloured dots on grey


def test_overlay_draws_where_the_keypoint_is():
    points = np.array([[10.0, 20.0, 0.9]], np.float32)
    keypoints = StereoKeypoints(points, points, (SIZE, SIZE), Crop(-0.5, -0.5, SIZE))
    picture = overlay.draw(np.zeros((SIZE, SIZE), np.uint8), np.zeros((SIZE, SIZE), np.uint8), keypoints)
    # centre of pixel 10 in a picture three times as large: 10 * 3 + 1
    assert tuple(picture[61, 31]) == overlay.colour(0, 1) and tuple(picture[61, 31 + 384]) == overlay.colour(0, 1)


def test_swapped_images_are_noticed_by_their_disparity():
    near = np.array([[80.0, 60.0, 0.9], [70.0, 50.0, 0.9]], np.float32)
    far = near - [20.0, 0, 0]
    crop = Crop(-0.5, -0.5, 128.0)
    assert fault_of(StereoKeypoints(near, far, (SIZE, SIZE), crop)) is None
    cause, reason = fault_of(StereoKeypoints(far, near, (SIZE, SIZE), crop))
    assert cause == "swapped" and "left and right are swapped" in reason


def test_eyes_that_do_not_see_the_same_are_noticed_by_their_rows():
    left = np.array([[80.0, 60.0, 0.9], [70.0, 50.0, 0.9], [40.0, 90.0, 0.9]], np.float32)
    right, crop = left - [20.0, 0.0, 0.0], Crop(-0.5, -0.5, 128.0)
    right[0, 1] += 40.0  # one keypoint may be wrong
    assert fault_of(StereoKeypoints(left, right, (SIZE, SIZE), crop)) is None
    cause, reason = fault_of(StereoKeypoints(left, right + [0.0, 6.0, 0.0], (SIZE, SIZE), crop))
    assert cause == "unlike" and "0.05 of the view apart in row: one lens is covered" in reason


def test_pairing_gives_equal_stamps_once_and_drops_what_is_older():
    pairing = Pairing(depth=3)
    assert pairing.add(0, 1, "l1") is None and pairing.add(0, 2, "l2") is None
    assert pairing.add(1, 2, "r2") == ("l2", "r2")
    assert pairing.add(1, 1, "r1") is None  # its left was older than the pair given
    assert pairing.unmatched == 1
    for stamp in range(10, 20):
        assert pairing.add(0, stamp, stamp) is None
    assert pairing.unmatched == 8 and pairing.add(1, 19, "r") == (19, "r")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-p", "overlay_rat:=5.0"], "parameter 'overlay_rat' is unknown: known are task, checkpoint"),
        (["-p", "overlay_rate:=500"], "out of range: give 0.1 to 90"),
        (["-p", "task:=make_tea"], "task 'make_tea' is unknown: choose from"),
        (["-p", "checkpoint:=/nowhere.safetensors"], "/nowhere.safetensors does not exist"),
    ],
)
def test_bad_settings_are_one_line_and_exit_2(ros_domain, arguments, text):
    command = [sys.executable, "-m", "kovis_ros.nodes.start_keypoint", "--ros-args", *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 2 and text in answer.stderr and "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
