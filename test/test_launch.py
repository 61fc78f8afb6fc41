"""Launch files and ``kovis servo`` start the same processes with the same parameters.

What launch_ros does with an action is in launch_ros; that we hand it the same as we execute ourselves is checked here,
with recorders in its place, and with the real one where it is installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml

from kovis_ros import bringup
from kovis_ros.bringup import graph
from kovis_ros.bringup.supervisor import command_line

ROOT = Path(__file__).resolve().parents[1]
REAL_ARM = {"robot": "ur5", "robot_ip": "192.168.0.9", "camera": "d435"}
CASES = [
    {},
    {"task": "pick_mug", "seed": "7", "namespace": "left_arm", "checkpoint": __file__, "log_level": "debug"},
    {"params_file": str(ROOT / "config" / "nodes.yaml"), "use_sim_time": "true"},
    REAL_ARM,
    {**REAL_ARM, "backend": "moveit_servo", "rviz": "true"},
    {"robot": "none", "camera": "realsense_ros", "record": "true"},
    {"trials": "2"},
    {"part": "sim"},
    {"part": "record", "rollouts": "3", "out": "/tmp/bag"},
]


def parsed(words):
    """What a command line asks for, order aside: program, arguments, parameters, files, remaps, level."""
    plain = words[: words.index("--ros-args")] if "--ros-args" in words else words
    found = {"program": plain, "parameters": {}, "files": [], "remaps": set(), "level": None}
    pairs = [word for word in words[len(plain) :] if word != "--ros-args"]
    for option, value in zip(pairs[::2], pairs[1::2], strict=True):
        name, _, text = value.partition(":=")
        if option == "-p":
            found["parameters"][name] = yaml.safe_load(text)
        elif option == "--params-file":
            found["files"].append(value)
        elif option == "-r":
            found["remaps"].add((name, text))
        else:
            found["level"] = value
    return found


class Recorder:
    """Stands for a class of launch: keeps what it was made with."""

    def __init__(self, *positional, **named):
        self.positional, self.named = positional, named


@pytest.fixture
def launch_file(monkeypatch):
    """The launch file loaded over recorders: (module, Node, ExecuteProcess)."""
    node, execute = type("Node", (Recorder,), {}), type("ExecuteProcess", (Recorder,), {})
    names = {
        "launch": {"LaunchDescription": Recorder},
        "launch.actions": {
            "DeclareLaunchArgument": Recorder, "OpaqueFunction": Recorder, "Shutdown": Recorder,
            "ExecuteProcess": execute,
        },
        "launch.substitutions": {"LaunchConfiguration": Configuration},
        "launch_ros": {},
        "launch_ros.actions": {"Node": node},
    }  # fmt: skip
    for name, members in names.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("servo_launch", ROOT / "launch" / "servo.launch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, node, execute


class Configuration:
    """Stands for launch.substitutions.LaunchConfiguration."""

    def __init__(self, name):
        self.name = name

    def perform(self, context):
        return context.launch_configurations[self.name]


@pytest.mark.parametrize("given", CASES, ids=lambda given: " ".join(f"{k}:={v}" for k, v in given.items()) or "default")
def test_launch_file_and_command_start_the_same(launch_file, given):
    module, node, execute = launch_file
    context = types.SimpleNamespace(launch_configurations=bringup.settle(given))
    actions, processes = module.start(context), graph(given)
    assert len(actions) == len(processes)
    for action, process in zip(actions, processes, strict=True):
        named = action.named
        assert named["additional_env"] == dict(process.environment) and named["respawn"] == process.restart
        assert ("on_exit" in named) == process.required
        mine = parsed(command_line(process))
        if isinstance(action, execute):
            assert named["cmd"] == mine["program"] and not process.executable
            continue
        assert isinstance(action, node)
        assert (named["package"], named["executable"]) == (process.package, process.executable)
        assert {("__node", named["name"]), ("__ns", named["namespace"]), *named["remappings"]} == mine["remaps"]
        *files, parameters = named["parameters"]
        assert files == mine["files"] and parameters == mine["parameters"]
        assert named["ros_arguments"] == ["--log-level", mine["level"]]


def test_executables_are_the_modules_that_we_run():
    """The entry points of setup.py name the modules that `kovis servo` starts."""
    text = (ROOT / "setup.py").read_text()
    for given in CASES:
        for process in graph(given):
            if process.package == "kovis_ros":
                assert f'"{process.executable} = {process.command[-1]}:main"' in text


def test_launch_arguments_are_those_of_bringup(launch_file):
    declared = launch_file[0].generate_launch_description().positional[0][:-1]
    assert [action.positional[0] for action in declared] == [argument.name for argument in bringup.ARGUMENTS]
    assert all(action.named["description"] for action in declared)


DUMP = """#!{python}
import json, os, sys
path = os.path.join({folder!r}, os.path.basename(sys.argv[0]) + ".json")
with open(path + ".part", "w") as file:
    files = [open(f).read() for o, f in zip(sys.argv, sys.argv[1:]) if o == "--params-file"]
    json.dump(dict(argv=sys.argv[1:], files=files, profile=os.environ["FASTDDS_DEFAULT_PROFILES_FILE"]), file)
