"""The graph as it is launched on the real arm: `robot:=ur5 camera:=d435`, the vendors' libraries, 848x480 at 30 Hz.

The images were rendered beforehand: drawing them takes longer than 33 ms. They show the way to the goal and do not know
what the arm does, so the servo slows down but does not converge; then they end. The arm's controller is the simulated
one, on the address that the launch names.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")
pytest.importorskip("pybullet", reason="needs pybullet: run make setup")
pytest.importorskip("pyrealsense2", exc_type=ImportError, reason="needs pyrealsense2 and libusb-1.0: run make setup")
pytest.importorskip("rtde_control", reason="needs ur_rtde: run make setup")

import camera_rig  # noqa: E402
import rclpy  # noqa: E402
import ur_cell  # noqa: E402

from kovis_msgs.action import Servo  # noqa: E402
from kovis_msgs.msg import Keypoints, Motion  # noqa: E402
from kovis_ros import bringup  # noqa: E402
from kovis_ros.bringup.graph import Process  # noqa: E402
from kovis_ros.bringup.supervisor import Supervisor  # noqa: E402
from kovis_ros.method import geometry, images  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_ros.nodes.fault_trials import FaultTrials  # noqa: E402
from kovis_sim.scene import Scene  # noqa: E402
from kovis_sim.ur_controller.side_channel import SideChannel  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.slow]
RATE_HZ, HEIGHT, WIDTH = 30.0, 480, 848
AWAY_S, WAY_S, GOAL_S = 2.0, 2.0, 3.0  # what the recording shows
START = np.array([-0.015, 0.010, -0.015, 0.0, 0.0, 0.1])  # tcp from the goal
POSES = 12
HOT = 4000  # pixels with noise: with noise in all of them the library plays 24 pairs a second


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A D435's recording of the way to the goal: few poses, new noise in every image."""
    path = tmp_path_factory.mktemp("way") / "way.db3"
    views, rng = rendered(), np.random.default_rng(0)

    def image(number, side):
        along = np.clip((number / RATE_HZ - AWAY_S) / WAY_S, 0.0, 1.0)
        view = views[round(along * (POSES - 1))][side - 1].copy()
        rows, columns = rng.integers(0, (HEIGHT, WIDTH), (HOT, 2)).T
        view[rows, columns] += rng.integers(0, 9, HOT).astype(np.uint8)
        return view

    camera_rig.record(path, pairs=round((AWAY_S + WAY_S + GOAL_S) * RATE_HZ), rate_hz=RATE_HZ, images=image)
    return path


def rendered():
    """Stereo pairs ((480, 848) uint8) on the line from START to the goal, the scene in the middle square."""
    scene = Scene(load_task("pick_mug"), seed=3, split="test")
    K = np.array([[425.0, 0.0, 239.5], [0.0, 425.0, 239.5], [0.0, 0.0, 1.0]])
    scene.camera = scene.camera._replace(K=K, size=HEIGHT, baseline_m=0.050)
    views = []
    for along in np.linspace(0.0, 1.0, POSES):
        scene.put(scene.world_T_goal @ geometry.exp((1.0 - along) * START))
        edge = (WIDTH - HEIGHT) // 2
        views.append([np.pad(eye, ((0, 0), (edge, edge)), mode="edge").clip(0, 240) for eye in scene.stereo()])
    scene.close()
    return views


def test_recorded_images_drive_the_arm_until_they_end(recording, tmp_path, ros_domain):
    task, address = load_task("pick_mug"), ur_cell.new_address()
    settings = tmp_path / "camera.yaml"
    settings.write_text(
        yaml.safe_dump({"/**/stereo_camera": {"ros__parameters": {"recording": str(recording), "repeat": False}}})
    )
    given = {"robot": "ur5", "robot_ip": address, "camera": "d435", "params_file": str(settings)}
    processes = bringup.graph(given)
    assert {process.name for process in processes} == {"stereo_camera", "keypoint", "servo", "ur5"}
    options = ("--address", address, "--state", f"hardware-{ros_domain}", "--tcp-offset", str(task.tcp_offset_m))
    arm = Process("controller", ("python3", "-m", "kovis_sim.ur_controller", *options), ready="ready:", first=True)
    camera = [process for process in processes if process.name == "stereo_camera"]
    others = [process for process in processes if process.name != "stereo_camera"]
    channel, seen, motions = SideChannel(address), [], []
    rclpy.init(domain_id=ros_domain)
    try:
        with Supervisor([arm, *others], tmp_path / "logs") as supervisor:
            supervisor.wait_ready(60.0)
            client = FaultTrials(task, "/kovis", channel.speed, supervisor.check)
            client.create_subscription(Keypoints, "keypoints", lambda m: seen.append((time.monotonic(), m)), 5)
            client.create_subscription(Motion, "motion", motions.append, 5)
            client.pause(1.0)
            with Supervisor(camera, tmp_path / "logs"):
                client.until(lambda: bool(seen), 30.0, "keypoints")
                begun = time.monotonic()
                handle = client.send(complete=False)
                client.until(lambda: channel.speed() > 0.008, 5.0, "motion of the arm")
                result = client.result(handle, 20.0)
                stop = channel.stop_after(begun)
            client.close()
    finally:
        rclpy.try_shutdown()
    assert result.error_code == Servo.Result.STALE_IMAGE, result
    assert result.final_speed < 0.5, "3.5 mm from the goal and further the speed is above it"
    assert stop.watched_s - stop.zero_s > 1.0, "it stood while the goal waited for images"
    first, wanted = motions[5].direction[:3], -START[:3]  # the way of the tcp is back
    assert np.dot(first, wanted) / np.linalg.norm(first) / np.linalg.norm(wanted) > 0.9
    times = np.array([at for at, _ in seen])
    assert (seen[-1][1].image_width, seen[-1][1].image_height) == (WIDTH, HEIGHT)
    assert len(times) / (times[-1] - times[0]) > 0.8 * RATE_HZ
    crop = images.crop_for(np.array([[425.0, 0, 423.5], [0, 425.0, 239.5], [0, 0, 1]]), (HEIGHT, WIDTH), (53.0, 63.0))
    assert seen[-1][1].crop_side == pytest.approx(crop.side)
