"""The whole graph, end to end: ``kovis servo`` with real nodes, the simulated controller and the real UR client."""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from wire import WIRE, Probe

pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")
pytest.importorskip("rtde_control", reason="needs ur_rtde: run make setup")
pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from kovis_ros import bringup  # noqa: E402
from kovis_ros.bringup.graph import identity  # noqa: E402
from kovis_ros.cli.main import main  # noqa: E402
from kovis_ros.method import checkpoint  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_ros.method.networks import Network  # noqa: E402
from kovis_sim.breaker import ZERO_S  # noqa: E402
from kovis_sim.ur_controller.side_channel import SideChannel, SideChannelError  # noqa: E402

pytestmark = pytest.mark.ros
ROOT = Path(__file__).resolve().parents[1]
MOVING_MPS = 0.012  # the servo's top speed is 0.020
KEYS = {
    "task", "trials", "success_rate", "aligned_rate", "false_converged_rate", "wilson95", "position_error_m",
    "rotation_error_rad",
}  # fmt: skip


def kovis(*words, program=("-m", "kovis_ros.cli.main"), timeout=180):
    return subprocess.run([sys.executable, *program, *words], capture_output=True, text=True, timeout=timeout)


def children_of(state):
    """Command lines of running processes that name a graph's shared state."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(entry.read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in found if state in line and "pytest" not in line]


def watched(probe, *words, program, timeout=180):
    """`kovis` run to its end while a probe looks at its graph."""
    command, deadline = [sys.executable, *program, *words], time.monotonic() + timeout
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while running.poll() is None:
            probe.look()
            if time.monotonic() > deadline:
                running.terminate()
        out, err = running.communicate()
    return subprocess.CompletedProcess(command, running.returncode, out, err)


def check_wire(probe):
    """Names, types, frames and rates are those of the contract."""
    for name, wanted in WIRE.items():
        found = probe.wire(name)
        if name == "servo":  # the one that knows the truth listens to it
            found.subscribes.pop("/kovis/sim/motion", None)
        assert found == wanted, name
        times = np.array(probe.reports[f"kovis/{name}"])
        assert 0.8 < np.median(np.diff(times)) < 1.3, f"{name} reports at {times - times[0]}"
    assert probe.frames == {"/kovis/tcp_pose": {"base"}, "/kovis/twist": {"tool0"}}
    assert probe.listeners_to_the_truth == {"trials"} and probe.reliabilities == {"BEST_EFFORT"}


def test_two_trials_end_to_end(tmp_path, ros_domain):
    """Aligned and lifted on the wire of the contract, told in lines, JSON and pictures, and nothing left running."""
    program, words = ("-m", "kovis_ros.cli.main"), []
    if not checkpoint.shipped("pick_mug"):
        task, weights = load_task("pick_mug"), tmp_path / "random.safetensors"
        checkpoint.save(weights, task, Network(task))
        program = (str(Path(__file__).with_name("oracle_graph.py")), str(weights))
    words = [
        "servo",
        "pick_mug",
        "--trials",
        "2",
        "--out",
        str(tmp_path / "out"),
        "--json",
        str(tmp_path / "r.json"),
    ]
    probe = Probe(ros_domain)
    try:
        answer = watched(probe, *words, program=program)
    finally:
        probe.close()
    logs = "\n".join(f"{log}\n{log.read_text()}" for log in (tmp_path / "out").glob("logs/*"))
    assert answer.returncode == 0, answer.stdout + answer.stderr + logs
    result = json.loads((tmp_path / "r.json").read_text())
    assert set(result) >= KEYS and result["trials"] == 2 and result["command"].startswith("kovis servo pick_mug")
    if program[0] == "-m":
        weights = checkpoint.find("pick_mug").read_bytes()
        assert result["weights_sha256"] == hashlib.sha256(weights).hexdigest()
        assert {"task_sha256", "scene_sha256", "code_sha256"} <= result.keys()
    assert result["success_rate"] == 1.0, answer.stdout + logs
    assert result["position_error_m"]["median"] < 0.004
    assert answer.stdout.count("success") >= 2 and "95 % interval" in answer.stdout
    for name in ("overlay.png", "trajectories.png", "servo.gif"):
        assert (tmp_path / "out" / name).stat().st_size > 10_000
    assert children_of(f"kovis-{os.getuid()}-{ros_domain}") == []
    check_wire(probe)


@pytest.mark.slow
def test_ctrl_c_on_the_command_stops_a_moving_arm(tmp_path, ros_domain):
    """Zero at the controller before the command takes the controller away, too."""
    words = ["servo", "pick_mug", "--trials", "3", "--out", str(tmp_path)]
    if not checkpoint.shipped("pick_mug"):
        pytest.skip("pick_mug has no weights")
    channel = SideChannel(identity(bringup.settle({"task": "pick_mug"}))[1])
    command = [sys.executable, "-m", "kovis_ros.cli.main", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 60.0
        while not speed(channel) >= MOVING_MPS:
            assert running.poll() is None and time.monotonic() < deadline, running.communicate()
            time.sleep(0.02)
        moment, seen = time.monotonic(), []
        running.send_signal(signal.SIGINT)
        while running.poll() is None:
            seen.append((time.monotonic() - moment, speed(channel)))
            time.sleep(0.005)
        told = running.stderr.read()
    moving = [at for at, mps in seen if mps > 1e-6]
    rested = [at for at, mps in seen if mps <= 1e-6]
    assert running.returncode == 130 and "Traceback" not in told, told
    assert rested and max(moving, default=0.0) <= ZERO_S, seen
    assert children_of(f"kovis-{os.getuid()}-{ros_domain}") == []


def speed(channel):
    """Of the tool, m/s; NaN without a controller."""
    try:
        return channel.speed()
    except SideChannelError:
        return math.nan


def test_the_readme_lists_the_wire():
    rows = {}
    for line in (ROOT / "README.md").read_text().splitlines():
        if line.startswith("| `"):
            rows[line.split("`")[1]] = line
    for node, wire in WIRE.items():
        for name in [*wire.publishes, *wire.subscribes, *wire.services, *wire.actions]:
            assert name.startswith("/camera/") or f"`{name}`" in rows[node], f"{name} of {node}"


def test_a_process_that_dies_at_start_is_one_clear_end(tmp_path, ros_domain):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"no weights")
    answer = kovis("servo", "pick_mug", f"checkpoint:={damaged}", "--out", str(tmp_path))
    assert answer.returncode == 1 and "damaged.safetensors is damaged" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert children_of(f"kovis-{os.getuid()}-{ros_domain}") == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["make_tea"], "task 'make_tea' is unknown: choose from"),
        (["pick_mug", "robot:=ur5"], "robot:=ur5 needs robot_ip:="),
        (["pick_mug", "part:=camera"], "leave it out, or use ros2 launch kovis_ros camera.launch.py"),
        (["pick_mug", "--trials", "2", "tsak:=x"], "launch argument 'tsak' is unknown"),
        (["pick_mug", "five"], "argument 'five' is unknown: give NAME:=VALUE"),
        (["pick_mug", "tsak:=x"], "launch argument 'tsak' is unknown"),
        (["pick_mug", "--trials", "-2"], "give 0 or more"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(words, text, capsys):
    assert main(["servo", *words]) == 2
    told = capsys.readouterr().err
    assert text in told and len(told.strip().splitlines()) == 1
