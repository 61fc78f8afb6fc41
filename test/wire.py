"""The contract on the wire, as a table, and a node that writes down what a running graph really has."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

IMAGE, INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
CAMERA = {f"/camera/camera/infra{i}/image_rect_raw": IMAGE for i in (1, 2)}
CAMERA |= {f"/camera/camera/infra{i}/camera_info": INFO for i in (1, 2)}
POSE, ARM = {"/kovis/tcp_pose": "geometry_msgs/msg/PoseStamped"}, {"/kovis/arm_status": "kovis_msgs/msg/ArmStatus"}
TWIST, MOTION = {"/kovis/twist": "geometry_msgs/msg/TwistStamped"}, "kovis_msgs/msg/Motion"
KEYPOINTS, TRIGGER = {"/kovis/keypoints": "kovis_msgs/msg/Keypoints"}, "std_srvs/srv/Trigger"
OF_EVERY_NODE = {"/diagnostics", "/rosout", "/parameter_events"}


class Wire(NamedTuple):
    """Names and types of one node."""

    publishes: Mapping[str, str]
    subscribes: Mapping[str, str] = {}
    services: Mapping[str, str] = {}
    actions: Mapping[str, str] = {}


WIRE = {
    "sim": Wire(
        {**CAMERA, "/kovis/sim/trial": "kovis_msgs/msg/SimTrial", "/kovis/sim/motion": MOTION},
        {"/kovis/sim/camera_fault": "std_msgs/msg/String"},
        services={"/kovis/sim/reset": "kovis_msgs/srv/SimReset"},
    ),
    "keypoint": Wire({**KEYPOINTS, "/kovis/overlay": IMAGE}, CAMERA),
    "servo": Wire(
        {**TWIST, "/kovis/motion": MOTION, "/kovis/status": "kovis_msgs/msg/ServoStatus"},
        {**KEYPOINTS, **POSE, **ARM},
        {"/kovis/servo/pause": "std_srvs/srv/SetBool", "/kovis/servo/stop": TRIGGER},
        {"/kovis/servo": "kovis_msgs/action/Servo"},
    ),
    "ur5": Wire(
        {**POSE, **ARM, "/joint_states": "sensor_msgs/msg/JointState"},
        {**TWIST, "/kovis/status": "kovis_msgs/msg/ServoStatus"},
        {"/kovis/arm/stop": TRIGGER},
        {"/kovis/gripper": "kovis_msgs/action/Gripper", "/kovis/move_relative": "kovis_msgs/action/MoveRelative"},
    ),
}


class Probe:
    """Looks at a graph from outside: who has what, which frames, how often the diagnostics come."""

    def __init__(self, domain: int) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from geometry_msgs.msg import PoseStamped, TwistStamped
        from rclpy.executors import SingleThreadedExecutor

        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("probe", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.found: dict[str, list[dict[str, str]]] = {name: [{}, {}, {}, {}] for name in WIRE}
        self.frames: dict[str, set[str]] = defaultdict(set)
        self.reports: dict[str, list[float]] = defaultdict(list)
        self.listeners_to_the_truth: set[str] = set()
        self.reliabilities: set[str] = set()
        for kind, topic in ((PoseStamped, "/kovis/tcp_pose"), (TwistStamped, "/kovis/twist")):
            self.node.create_subscription(kind, topic, lambda m, t=topic: self.frames[t].add(m.header.frame_id), 1)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)

    def _on_diagnostics(self, message) -> None:
        self.reports[message.status[0].name.partition(":")[0]].append(time.monotonic())

    def look(self, seconds: float = 0.5) -> None:
        """Listen for a while, then ask who has what."""
        from rclpy.action import get_action_server_names_and_types_by_node as servers
        from rclpy.node import NodeNameNonExistentError

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.05)
        node = self.node
        asked = (
            node.get_publisher_names_and_types_by_node, node.get_subscriber_names_and_types_by_node,
            node.get_service_names_and_types_by_node, lambda *place: servers(node, *place),
        )  # fmt: skip
        there = set(node.get_node_names_and_namespaces())
        for name in (name for name in WIRE if (name, "/kovis") in there):
            with suppress(NodeNameNonExistentError):  # it has just ended
                for found, ask in zip(self.found[name], asked, strict=True):
                    found.update({topic: kinds[0] for topic, kinds in ask(name, "/kovis")})
        listeners = {e.node_name for e in node.get_subscriptions_info_by_topic("/kovis/sim/trial")}
        self.listeners_to_the_truth |= {name for name in listeners if not name.startswith("_NODE_NAME_UNKNOWN")}
        cameras = [e for topic in CAMERA for e in node.get_publishers_info_by_topic(topic)]
        self.reliabilities |= {e.qos_profile.reliability.name for e in cameras}

    def wire(self, name: str) -> Wire:
        """What a node was seen to have, without what every node has and the parts of actions."""
        plain = [
            {topic: kind for topic, kind in found.items() if topic not in OF_EVERY_NODE and "/_action/" not in topic}
            for found in self.found[name]
        ]
        plain[2] = {topic: kind for topic, kind in plain[2].items() if not topic.startswith(f"/kovis/{name}/get_")}
        plain[2] = {topic: kind for topic, kind in plain[2].items() if not kind.startswith("rcl_interfaces/")}
        return Wire(*plain)

    def close(self) -> None:
        """Leave the domain."""
        import rclpy

        self.executor.shutdown(timeout_sec=0.5)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)
