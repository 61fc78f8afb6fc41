"""What the machine must have, said before anything is installed."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PYTHONS = ((3, 11), (3, 10), (3, 12))  # in order of preference; ur-rtde has no wheel for 3.13
APT = ["apt-get", "-o", "DPkg::Lock::Timeout=300"]  # another one may be at work, such as unattended upgrades


class MachineError(RuntimeError):
    """The machine cannot run KOVIS as it is; the message says what to do."""


def ros_distro(environment: dict[str, str]) -> str:
    """Name of the sourced ROS 2, or "" when none is sourced; MachineError when it is too old."""
    distro = environment.get("ROS_DISTRO", "")
    if distro and (environment.get("ROS_VERSION", "2") != "2" or distro[0] < "j"):
        raise MachineError(
            f"ROS {distro} is sourced, KOVIS needs ROS 2 Jazzy or newer: source that one, "
            "or open a shell without ROS to use the wheels"
        )
    return distro


def check_platform() -> None:
    """MachineError unless this is x86-64 Linux, which the ROS 2, PyBullet and RealSense wheels are for."""
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ("Linux", "x86_64"):
        raise MachineError(
            f"this is {system} on {machine}: KOVIS needs Linux x86-64 (Debian 12, Ubuntu 22.04 or 24.04)"
        )


def better_python() -> str | None:
    """Path of a supported Python when this one is not; None when this one is; MachineError when there is none."""
    if sys.version_info[:2] in PYTHONS:
        return None
    for major, minor in PYTHONS:
        path = shutil.which(f"python{major}.{minor}")
        if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            return path
    raise MachineError(
        f"Python {platform.python_version()} lacks wheels of what KOVIS needs: install 3.11 (3.10 and 3.12 work too) "
        "and run `make PYTHON=/path/to/python3.11 setup`"
    )


def missing_packages() -> dict[str, str]:
    """Debian package -> what it is for, of those this machine lacks."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    compiler = shutil.which("c++") and shutil.which("cc") and shutil.which("make")
    needs = {
        "g++ make": ("the compiler of the messages", compiler),
        "cmake": ("the build of the messages", shutil.which("cmake")),
        f"python{version}-venv": ("virtual environments", importlib.util.find_spec("ensurepip")),
        f"python{version}-dev": ("the Python headers", header.is_file()),
        "libusb-1.0-0": ("the RealSense camera", ctypes.util.find_library("usb-1.0")),
    }
    return {name: purpose for name, (purpose, found) in needs.items() if not found}


def install_packages(missing: dict[str, str]) -> None:
    """Install Debian packages when root, else name them; MachineError when one that is needed stays missing."""
    names = " ".join(missing)
    for name, purpose in missing.items():
        print(f"    missing: {name} ({purpose})", flush=True)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        if set(missing) == {"libusb-1.0-0"}:
            print("    going on without it: only the real camera needs it", flush=True)
            return
        raise MachineError(f"system packages are missing: install them with `sudo apt-get install -y {names}`")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *names.split()]):
        code = subprocess.call([*APT, *command], env=environment, stdin=subprocess.DEVNULL)
        if code and command[0] == "install":
            raise MachineError(f"`apt-get install {names}` returned {code}: install them by hand and try again")


def has_gpu() -> bool:
    """Does the NVIDIA driver answer."""
    tool = shutil.which("nvidia-smi")
    return bool(tool) and subprocess.run([tool, "-L"], capture_output=True).returncode == 0
