"""The process graph of a task as data: its processes, parameters, arguments, and what RViz shows of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from wire import CAMERA, WIRE

from kovis_ros import bringup
from kovis_ros.bringup import graph
from kovis_ros.method.config import ConfigError

ROOT = Path(__file__).resolve().parents[1]
REAL_ARM = {"robot": "ur5", "robot_ip": "192.168.0.9", "camera": "d435"}


def by_name(processes):
    return {process.name: process for process in processes}


def test_default_graph_is_the_simulation():
    found = by_name(graph({}))
    assert list(found) == ["ur_controller", "sim", "keypoint", "servo", "ur5"]
    options = found["ur_controller"].command
    address, state = (options[options.index(name) + 1] for name in ("--address", "--state"))
    assert found["ur5"].parameters["robot_ip"] == address and address.startswith("127.")
    assert found["sim"].parameters["state"] == state
    assert [name for name, process in found.items() if process.restart] == ["ur5"]
    profile = found["keypoint"].environment["FASTDDS_DEFAULT_PROFILES_FILE"]
    assert Path(profile).name == "fastdds.xml" and Path(profile).is_file()
    for name in ("servo", "ur5"):  # a killed node's shared memory must not keep these two from each other
        profile = found[name].environment["FASTDDS_DEFAULT_PROFILES_FILE"]
        assert Path(profile).name == "fastdds_control.xml" and Path(profile).is_file()


def test_real_arm_has_nothing_simulated():
    found = by_name(graph(REAL_ARM))
    assert list(found) == ["stereo_camera", "keypoint", "servo", "ur5"]
    assert found["ur5"].parameters["robot_ip"] == "192.168.0.9"


def test_the_stock_camera_node_gets_our_settings_and_has_our_topics():
    camera = by_name(graph({"part": "camera", "robot": "none", "camera": "realsense_ros"}))["camera"]
    assert (camera.package, camera.executable) == ("realsense2_camera", "realsense2_camera_node")
    assert f"{camera.namespace}/{camera.name}" == "/camera/camera"  # its topics are private: infra1/image_rect_raw ...
    (file,) = camera.parameter_files
    settings = yaml.safe_load(Path(file).read_text())["/**"]["ros__parameters"]
    assert settings["enable_infra1"] and settings["enable_infra2"] and settings["enable_sync"]
    assert settings["depth_module.emitter_enabled"] == 0 and settings["depth_module.infra_profile"] == "848,480,30"
    assert not settings["enable_depth"] and not settings["enable_color"]


def test_a_dry_run_has_no_arm_and_shows_the_twist_in_the_tool():
    found = by_name(graph({"robot": "ur5", "camera": "d435", "backend": "dry_run", "rviz": "true"}))
    assert list(found) == ["stereo_camera", "keypoint", "servo", "rviz2"]
    assert found["servo"].parameters["require_arm"] is False and found["servo"].remaps == ()
    view = Path(found["rviz2"].command[-1])
    assert view.name == "dry_run.rviz" and "Value: /kovis/twist" in view.read_text()
    assert "Fixed Frame: tool0" in view.read_text()


def test_recording_writes_where_git_does_not_look():
    (process,) = graph({"part": "record"})
    assert process.parameters["record.out"] == str(Path("data/pick_mug").resolve())
    assert process.parameters["record.rollouts"] == 7000


def test_a_second_cell_has_its_own_camera():
    found = by_name(graph({"namespace": "left"}))
    assert found["sim"].parameters["camera"] == found["keypoint"].parameters["camera"] == "/left/camera"
    assert "camera" not in by_name(graph({}))["keypoint"].parameters


def test_the_cameras_of_a_cell_are_recorded():
    """Under the names that its keypoint node listens to: a second cell has others."""
    for given in ({}, {"namespace": "left"}):
        found = by_name(graph({"record": "true", **given}))
        images = [word for word in found["recorder"].command if "/infra" in word]
        camera = found["keypoint"].parameters.get("camera", "/camera/camera")
        kinds = ("image_rect_raw", "camera_info")
        assert images == [f"{camera}/infra{i}/{kind}" for i in (1, 2) for kind in kinds]


def test_graphs_do_not_meet(monkeypatch):
    def places(**given):
        process = by_name(graph(given))["ur_controller"]
        return tuple(process.command[-6:])

    monkeypatch.setenv("ROS_DOMAIN_ID", "3")
    first, second = places(), places(namespace="other")
    monkeypatch.setenv("ROS_DOMAIN_ID", "4")
    assert len({first[i] + second[i] + places()[i] for i in (1, 3)}) == 2
    assert first[1] != second[1] != places()[1] and first[3] != second[3] != places()[3]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("/**/servo: {}\n/**/servo: {}\n", "stands in line 1 and again in line 2"),
        ("keypoint: 3\n", "is no YAML of node parameters: write"),
    ],
)
def test_parameters_that_the_middleware_would_take_otherwise_are_refused(tmp_path, written, said):
    (tmp_path / "cell.yaml").write_text(written)
    with pytest.raises(ConfigError, match=said):
        graph({"params_file": str(tmp_path / "cell.yaml")})


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"tsak": "pick_mug"}, "launch argument 'tsak' is unknown: known are task, robot"),
        ({"task": "make_tea"}, "task 'make_tea' is unknown: choose from"),
        ({"robot": "ur10"}, "robot:=ur10 is unknown: choose from sim, ur5, none"),
        ({"robot": "ur5"}, "robot:=ur5 needs robot_ip:="),
        ({"robot": "ur5", "robot_ip": "1.2.3.4"}, "must not follow simulated images"),
        ({"camera": "d435"}, "camera:=d435 with robot:=sim"),
        ({"seed": "-1"}, "seed:=-1 is no whole number"),
        ({**REAL_ARM, "trials": "3"}, "trials run in simulation only"),
        ({"backend": "dry_run", "trials": "3"}, "the arm of a dry run does not move"),
        ({"params_file": "/nowhere.yaml"}, "params_file:=/nowhere.yaml is no file: check the path"),
        ({"params_file": str(ROOT / "README.md")}, "params_file .*README.md is no YAML (.*: write `/.*/keypoint"),
        ({"checkpoint": "/nowhere.safetensors"}, "checkpoint:=/nowhere.safetensors is no file"),
        ({"part": "record", "rollouts": "many"}, "rollouts:=many is no whole number"),
        ({"namespace": "1 2"}, "is no ROS name"),
    ],
)
def test_bad_arguments_are_refused(given, text):
    with pytest.raises(ConfigError, match=text.replace("(", r"\(")):
        graph(given)


CONTRACT = {  # what scripts and other launch files may rely on
    "task": "", "robot": "sim ur5 none", "robot_ip": "", "camera": "sim d435 realsense_ros none",
    "backend": "rtde moveit_servo ur_twist_controller dry_run", "namespace": "", "device": "", "rviz": "true false",
    "record": "true false", "trials": "", "seed": "", "params_file": "", "log_level": "debug info warn error fatal",
    "use_sim_time": "true false",
}  # fmt: skip


def test_arguments_are_those_of_the_contract():
    found = {argument.name: argument for argument in bringup.ARGUMENTS}
    assert {name: " ".join(found[name].choices) for name in CONTRACT} == CONTRACT
    assert set(found) - set(CONTRACT) == {"part", "checkpoint", "rollouts", "out"}
    assert (found["robot"].default, found["camera"].default, found["backend"].default) == ("sim", "sim", "rtde")


def test_every_argument_is_described():
    assert all(a.description and (not a.choices or a.default in a.choices) for a in bringup.ARGUMENTS)
    with pytest.raises(ConfigError, match="task is meant"):
        bringup.refuse_misspelt(["taks", "something_of_the_including_file"])


def topics_of(display):
    """Topics that an RViz display subscribes to."""
    found = [display[key]["Value"] for key in ("Topic", "Description Topic") if key in display]
    return [topic for topic in found if topic]


def test_rviz_shows_topics_of_the_wire():
    """Each picture and pose exists under that name, with a quality of service that its publisher can meet."""
    layout = yaml.safe_load((ROOT / "config" / "servo.rviz").read_text())["Visualization Manager"]
    shown = {topic: display for display in layout["Displays"] for topic in topics_of(display)}
    published = {name for node in WIRE.values() for name in node.publishes}
    assert "/kovis/overlay" in shown and set(shown) <= published | {"/robot_description"}
    for topic in set(shown) & set(CAMERA):
        assert shown[topic]["Topic"]["Reliability Policy"] == "Best Effort"
    assert layout["Global Options"]["Fixed Frame"] == "base"
