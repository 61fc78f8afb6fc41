"""The stereo camera node on a domain of its own, with software cameras and recordings behind the real library."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")
pytest.importorskip("pyrealsense2", exc_type=ImportError, reason="needs pyrealsense2 and libusb-1.0: run make setup")

import camera_rig  # noqa: E402
import rclpy  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from kovis_ros import conversions  # noqa: E402
from kovis_ros.drivers.camera_errors import CameraError  # noqa: E402
from kovis_ros.nodes.parameters import ParameterError  # noqa: E402
from kovis_ros.nodes.stereo_camera import StereoCameraNode  # noqa: E402

pytestmark = pytest.mark.ros
TOPIC = "/camera/camera/infra{}/{}".format
DEEP = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"


class Viewer:
    """A camera node in this process, and a node that keeps all it publishes."""

    def __init__(self, domain, connect=None, **parameters):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.probe = rclpy.create_node("viewer", context=self.context)
        self.images, self.infos, self.statuses = ({}, {}), ({}, {}), {}
        for side in (0, 1):
            self.listen(Image, TOPIC(side + 1, "image_rect_raw"), self.images[side])
            self.listen(CameraInfo, TOPIC(side + 1, "camera_info"), self.infos[side])
        self.probe.create_subscription(DiagnosticArray, "/diagnostics", self.on_diagnostics, 10)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.probe)
        self.node = None
        if connect is not False:
            overrides = [Parameter(name, value=value) for name, value in parameters.items()]
            more = {"connect": connect} if connect else {}
            self.node = StereoCameraNode(context=self.context, parameter_overrides=overrides, **more)
            self.executor.add_node(self.node)

    def listen(self, kind, topic, kept):
        def keep(message):
            kept[conversions.stamp_from_msg(message.header.stamp)] = message

        self.probe.create_subscription(kind, topic, keep, DEEP)

    def on_diagnostics(self, message):
        for status in message.status:
            self.statuses[status.name] = (status.level, status.message, {v.key: v.value for v in status.values})

    def pairs(self):
        """Stamps that came on all four topics."""
        return sorted(set.intersection(*(set(kept) for kept in (*self.images, *self.infos))))

    def until(self, condition, seconds=20.0):
        begun = time.monotonic()
        while not condition():
            self.executor.spin_once(timeout_sec=0.02)
            assert time.monotonic() - begun < seconds, (self.statuses, self.node and self.node.loop.trouble)
        return time.monotonic() - begun

    def status(self, task, condition):
        """The first report of a task that the condition takes: (level, message, values)."""
        name = f"stereo_camera: {task}"
        self.statuses.clear()
        self.until(lambda: name in self.statuses and condition(*self.statuses[name]))
        return self.statuses[name]

    def close(self):
        if self.node is not None:
            self.node.stop()
        self.executor.shutdown(timeout_sec=0.5)
        for node in filter(None, (self.node, self.probe)):
            node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def view(ros_domain, monkeypatch, tmp_path):
    """Makes viewers; the library writes a usage report into the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    made = []

    def make(connect=None, **parameters):
        made.append(Viewer(ros_domain, connect, **parameters))
        return made[-1]

    yield make
    for viewer in made:
        viewer.close()


def test_pairs_are_published_as_realsense_ros_does(view):
    camera = camera_rig.SoftwareCamera()
    camera.metadata(actual_exposure=6000, gain_level=32)
    viewer = view(camera.context)
    with camera_rig.Streaming(camera) as stream:
        viewer.until(lambda: len(viewer.pairs()) >= 10)
        stamp = viewer.pairs()[-1]
        left, right = (kept[stamp] for kept in viewer.images)
        for image in (left, right):
            assert (image.encoding, image.width, image.height, image.step) == ("mono8", 848, 480, 848)
            assert image.header.frame_id == "camera_infra1_optical_frame" and image.header.stamp == left.header.stamp
            assert any(np.array_equal(conversions.image_to_array(image), sent) for sent in stream.images)
        assert 0.0 <= time.time() - stamp * 1e-9 < 5.0
        infos = [kept[stamp] for kept in viewer.infos]
        assert [info.header.frame_id for info in infos] == ["camera_infra1_optical_frame"] * 2
        assert infos[1].p[3] == pytest.approx(-425.0 * 0.05) and infos[0].p[3] == 0.0
        assert infos[0].distortion_model == "plumb_bob" and list(infos[0].d) == [0.0] * 5
        K, baseline_m = conversions.camera_from_infos(*infos)
        assert K[0, 2] == 423.5 and baseline_m == pytest.approx(0.05)
        level, _, values = viewer.status("camera", lambda level, *_: level == OK)
        assert values["usb"] == "3.2" and values["emitter"] == "off" and values["mode"] == "848x480x30"
        assert values["stamps"] == "global time" and (values["exposure_us"], values["gain"]) == ("6000", "32")
        _, _, values = viewer.status("images", lambda _, __, values: float(values["pairs_hz"]) > 5.0)
        assert 0.0 <= float(values["age_p50_ms"]) < 1000.0
        stamps = viewer.pairs()
        assert all(later > earlier for earlier, later in zip(stamps, stamps[1:], strict=False))


