"""The process graph as data; launch file and ``kovis servo`` start the same; the supervisor leaves nothing behind."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
import yaml
from wire import CAMERA, WIRE

from kovis_ros import bringup
from kovis_ros.bringup import Process, graph
from kovis_ros.bringup.supervisor import GraphError, Supervisor, command_line, says
from kovis_ros.method.config import ConfigError

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
        ({"params_file": str(ROOT / "README.md")}, "README.md is no YAML of node parameters"),
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


# The launch file and `kovis servo`. What launch_ros does with an action is in launch_ros; that we hand it the same
# as we execute ourselves is checked here, with recorders in its place, and below with the real one where it is.


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


# the supervisor


def python(name, code, **more):
    return Process(name, ("python3", "-u", "-c", code), **more)


SLEEPER = "import time; print('ready: now'); time.sleep(60)"


def test_supervisor_waits_until_all_are_ready_and_stops_them(tmp_path):
    with Supervisor([python("a", SLEEPER), python("b", SLEEPER)], tmp_path) as supervisor:
        supervisor.wait_ready(20.0)
        running = [child.popen for child in supervisor.children]
    assert all(popen.poll() is not None for popen in running)


def test_what_the_others_need_is_ready_before_they_start(tmp_path):
    marker = tmp_path / "listening"
    need = f"import time; time.sleep(0.5); open({str(marker)!r}, 'w'); print('ready: now'); time.sleep(60)"
    look = f"import os, time; print('ready: now' if os.path.exists({str(marker)!r}) else 'too early'); time.sleep(60)"
    with Supervisor([python("controller", need, first=True), python("arm", look)], tmp_path) as supervisor:
        supervisor.wait_ready(20.0)
    assert [process.name for process in graph({}) if process.first] == ["ur_controller"]


def test_a_process_that_says_not_ready_is_waited_for(tmp_path):
    code = "import time; print('the arm is not ready: protective stop'); time.sleep(0.5); print('[arm]: ready: UR5')"
    with Supervisor([python("arm", f"{code}; time.sleep(60)")], tmp_path) as supervisor:
        supervisor.wait_ready(20.0)
        assert "ready: UR5" in supervisor.children[0].tail()
    told = ["ready: UR5", "[INFO] [1.2] [kovis.ur5]: ready: UR5 5.11", "not ready: off\nready: UR5"]
    assert all(says("ready:", log) for log in told)
    assert not any(says("ready:", log) for log in ("", "is not ready: off", "nearly ready", "the images are ready"))


def test_a_process_that_dies_at_start_is_told_with_its_log(tmp_path):
    code = "print('the lens cap is on'); raise SystemExit(2)"
    with pytest.raises(GraphError, match=r"(?s)camera ended with code 2; its log .*the lens cap is on"):
        with Supervisor([python("slow", SLEEPER), python("camera", code)], tmp_path) as supervisor:
            supervisor.wait_ready(20.0)


def test_an_error_that_a_node_tells_is_all_that_is_shown(tmp_path):
    code = "print('warming up'); print('error: checkpoint x is damaged: train it again'); raise SystemExit(2)"
    with pytest.raises(
        GraphError, match=r"camera ended with code 2; its log .*: error: checkpoint x is damaged"
    ) as told:
        with Supervisor([python("camera", code)], tmp_path) as supervisor:
            supervisor.wait_ready(20.0)
    assert "warming up" not in str(told.value) and len(str(told.value).splitlines()) == 1


def test_what_may_be_restarted_is(tmp_path):
    marker = tmp_path / "once"
    code = f"import os, time\np = {str(marker)!r}\nfirst = not os.path.exists(p)\nopen(p, 'a')\n"
    code += "print('ready: now', flush=True)\ntime.sleep(0.3 if first else 60)"
    with Supervisor([python("arm", code, restart=True, required=False)], tmp_path) as supervisor:
        supervisor.wait_ready(20.0)
        deadline = time.monotonic() + 10.0
        while not (supervisor.children[0].restarts == 1 and supervisor.children[0].ready):
            supervisor.check()
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_killed_supervisor_leaves_no_children(tmp_path):
    code = f"""
import time
from pathlib import Path
from kovis_ros.bringup import Process
from kovis_ros.bringup.supervisor import Supervisor
process = Process("child", ("python3", "-u", "-c", {SLEEPER!r}))
with Supervisor([process], Path({str(tmp_path)!r})) as supervisor:
    supervisor.wait_ready(20.0)
    print(supervisor.children[0].popen.pid, flush=True)
    time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 5.0
    while running(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running(pid):
    """Is a process alive (a zombie is not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
