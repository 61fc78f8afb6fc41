"""Which processes make up a task's graph, with their parameters: data, nothing is started here."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from kovis_ros.bringup.arguments import settle
from kovis_ros.method.config import load_task, share

Value = bool | int | float | str
IMAGES, CONTROL = "fastdds.xml", "fastdds_control.xml"  # DDS profiles
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # several processes share few cores


@dataclass(frozen=True)
class Process:
    """One process. A node has an ``executable`` of a ROS package; any other is started by ``command`` alone."""

    name: str  # of the node, or of the process
    command: tuple[str, ...]  # without ROS; "python3" stands for the running interpreter
    package: str = ""
    executable: str = ""
    namespace: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    parameter_files: tuple[str, ...] = ()
    remaps: tuple[tuple[str, str], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    log_level: str = "info"
    restart: bool = False  # start it again when it ends by itself
    required: bool = True  # its end is the end of the graph
    ready: str = "ready:"  # what it prints once it works; empty: it says nothing
    first: bool = False  # the next ones need it: without a launch system they are started once it is ready


def graph(given: Mapping[str, str]) -> list[Process]:
    """Processes for these launch arguments; ConfigError names what is wrong with them."""
    values = settle(given)
    if values["part"] == "record":
        return [_recording(values)]
    if values["part"] == "camera":
        return _camera(values)
    processes = _cell(values)
    if values["part"] == "sim":
        return processes
    processes += _camera(values)
    keypoint = _policy(values) | _camera_namespace(values)
    processes.append(_node(values, "keypoint", keypoint, "kovis_ros.nodes.start_keypoint", environment=ONE_THREAD))
    processes.append(_servo(values))
    if values["robot"] != "none" and values["backend"] == "rtde":
        processes.append(_arm(values))
    return processes + _extras(values)


def identity(values: Mapping[str, str]) -> tuple[str, str]:
    """Name of the shared state and loopback address of a graph's own arm: several graphs may run on one machine."""
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    number = zlib.crc32(f"{domain}/{values['namespace']}/{os.getuid()}".encode())
    address = values["robot_ip"] or f"127.{1 + number % 250}.{number // 250 % 250}.{1 + number // 62500 % 250}"
    return f"{values['namespace'].strip('/').replace('/', '_')}-{os.getuid()}-{domain}", address


def _node(
    values: Mapping[str, str], name: str, parameters: Mapping[str, Value], module: str = "", profile: str = IMAGES,
    **more: object,
) -> Process:  # fmt: skip
    """A node of ours: common parameter files, log level and DDS profile."""
    files = [str(share("config", "nodes.yaml"))] + ([values["params_file"]] if values["params_file"] else [])
    own = dict(parameters) | ({"use_sim_time": True} if values["use_sim_time"] == "true" else {})
    environment = {"FASTDDS_DEFAULT_PROFILES_FILE": str(share("config", profile))}
    process = Process(
        name, ("python3", "-m", module or f"kovis_ros.nodes.{name}"), "kovis_ros", name,
        "/" + values["namespace"].strip("/"), own, tuple(files), log_level=values["log_level"],
    )  # fmt: skip
    environment.update(more.pop("environment", {}))  # type: ignore[call-overload]
    return replace(process, environment=environment, **more)  # type: ignore[arg-type]


def _policy(values: Mapping[str, str]) -> dict[str, Value]:
    checkpoint = values["checkpoint"]
    found = str(Path(checkpoint).resolve()) if checkpoint else ""
    return {"task": values["task"], "checkpoint": found, "device": values["device"]}


def _cell(values: Mapping[str, str]) -> list[Process]:
    """Controller and scene of the simulated cell, as far as they are asked for."""
    if values["robot"] != "sim":
        return []
    task, (state, address) = load_task(values["task"]), identity(values)
    options = ("--address", address, "--state", state, "--tcp-offset", str(task.tcp_offset_m))
    command = ("python3", "-m", "kovis_sim.ur_controller", *options)
    controller = Process("ur_controller", command, first=True)
    parameters: dict[str, Value] = {"task": values["task"], "seed": int(values["seed"]), "state": state}
    parameters |= _camera_namespace(values)
    return [controller, _node(values, "sim", parameters, "kovis_sim.start_sim", environment=ONE_THREAD)]


def _camera_namespace(values: Mapping[str, str]) -> dict[str, Value]:
    """A second simulated cell has a camera of its own; the first has the names of realsense-ros."""
    namespace = values["namespace"].strip("/")
    if values["robot"] != "sim" or namespace == "kovis":
        return {}
    return {"camera": f"/{namespace}/camera"}


