"""Set-up: refusals in one line, pins, and repairs of an interrupted installation."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import bootstrap  # noqa: E402
import machine  # noqa: E402
import messages  # noqa: E402
import packages  # noqa: E402

PINS = packages.sections(ROOT / "requirements.txt")


def bare_environment(**changes: str) -> dict[str, str]:
    """The environment of a fresh shell: nothing of this virtual environment or of ROS."""
    keep = ("PATH", "HOME", "LANG", "TMPDIR", "PYENV_ROOT")
    return {name: os.environ[name] for name in keep if name in os.environ} | changes


@pytest.mark.parametrize("distro", ["jazzy", "kilted", "lyrical", "rolling"])
def test_new_ros_is_taken(distro: str) -> None:
    assert machine.ros_distro({"ROS_DISTRO": distro, "ROS_VERSION": "2"}) == distro


@pytest.mark.parametrize(("distro", "version"), [("humble", "2"), ("iron", "2"), ("foxy", "2"), ("noetic", "1")])
def test_old_ros_is_refused(distro: str, version: str) -> None:
    with pytest.raises(machine.MachineError, match=f"ROS {distro} is sourced, KOVIS needs ROS 2 Jazzy or newer"):
        machine.ros_distro({"ROS_DISTRO": distro, "ROS_VERSION": version})


def test_no_ros_means_wheels() -> None:
    assert machine.ros_distro({}) == ""


def test_humble_stops_make_with_one_line() -> None:
    environment = bare_environment(ROS_DISTRO="humble", ROS_VERSION="2")
    answer = subprocess.run(
        [sys.executable, ROOT / "scripts" / "bootstrap.py"], env=environment, capture_output=True, text=True
    )
    assert answer.returncode == 1 and answer.stdout == ""
    assert re.fullmatch(r"set-up: ROS humble is sourced.*\n", answer.stderr)


@pytest.mark.parametrize(("system", "chip"), [("Linux", "aarch64"), ("Darwin", "x86_64"), ("Windows", "AMD64")])
def test_other_machines_are_refused(monkeypatch: pytest.MonkeyPatch, system: str, chip: str) -> None:
    monkeypatch.setattr(machine.platform, "system", lambda: system)
    monkeypatch.setattr(machine.platform, "machine", lambda: chip)
    with pytest.raises(machine.MachineError, match=f"this is {system} on {chip}: KOVIS needs Linux x86-64"):
        machine.check_platform()


def test_unsupported_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """3.9: one that works is looked for on the path, a shim that does not start is passed over."""
    assert machine.better_python() is None
    monkeypatch.setattr(machine.sys, "version_info", (3, 9, 1))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(machine.MachineError, match="lacks wheels of what KOVIS needs: install 3.11"):
        machine.better_python()
    for name, code in [("python3.11", 127), ("python3.10", 0)]:
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    assert machine.better_python() == str(tmp_path / "python3.10")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Without root nothing is installed: the line to type is printed."""
    monkeypatch.setattr(machine.shutil, "which", lambda name: None if name in ("cmake", "c++") else f"/usr/bin/{name}")
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)
    missing = machine.missing_packages()
    assert {"cmake", "g++ make"} <= set(missing)
    with pytest.raises(machine.MachineError, match=r"sudo apt-get install -y .*cmake"):
        machine.install_packages(missing)
    assert "missing: cmake (the build of the messages)" in capfd.readouterr().out