def test_the_topics_are_best_effort(view):
    viewer = view(camera_rig.SoftwareCamera().context)
    topics = [TOPIC(side, name) for side in (1, 2) for name in ("image_rect_raw", "camera_info")]
    viewer.until(lambda: all(viewer.probe.get_publishers_info_by_topic(topic) for topic in topics))
    for topic in topics:
        (publisher,) = viewer.probe.get_publishers_info_by_topic(topic)
        assert publisher.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_half_pairs_and_a_silent_camera_are_reported(view):
    camera = camera_rig.SoftwareCamera()
    viewer = view(camera.context, image_timeout=0.5)
    viewer.until(lambda: viewer.node.loop.setup is not None)
    for number in range(6):
        camera.push(1, number, 1000.0 + 33.3 * number)
        if number % 2 == 0:
            camera.push(2, number, 1000.0 + 33.3 * number)
    viewer.until(lambda: len(viewer.pairs()) == 3)
    assert viewer.node.camera.dropped["unmatched"] == 2  # the last half still waits
    viewer.until(lambda: viewer.node.loop.starts == 2)
    level, message, values = viewer.status("images", lambda *_: True)
    assert values["dropped, unmatched"] == "2"
    assert viewer.status("camera", lambda level, *_: level == ERROR)[2]["starts"] >= "2"
    with camera_rig.Streaming(camera):
        viewer.until(lambda: len(viewer.pairs()) > 6)


def test_without_a_camera_it_waits_reports_and_stops_at_once(view):
    viewer = view()
    level, message, values = viewer.status("camera", lambda level, *_: level == ERROR)
    assert message.startswith("no camera; ") and values["state"] == "waiting for the camera"
    assert viewer.status("images", lambda *_: True)[:2] == (ERROR, "no images")
    begun = time.monotonic()
    viewer.node.stop()
    assert time.monotonic() - begun < 2.0 and not viewer.node._thread.is_alive()


def test_usb_2_is_a_warning_that_stays(view):
    camera = camera_rig.SoftwareCamera(modes=[(640, 480, 15)], usb="2.1")
    viewer = view(camera.context, mode="640x480x15")
    with camera_rig.Streaming(camera, 15.0):
        _, message, values = viewer.status("camera", lambda level, *_: level == WARN)
    assert message.startswith("the camera is on USB 2.1, left are 640x480 at 15") and values["usb"] == "2.1"


def test_a_view_that_the_task_cannot_use_ends_it_before_the_first_image(view):
    camera = camera_rig.SoftwareCamera(modes=[(848, 240, 30)])  # 31.5 deg over 240 rows
    viewer = view(camera.context, mode="848x240x30", task="pick_mug")
    text = "task pick_mug cannot use mode 848x240x30: field of view 31.5 deg .* choose another camera mode"
    with camera_rig.Streaming(camera), pytest.raises(CameraError, match=text):
        viewer.until(lambda: False, 30.0)
    assert not viewer.images[0] and not viewer.infos[0]


def test_simulated_time_gets_stamps_of_its_own_clock(view):
    camera = camera_rig.SoftwareCamera()
    viewer = view(camera.context, use_sim_time=True)  # nobody publishes /clock: it is 0
    with camera_rig.Streaming(camera):
        viewer.until(viewer.pairs)
    assert abs(viewer.pairs()[0]) < 10**9


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """30 pairs at 30 Hz."""
    path = tmp_path_factory.mktemp("recording") / "run.db3"
    camera_rig.record(path, pairs=30)
    return path


