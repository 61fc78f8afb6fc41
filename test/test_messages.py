"""The interfaces: every field is commented, they are built by rosidl, and they travel between real nodes."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

from kovis_msgs.action import Gripper, MoveRelative, Servo
from kovis_msgs.msg import ArmStatus, Keypoint, Keypoints, Motion, ServoStatus, SimTrial
from kovis_msgs.srv import SimReset

ROOT = Path(__file__).resolve().parents[1]
TEXTS = sorted((ROOT / "kovis_msgs").glob("*/*.*"))
FIELD = re.compile(r"^(?P<type>[\w/]+(\[\])?)\s+(?P<name>[a-z]\w*)\s*(?P<comment>#.*)?$")
CONSTANT = re.compile(r"^\w+ [A-Z_]+=-?\d+")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_every_field_is_explained(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith(("#", "---"))]
    fields = [line for line in lines if not CONSTANT.match(line)]
    assert fields
    for line in fields:
        match = FIELD.match(line)
        assert match, f"{path.name}: {line!r} is neither field nor constant"
        self_evident = match["name"] in ("state", "code", "success")
        assert match["comment"] or self_evident, f"{path.name}: {match['name']} has no unit and range"


def test_cmake_builds_every_text() -> None:
    listed = set(re.findall(r'"((?:msg|srv|action)/\w+\.\w+)"', (ROOT / "kovis_msgs" / "CMakeLists.txt").read_text()))
    assert listed == {f"{path.parent.name}/{path.name}" for path in TEXTS}


def test_codes_are_the_documented_ones() -> None:
    assert (ServoStatus.INVALID, ServoStatus.IDLE, ServoStatus.CONVERGED, ServoStatus.HALT_BACKEND) == (-1, 0, 3, 10)
    assert (Servo.Result.NONE, Servo.Result.TIMEOUT, Servo.Result.UNKNOWN) == (0, 901, 999)
    assert (ArmStatus.ROBOT_RUNNING, ArmStatus.SAFETY_PROTECTIVE_STOP) == (7, 3)
    assert (MoveRelative.Result.NOTHING, MoveRelative.Result.FORCE) == (0, 1)


def test_action_and_service_fields() -> None:
    """What the design promises; a client in another package breaks when one goes."""
    assert set(Servo.Goal.get_fields_and_field_types()) == {"task", "timeout", "speed_scale", "complete"}
    assert set(Servo.Result.get_fields_and_field_types()) == {
        "success", "error_code", "error_msg", "elapsed", "final_speed", "images",
    }  # fmt: skip
    assert {"state", "speed", "confidence", "image_age", "elapsed"} == set(Servo.Feedback.get_fields_and_field_types())
    assert {"direction", "distance", "speed", "force_limit"} == set(MoveRelative.Goal.get_fields_and_field_types())
    assert {"travelled", "stopped_by"} <= set(MoveRelative.Result.get_fields_and_field_types())
    assert {"reached", "holding"} <= set(Gripper.Result.get_fields_and_field_types())
    assert {"position", "force"} == set(Gripper.Goal.get_fields_and_field_types())
    assert {"seed", "task"} == set(SimReset.Request.get_fields_and_field_types())
    assert {"seed", "tilt", "contacts", "completed"} <= set(SimTrial.get_fields_and_field_types())
    assert {f"{when}position_error" for when in ("", "start_")} <= set(SimTrial.get_fields_and_field_types())


def test_message_fields() -> None:
    assert set(Keypoint.get_fields_and_field_types()) == {"id", "x", "y", "confidence"}
    assert set(Keypoints.get_fields_and_field_types()) == {
        "header", "task", "image_width", "image_height", "crop_x", "crop_y", "crop_side", "left", "right",
        "inference_stamp",
    }  # fmt: skip
    assert {"header", "axes", "direction", "speed", "estimated_error"} <= set(Motion.get_fields_and_field_types())
    assert {"code", "message", "task", "speed", "confidence", "image_age"} <= set(
        ServoStatus.get_fields_and_field_types()
    )


def example() -> Keypoints:
    """A message with every kind of field filled."""
    message = Keypoints(task="pick_mug", image_width=848, image_height=480, crop_x=183.5, crop_y=-0.5, crop_side=480.0)
    message.header.frame_id = "camera_infra1_optical_frame"
    message.header.stamp.sec = 7
    message.left = [Keypoint(id=i, x=i + 0.25, y=2.5, confidence=0.5) for i in range(4)]
    message.right = [Keypoint(id=i, x=i - 3.25, y=2.5, confidence=1.0) for i in range(4)]
    message.inference_stamp.nanosec = 5
    return message


@pytest.mark.ros
@pytest.mark.parametrize("message", [example(), Motion(axes=["x", "rz"], direction=[0.6, 0.8], speed=0.5)], ids=type)
def test_travels_unchanged(ros_node: Any, ros_context: Any, message: Any) -> None:
    from rclpy.executors import SingleThreadedExecutor

    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(ros_node)
    received: list[Any] = []
    ros_node.create_subscription(type(message), "probe", received.append, 1)
    publisher = ros_node.create_publisher(type(message), "probe", 1)
    deadline = time.monotonic() + 10.0
    while not received and time.monotonic() < deadline:
        publisher.publish(message)
        executor.spin_once(timeout_sec=0.1)
    assert received and received[0] == message


def test_bag_types_are_the_built_ones() -> None:
    """The hash of the text that bags register equals the one rosidl computed when it built the message."""
    from kovis_ros.bags import messages

    built = sorted(Path(p, "share/kovis_msgs/msg/Motion.json") for p in [sys.prefix, *ament_prefixes()])
    found = [path for path in built if path.is_file()]
    if not found:
        pytest.skip("kovis_msgs is not installed below a known prefix")
    hashes = {entry["type_name"]: entry["hash_string"] for entry in json.loads(found[0].read_text())["type_hashes"]}
    for name in ("kovis_msgs/msg/Motion", "std_msgs/msg/Header"):
        assert messages.typestore().hash_rihs01(name) == hashes[name]


def ament_prefixes() -> list[str]:
    import os

    return [path for path in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if path]