@pytest.mark.parametrize("code", [0, 100])
def test_root_installs_what_is_missing(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without questions; lists that cannot be fetched are no end, packages that cannot be are."""
    calls: list[list[str]] = []

    def call(command: list[str], env: dict[str, str], stdin: int) -> int:
        assert env["DEBIAN_FRONTEND"] == "noninteractive" and stdin == subprocess.DEVNULL
        calls.append(command)
        return code

    monkeypatch.setattr(machine.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(machine.os, "geteuid", lambda: 0)
    monkeypatch.setattr(machine.subprocess, "call", call)
    missing = {"g++ make": "the compiler of the messages", "cmake": "the build of the messages"}
    with pytest.raises(machine.MachineError, match="returned 100: install them by hand") if code else nullcontext():
        machine.install_packages(missing)
    install = [*machine.APT, "install", "-y", "-q", "--no-install-recommends", "g++", "make", "cmake"]
    assert calls == [[*machine.APT, "update", "-q"], install]


def test_a_missing_camera_library_does_not_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)
    machine.install_packages({"libusb-1.0-0": "the RealSense camera"})


def test_every_pin_is_exact() -> None:
    assert set(PINS) == {"build", "torch", "python", "ros"}
    for pins in PINS.values():
        for pin in pins:
            assert re.fullmatch(r'[\w.-]+==[\w.]+(; python_version (>=|<) "3\.\d+")?', pin), pin


def test_extras_and_pins_agree() -> None:
    """What pip's extras pin is what `make setup` installs."""
    pinned = {pin.partition(";")[0].lower() for pins in PINS.values() for pin in pins}
    exact = re.findall(r'"([\w-]+==[\w.]+)"', (ROOT / "setup.py").read_text())
    assert len(exact) >= 4
    assert set(exact) <= pinned


def test_wheels_are_mended_once(tmp_path: Path) -> None:
    export = tmp_path / "share" / "std_msgs" / "cmake" / "export_std_msgs__rosidl_generator_pyExport.cmake"
    export.parent.mkdir(parents=True)
    farm = "/opt/python/cp311-cp311"
    export.write_text(f'X "{farm}/include/python3.11;{farm}/lib/python3.11/site-packages/numpy/_core/include"\n')
    for _ in range(2):
        messages.mend_wheels(tmp_path, "/usr/include/python3.11", "/venv/numpy/_core/include")
        assert export.read_text() == 'X "/usr/include/python3.11;/venv/numpy/_core/include"\n'
    index = tmp_path / "share" / "ament_index" / "resource_index"
    assert (index / "rosidl_typesupport_c" / "rosidl_typesupport_fastrtps_c").is_file()
    assert len([p for p in index.rglob("*") if p.is_file()]) == 4


def distribution(site: Path, name: str, installer: bool = True) -> Path:
    """A package as pip leaves it."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"{name}.py").write_text("")
    (info / "RECORD").write_text(f"{name}.py,sha256=x,0\n{name}.cpython-311.pyc,,\n{name}-1.0.dist-info/RECORD,,\n")
    if installer:
        (info / "INSTALLER").write_text("pip\n")
    return info


def test_packages_cut_short_are_installed_again(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    whole, no_installer = distribution(site, "whole"), distribution(site, "early", installer=False)
    file_gone, no_record = distribution(site, "gone"), distribution(site, "bare")
    (site / "gone.py").unlink()
    (no_record / "RECORD").unlink()
    packages.discard_halves(tmp_path)
    assert [p.exists() for p in (whole, no_installer, file_gone, no_record)] == [True, False, False, False]


@pytest.mark.parametrize(
    ("gpu", "there", "reachable", "asked"),
    [
        (False, "", True, [["torch==2.13.0+cpu"]]),
        (False, "", False, [["torch==2.13.0+cpu"], [packages.CPU_TORCH, "torch==2.13.0+cpu"], ["torch==2.13.0"]]),
        (False, "2.13.0+cpu", True, []),
        (True, "", True, [["torch==2.13.0"]]),
        (True, "2.13.0+cpu", True, [["--force-reinstall", "torch==2.13.0"]]),
    ],
)
def test_which_torch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gpu: bool, there: str, reachable: bool, asked: list[list[str]]
) -> None:
    """CPU build first, wherever it is to be had; the default build with a GPU, or when there is no other."""
    calls: list[list[str]] = []
    monkeypatch.setattr(packages, "version_of", lambda venv, package: there)
    monkeypatch.setattr(packages, "pip", lambda venv, arguments: calls.append(arguments))
    monkeypatch.setattr(packages, "pip_succeeds", lambda venv, arguments: calls.append(arguments) or reachable)
    packages.install_torch(tmp_path, ["torch==2.13.0"], ["numpy==2.2.6"], gpu)
    assert len(calls) == len(asked)
    for arguments, words in zip(calls, asked, strict=True):
        assert set(words) <= set(arguments) and "numpy==2.2.6" in arguments
        assert ("torch==2.13.0+cpu" in arguments) == ("torch==2.13.0+cpu" in words)


def test_half_an_environment_is_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Killed while pip was being unpacked: Python starts, pip does not, and only the missing mark tells."""
    made: list[list[str]] = []
    monkeypatch.setattr(packages.subprocess, "call", lambda command: made.append(command) or 0)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    packages.make_venv(tmp_path, system_packages=False)
    assert made[0][1:] == ["-m", "venv", "--clear", str(tmp_path)]
    assert (tmp_path / "kovis_made").exists()


def test_steps_follow_what_they_are_made_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A changed message rebuilds the messages, not the Python packages; another ROS changes everything."""
    before = [step.key for step in bootstrap.steps("")]
    assert before == [step.key for step in bootstrap.steps("")]
    assert not set(before) & {step.key for step in bootstrap.steps("jazzy")}
    for name in ("requirements.txt", "setup.py", "setup.cfg", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    text = tmp_path / "kovis_msgs" / "msg" / "Keypoint.msg"
    text.parent.mkdir(parents=True)
    text.write_text("uint16 id\n")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    old = [step.key for step in bootstrap.steps("")]
    text.write_text("uint32 id\n")
    new = [step.key for step in bootstrap.steps("")]
    assert [a == b for a, b in zip(old, new, strict=True)] == [True, False, False]


def test_the_vendors_libraries_are_probed_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"ur-rtde": "1.6.5", "pyrealsense2": "2.59"}
    missing: dict[str, str] = {}
    monkeypatch.setattr(bootstrap.packages, "version_of", lambda venv, package: there.get(package, ""))
    monkeypatch.setattr(bootstrap.machine, "missing_packages", lambda: missing)
    assert bootstrap.vendors() == ["rtde_control, rtde_receive", "pyrealsense2"]
    missing["libusb-1.0-0"] = "the RealSense camera"
    assert bootstrap.vendors() == ["rtde_control, rtde_receive"]
    there.clear()
    assert bootstrap.vendors() == []


@pytest.mark.parametrize(("package", "modules"), bootstrap.VENDORS.items())
def test_a_vendors_library_that_is_installed_loads(package: str, modules: str) -> None:
    """Else the tests that need it are skipped and nobody notices."""
    if not packages.version_of(Path(sys.prefix), package):
        pytest.skip(f"{package} is not installed: run make setup")
    if package == "pyrealsense2" and bootstrap.CAMERA_NEEDS in machine.missing_packages():
        pytest.skip(f"{bootstrap.CAMERA_NEEDS} is not installed: see make setup")
    answer = subprocess.run([sys.executable, "-c", f"import {modules}"], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_second_run_is_quick() -> None:
    """Below two seconds of processor time; there is nothing to do."""
    record = ROOT / ".venv" / "kovis_setup.json"
    done = json.loads(record.read_text()) if record.is_file() else {}
    if "ROS_DISTRO" in os.environ or done != {step.name: step.key for step in bootstrap.steps("")}:
        pytest.skip("this environment was not made by `make setup` from these sources")
    command = [os.path.realpath(sys.executable), "-B", ROOT / "scripts" / "bootstrap.py"]
    used = os.times()
    answer = subprocess.run(command, env=bare_environment(), capture_output=True, text=True)
    spent = os.times()
    assert answer.returncode == 0 and "set-up: up to date" in answer.stdout, answer.stdout + answer.stderr
    assert spent.children_user + spent.children_system - used.children_user - used.children_system < 2.0