def test_a_recording_is_a_camera_that_begins_again(view, recording):
    viewer = view(recording=str(recording))
    viewer.until(lambda: len(viewer.pairs()) > 32)
    assert viewer.node.loop.starts >= 2
    stamps = np.array(viewer.pairs()) * 1e-9
    assert np.all(np.diff(stamps) > 0.0) and abs(stamps[-1] - time.time()) < 5.0
    level, message, _ = viewer.status("camera", lambda level, *_: level == WARN)
    assert message == "recorded with the emitter on: its dots are in the images"


@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        ({"mode": "848x480"}, CameraError, "mode '848x480' is not understood"),
        ({"recording": "/nowhere.db3"}, CameraError, "recording /nowhere.db3 is no file"),
        ({"exposure_us": 0}, ParameterError, "exposure_us = 0 is out of range"),
        ({"shutter": 3}, ParameterError, "parameter 'shutter' is unknown"),
    ],
)
def test_bad_parameters_end_it_with_a_line(ros_context, parameters, error, text):
    overrides = [Parameter(name, value=value) for name, value in parameters.items()]
    with pytest.raises(error, match=text):
        StereoCameraNode(context=ros_context, parameter_overrides=overrides)


class Executable:
    """`stereo_camera` as a process of its own."""

    def __init__(self, domain, tmp_path, **parameters):
        words = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
        environment = os.environ | {"ROS_DOMAIN_ID": str(domain), "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        self.log = tmp_path / "log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kovis_ros.nodes.stereo_camera", "--ros-args", *words],
                cwd=Path(__file__).resolve().parents[1], env=environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def text(self):
        return self.log.read_text()


def test_a_recording_is_played_to_its_end_by_the_executable(view, recording, ros_domain, tmp_path):
    viewer = view(False)
    node = Executable(ros_domain, tmp_path, recording=recording, repeat="false")
    try:
        viewer.until(lambda: node.process.poll() is not None, 60.0)
        assert node.process.returncode == 0, node.text()
        assert "ready: Intel RealSense D435" in node.text() and "was played to its end" in node.text()
        assert "recorded with the emitter on" in node.text()
        assert viewer.pairs()  # the first ones go by before the viewer has found the topics
    finally:
        node.process.kill()


def test_the_executable_waits_says_so_and_obeys_sigint(view, ros_domain, tmp_path):
    viewer = view(False)
    node = Executable(ros_domain, tmp_path)
    try:
        viewer.until(lambda: "no camera; none is connected: plug it in" in node.text(), 60.0)
        assert "ready" not in node.text()
        begun = time.monotonic()
        node.process.send_signal(signal.SIGINT)
        viewer.until(lambda: node.process.poll() is not None, 30.0)
        assert node.process.returncode == 0 and "Traceback" not in node.text(), node.text()
        assert time.monotonic() - begun < 20.0
    finally:
        node.process.kill()


NO_PAIR = "has no pair of infrared streams, it has Infrared 1 (Y8): record Infrared 1 and Infrared 2 as Y8"
NARROW = "task pick_mug cannot use mode 848x240x30: field of view 31.5 deg of the largest centred square is below"


@pytest.mark.parametrize(
    ("recorded", "parameters", "text"),
    [({"sides": (1,)}, {}, NO_PAIR), ({"mode": (848, 240, 30), "pairs": 30}, {"task": "pick_mug"}, NARROW)],
    ids=["one eye", "narrow"],
)
def test_a_recording_that_is_no_use_ends_the_executable_with_one_line(ros_domain, tmp_path, recorded, parameters, text):
    path = tmp_path / "run.db3"
    camera_rig.record(path, **{"pairs": 2, **recorded})
    node = Executable(ros_domain, tmp_path, recording=path, **parameters)
    try:
        assert node.process.wait(60.0) == 2
    finally:
        node.process.kill()
    (line,) = [line for line in node.text().splitlines() if line.startswith("error: ")]
    assert text in line and "Traceback" not in node.text()