def _recording(values: Mapping[str, str]) -> Process:
    """The sim node that records training roll-outs and ends."""
    out = str(Path(values["out"] or f"data/{load_task(values['task']).name}").resolve())
    parameters: dict[str, Value] = {"task": values["task"], "seed": int(values["seed"])}
    parameters |= {"record.rollouts": int(values["rollouts"]), "record.out": out}
    return _node(values, "sim", parameters, "kovis_sim.start_sim", ready="")


def _camera(values: Mapping[str, str]) -> list[Process]:
    if values["camera"] == "d435":
        return [_node(values, "stereo_camera", {"task": values["task"]})]
    if values["camera"] != "realsense_ros":
        return []
    settings = str(share("config", "realsense.yaml"))
    environment = {"FASTDDS_DEFAULT_PROFILES_FILE": str(share("config", IMAGES))}
    return [
        Process(
            "camera", ("ros2", "run", "realsense2_camera", "realsense2_camera_node"), "realsense2_camera",
            "realsense2_camera_node", "/camera", {}, (settings,), environment=environment, ready="",
        )
    ]  # fmt: skip


def _servo(values: Mapping[str, str]) -> Process:
    """The servo node; the back-ends of others differ in topic and frame only."""
    parameters = _policy(values)
    remaps: tuple[tuple[str, str], ...] = ()
    if values["backend"] == "moveit_servo":
        remaps = (("twist", "/servo_node/delta_twist_cmds"), ("tcp_pose", "/tcp_pose_broadcaster/pose"))
    elif values["backend"] == "ur_twist_controller":
        remaps = (("twist", "/twist_controller/twist"), ("tcp_pose", "/tcp_pose_broadcaster/pose"))
        parameters["command_frame"] = "base"
    if values["robot"] == "none" or values["backend"] != "rtde":
        parameters["require_arm"] = False
    return _node(
        values, "servo", parameters, "kovis_ros.nodes.start_servo", CONTROL, environment=ONE_THREAD, remaps=remaps
    )


def _arm(values: Mapping[str, str]) -> Process:
    address = identity(values)[1] if values["robot"] == "sim" else values["robot_ip"]
    parameters: dict[str, Value] = {"robot_ip": address, "tcp_offset_m": load_task(values["task"]).tcp_offset_m}
    return _node(values, "ur5", parameters, profile=CONTROL, restart=True, required=False)


def _description() -> Process:
    """The stock robot_state_publisher with our URDF, its meshes by absolute path."""
    urdf = share("kovis_sim", "assets", "ur5_2f85.urdf")
    text = urdf.read_text().replace('filename="', f'filename="file://{urdf.parent}/')
    name = "robot_state_publisher"
    parameters = {"robot_description": text}
    return Process(name, ("ros2", "run", name, name), name, name, "/", parameters, required=False, ready="")


def _extras(values: Mapping[str, str]) -> list[Process]:
    """What other packages bring: RViz, the bag recorder, the switch of MoveIt Servo; and our trials."""
    found: list[Process] = []
    namespace = "/" + values["namespace"].strip("/")
    if values["backend"] == "moveit_servo":
        call = ("ros2", "service", "call", "/servo_node/switch_command_type", "moveit_msgs/srv/ServoCommandType")
        found.append(Process("switch_command_type", (*call, "{command_type: 1}"), required=False, ready=""))
    if values["rviz"] == "true":
        dry = values["backend"] == "dry_run"  # nobody tells where the arm is: everything is shown in tool0
        view = share("config", "dry_run.rviz" if dry else "servo.rviz")
        found += [] if dry else [_description()]
        found.append(Process("rviz2", ("rviz2", "-d", str(view)), required=False, ready=""))
    if values["record"] == "true":
        own = ("keypoints", "motion", "twist", "status", "tcp_pose", "arm_status")
        topics = [f"{namespace}/{name}" for name in own]
        camera = _camera_namespace(values).get("camera", "/camera/camera")
        topics += [f"{camera}/infra{i}/{kind}" for i in (1, 2) for kind in ("image_rect_raw", "camera_info")]
        recorder = ("ros2", "bag", "record", "-s", "mcap", "--storage-preset-profile", "zstd_fast", "--topics", *topics)
        found.append(Process("recorder", recorder, required=False, ready=""))
    if values["trials"] != "0":
        which = (values["task"], f"namespace:={values['namespace']}")  # before the options, as the parser wants
        options = ("--attach", "--trials", values["trials"], "--seed", values["seed"])
        command = ("python3", "-m", "kovis_ros.cli.main", "servo", *which, *options)
        found.append(Process("trials", command, ready=""))
    return found
