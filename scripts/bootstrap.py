"""`make setup`: from a bare machine to a virtual environment in which KOVIS runs. Needs nothing but Python.

Each step leaves a hash of what it was made from, so a second run does only what has changed, and an interrupted one
goes on where it stopped.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import machine
import messages
import packages

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PROBE = "import torch, pybullet, rclpy, cv_bridge, rosbags, kovis_msgs.msg, kovis_msgs.action, kovis_msgs.srv"
VENDORS = {"ur-rtde": "rtde_control, rtde_receive", "pyrealsense2": "pyrealsense2"}  # package: what it brings
CAMERA_NEEDS = "libusb-1.0-0"  # where it cannot be installed the set-up goes on without the camera


class Step(NamedTuple):
    """A part of the set-up and the hash of all that it depends on."""

    name: str
    key: str
    run: Callable[[], None]


def main() -> int:
    """Do what is missing; returns the exit code."""
    began = time.monotonic()
    try:
        machine.check_platform()
        if python := machine.better_python():
            print(f"==> using {python}: Python {sys.version.split()[0]} lacks wheels", flush=True)
            os.execv(python, [python, *sys.argv])
        distro = machine.ros_distro(dict(os.environ))
        with (ROOT / ".venv.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = set_up(distro)
    except (machine.MachineError, packages.PackageError, messages.BuildError) as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("set-up: interrupted, `make setup` goes on from here", file=sys.stderr)
        return 130
    source = f"ROS 2 {distro} as sourced" if distro else "ROS 2 from wheels"
    state = f"done in {time.monotonic() - began:.0f} s" if done else "up to date"
    print(f"set-up: {state} (Python {sys.version.split()[0]}, {source}, .venv)", flush=True)
    return 0


def set_up(distro: str) -> bool:
    """Run the steps whose hash has changed; returns whether there were any."""
    record = VENV / "kovis_setup.json"
    done = json.loads(record.read_text()) if record.is_file() and (VENV / "bin" / "python").exists() else {}
    pending = [step for step in steps(distro) if done.get(step.name) != step.key]
    if not pending:
        return False
    if missing := machine.missing_packages():
        print("==> system packages", flush=True)
        machine.install_packages(missing)
    for step in pending:
        print(f"==> {step.name}", flush=True)
        if done.pop(step.name, None):
            messages.replace(record, json.dumps(done))
        step.run()
        done[step.name] = step.key
        messages.replace(record, json.dumps(done))
    return True


def steps(distro: str) -> list[Step]:
    """All steps in order; each depends on the ones before it."""
    gpu = machine.has_gpu()
    pins = ROOT / "requirements.txt"
    python = digest([Path(__file__).with_name("packages.py"), pins], [sys.version, VENV, distro, gpu])
    interfaces = [path for path in sorted((ROOT / "kovis_msgs").rglob("*")) if path.is_file()]
    scripts = [Path(__file__).with_name(name) for name in ("messages.py", "overlay.py")]
    built = digest([*interfaces, *scripts], [python])
    project = digest([ROOT / "setup.py", ROOT / "setup.cfg", ROOT / "pyproject.toml"], [built])
    return [
        Step("Python packages, some minutes the first time", python, lambda: install_packages(pins, distro, gpu)),
        Step("messages, half a minute", built, lambda: messages.build(VENV, ROOT / "kovis_msgs", wheels=not distro)),
        Step("kovis_ros", project, install_project),
    ]


def install_packages(pins: Path, distro: str, gpu: bool) -> None:
    """The virtual environment with the pinned packages."""
    packages.make_venv(VENV, system_packages=bool(distro))
    packages.install(VENV, pins, ros=bool(distro), gpu=gpu)


def install_project() -> None:
    """kovis_ros itself, editable, and a look whether all of it can be imported."""
    packages.pip(VENV, ["--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    code = ", ".join([PROBE, *vendors()])
    answer = subprocess.run([str(VENV / "bin" / "python"), "-c", code], capture_output=True, text=True)
    if answer.returncode:
        raise packages.PackageError(f"{answer.stderr.strip()}\n.venv does not work: run `make clean` and try again")


def vendors() -> list[str]:
    """Modules of the vendors' libraries that must load: of those that are there.

    One that does not load would be noticed by nobody: tests that need it are skipped.
    """
    there = {package: modules for package, modules in VENDORS.items() if packages.version_of(VENV, package)}
    if CAMERA_NEEDS in machine.missing_packages():
        there.pop("pyrealsense2", None)
    return list(there.values())


def digest(files: Iterable[Path], values: Iterable[object]) -> str:
    """Hash of the files' names and contents and of some values."""
    total = hashlib.sha256()
    for path in files:
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    total.update("\0".join(map(str, values)).encode())
    return total.hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