os.rename(path + ".part", path)
import time; time.sleep(20)
"""
RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription, OpaqueFunction, Shutdown, TimerAction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from pathlib import Path
def look(context, left=60):
    if not left or all(Path(name).exists() for name in sys.argv[2].split(",")):
        return [Shutdown()]
    return [TimerAction(period=0.25, actions=[OpaqueFunction(function=look, args=[left - 1])])]
source = PythonLaunchDescriptionSource(sys.argv[1])
service = LaunchService()
service.include_launch_description(LaunchDescription([
    IncludeLaunchDescription(source, launch_arguments=[a.split(":=", 1) for a in sys.argv[3:]]),
    OpaqueFunction(function=look),
]))
sys.exit(service.run())
"""


@pytest.fixture
def stand_ins(tmp_path, monkeypatch, ros_domain):
    """Executables of kovis_ros that write down how they were called; returns the folder that they write to."""
    reason = "launch and launch_ros are not installed: they come with a ROS 2 installation, not from PyPI"
    pytest.importorskip("launch_ros.actions", reason=reason)
    prefix, called = tmp_path / "prefix", tmp_path / "called"
    for folder in (prefix / "share/ament_index/resource_index/packages", prefix / "lib/kovis_ros", called):
        folder.mkdir(parents=True)
    (prefix / "share/ament_index/resource_index/packages/kovis_ros").touch()
    for name in ("sim", "keypoint", "servo", "ur5", "stereo_camera"):
        script = prefix / "lib/kovis_ros" / name
        script.write_text(DUMP.format(python=sys.executable, folder=str(called)))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{prefix}:{os.environ.get('AMENT_PREFIX_PATH', '')}")
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))
    return called


@pytest.mark.parametrize(
    ("file", "words", "given"),
    [
        ("servo", {"seed": "7"}, {}),
        ("sim", {"seed": "7", "namespace": "left"}, {"part": "sim"}),
        ("camera", {}, {"part": "camera", "robot": "none", "camera": "d435"}),
        ("record", {"rollouts": "3", "out": "/tmp/bag"}, {"part": "record"}),
    ],
)
def test_real_launch_starts_what_bringup_says(stand_ins, tmp_path, file, words, given):
    """Under the real launch, with executables that write down how they were called."""
    nodes = [process for process in graph({**words, **given}) if process.executable]
    calls = {process.name: stand_ins / f"{process.executable}.json" for process in nodes}
    command = [
        sys.executable,
        "-c",
        RUN,
        str(ROOT / "launch" / f"{file}.launch.py"),
        ",".join(map(str, calls.values())),
    ]
    command += [f"{name}:={value}" for name, value in words.items()]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert {path.stem for path in stand_ins.iterdir()} == set(calls), answer.stdout + answer.stderr
    for process in nodes:
        found = json.loads(calls[process.name].read_text())
        seen: dict[str, object] = {}
        for text in found["files"]:
            for section in yaml.safe_load(text).values():
                seen |= section.get("ros__parameters", {})
        assert {name: seen.get(name) for name in process.parameters} == dict(process.parameters)
        assert set(process.parameter_files) <= set(found["argv"])
        assert f"__ns:={process.namespace}" in found["argv"] and f"__node:={process.name}" in found["argv"]
        assert found["profile"] == process.environment["FASTDDS_DEFAULT_PROFILES_FILE"]


def test_real_launch_fails_with_its_process(stand_ins, tmp_path):
    """A node that ends with an error is the end of all, and not a good one."""
    for name, code in (("servo", "raise SystemExit(2)"), ("sim", "import time; time.sleep(20)")):
        script = tmp_path / "prefix/lib/kovis_ros" / name
        script.write_text(f"#!{sys.executable}\n{code}\n")
    command = [sys.executable, "-c", RUN, str(ROOT / "launch" / "servo.launch.py"), "none"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (
        answer.returncode == 1 and "servo ended with code 2: its lines above say why" in answer.stdout + answer.stderr
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("task:=make_tea", "task 'make_tea' is unknown: choose from"),
        ("taks:=pick_mug", "launch argument 'taks' is unknown: task is meant?"),
        ("robot:=ur10", "'sim', 'ur5', 'none'"),
    ],
)
def test_real_launch_refuses_bad_arguments(stand_ins, tmp_path, words, text):
    command = [sys.executable, "-c", RUN, str(ROOT / "launch" / "servo.launch.py"), "none", words]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 1 and text in answer.stdout + answer.stderr and not list(stand_ins.iterdir())
