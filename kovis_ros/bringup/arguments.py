"""Launch arguments: names, defaults, choices, and what may go together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from kovis_ros.method import config_file
from kovis_ros.method.config import ConfigError, load_task


class Argument(NamedTuple):
    """One ``name:=value`` of the command line."""

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()


BOOLEAN = ("true", "false")
ARGUMENTS = (
    Argument("task", "pick_mug", "name of a shipped task or path of a .yaml"),
    Argument("robot", "sim", "sim: the simulated cell's controller; ur5: a real arm; none", ("sim", "ur5", "none")),
    Argument("robot_ip", "", "address of the arm's controller; a real arm needs it"),
    Argument("camera", "sim", "where images come from", ("sim", "d435", "realsense_ros", "none")),
    Argument(
        "backend",
        "rtde",
        "who takes the twists; dry_run only shows them",
        ("rtde", "moveit_servo", "ur_twist_controller", "dry_run"),
    ),
    Argument(
        "part",
        "all",
        "the whole graph, or only its cell, its camera, or a recording",
        ("all", "sim", "camera", "record"),
    ),
    Argument("namespace", "kovis", "namespace of all nodes; a second robot takes another"),
    Argument("checkpoint", "", "path of a checkpoint; empty: the task's shipped weights"),
    Argument("device", "cpu", "where the network runs: cpu, cuda, cuda:1 ..."),
    Argument("rviz", "false", "start RViz with config/servo.rviz", BOOLEAN),
    Argument("record", "false", "record the topics of the run with ros2 bag", BOOLEAN),
    Argument("trials", "0", "simulated trials to run at once; 0: wait for goals"),
    Argument("seed", "0", "seed of the first simulated trial"),
    Argument("rollouts", "7000", "training roll-outs that part:=record records"),
    Argument("out", "", "folder of the bag that part:=record writes; empty: data/TASK"),
    Argument("params_file", "", "YAML of node parameters, over config/nodes.yaml"),
    Argument("log_level", "info", "of all nodes", ("debug", "info", "warn", "error", "fatal")),
    Argument("use_sim_time", "false", "take the time from /clock", BOOLEAN),
)


def settle(given: Mapping[str, str]) -> dict[str, str]:
    """Every argument's value; ConfigError for an unknown name or value, or for what cannot go together."""
    known = {argument.name: argument for argument in ARGUMENTS}
    for name in given:
        if name not in known:
            raise ConfigError(f"launch argument {name!r} is unknown: known are {', '.join(known)}")
    values = {name: str(given.get(name, argument.default)) for name, argument in known.items()}
    for name, argument in known.items():
        if argument.choices and values[name] not in argument.choices:
            raise ConfigError(f"{name}:={values[name]} is unknown: choose from {', '.join(argument.choices)}")
    _check_numbers(values)
    _check_pairs(values, given)
    load_task(values["task"])
    for name in ("params_file", "checkpoint"):
        if values[name] and not Path(values[name]).is_file():
            raise ConfigError(f"{name}:={values[name]} is no file: check the path")
    _check_parameters(values["params_file"])
    return values


def refuse_misspelt(names: Iterable[str]) -> None:
    """ConfigError for a name that is nearly one of ours: launch files share theirs with whoever includes them."""
    known = [argument.name for argument in ARGUMENTS]
    for name in names:
        near = difflib.get_close_matches(name, known, 1, cutoff=0.75)
        if name not in known and near:
            raise ConfigError(
                f"launch argument {name!r} is unknown: {near[0]} is meant? (known are {', '.join(known)})"
            )


def _check_numbers(values: Mapping[str, str]) -> None:
    for name in ("trials", "seed", "rollouts"):
        if not values[name].isdigit():
            raise ConfigError(f"{name}:={values[name]} is no whole number: give 0 or more")
    if not values["namespace"].strip("/").replace("/", "_").isidentifier():
        raise ConfigError(f"namespace:={values['namespace']} is no ROS name: use letters, digits and _")


def _check_parameters(file: str) -> None:
    """The middleware's own words on a malformed file are many and do not name it."""
    if not file:
        return
    remedy = "write `/**/keypoint: {ros__parameters: {overlay_rate: 5.0}}`, as in config/nodes.yaml"
    nodes = config_file.read(Path(file), "params_file", remedy)
    if not isinstance(nodes, dict) or not all(isinstance(node, dict) for node in nodes.values()):
        raise ConfigError(f"params_file {file} is no YAML of node parameters: {remedy}")


def _check_pairs(values: Mapping[str, str], given: Mapping[str, str]) -> None:
    """A real arm is asked for by name and address, and never by leaving something out."""
    robot, camera = values["robot"], values["camera"]
    if values["part"] == "camera":
        return
    if robot == "ur5" and values["backend"] == "rtde" and not values["robot_ip"]:
        raise ConfigError("robot:=ur5 needs robot_ip:=...: give the address of the arm's controller")
    if robot == "ur5" and camera == "sim":
        said = "camera:=sim" if "camera" in given else "camera:=sim (the default)"
        raise ConfigError(f"robot:=ur5 with {said}: an arm must not follow simulated images, give camera:=d435")
    if robot != "sim" and values["trials"] != "0":
        raise ConfigError(f"trials:={values['trials']} with robot:={robot}: trials run in simulation only")
    if values["backend"] == "dry_run" and values["trials"] != "0":
        raise ConfigError(f"trials:={values['trials']} with backend:=dry_run: the arm of a dry run does not move")
    if robot == "sim" and camera != "sim":
        raise ConfigError(f"camera:={camera} with robot:=sim: give camera:=sim, or robot:=none for the camera alone")
    if robot == "sim" and values["backend"] not in ("rtde", "dry_run"):
        raise ConfigError(f"backend:={values['backend']} with robot:=sim: the simulated arm speaks rtde")
