"""The virtual environment and the pinned Python packages in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path

CPU_TORCH = "https://download.pytorch.org/whl/cpu"
FROM_ROS = ("numpy", "setuptools")  # beside a sourced ROS its own builds stay: its C++ parts are linked to them


class PackageError(RuntimeError):
    """A package could not be installed."""


def make_venv(venv: Path, system_packages: bool) -> None:
    """Make the virtual environment, anew when its making was cut short, or its Python or place are others."""
    python, made = venv / "bin" / "python", venv / "kovis_made"
    code = "import sys; print(sys.prefix, *sys.version_info[:2])"
    wanted = f"{venv} {sys.version_info[0]} {sys.version_info[1]}"
    if python.exists() and made.exists():
        answer = subprocess.run([str(python), "-c", code], capture_output=True, text=True).stdout.strip()
        inherits = "include-system-site-packages = true" in (venv / "pyvenv.cfg").read_text()
        if answer == wanted and inherits == system_packages:
            return
    options = ["--clear", *(["--system-site-packages"] if system_packages else [])]
    if subprocess.call([sys.executable, "-m", "venv", *options, str(venv)]):
        raise PackageError(f"{venv} could not be made: see above, often python3-venv is missing")
    made.touch()


def sections(pins: Path) -> dict[str, list[str]]:
    """The pin file's lines by the name in its `# [name]` headings."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in pins.read_text().splitlines():
        if heading := re.match(r"# \[(\w+)\]", line):
            current = found.setdefault(heading[1], [])
        elif line and not line.startswith("#"):
            current.append(line)
    return found


def install(venv: Path, pins: Path, ros: bool, gpu: bool) -> None:
    """Install the pinned packages; with a sourced `ros` without the wheels of ROS 2 and what it brings itself."""
    discard_halves(venv)
    parts = sections(pins)
    if ros:
        parts["build"] = [f"{name}=={version}" for name in FROM_ROS if (version := version_of(venv, name))]
    pip(venv, parts["build"])
    install_torch(venv, parts["torch"], parts["build"], gpu)
    # PyBullet is compiled where it has no wheel, and then finds numpy only without isolation: without numpy its camera
    # images come as tuples, a hundred times slower.
    bullet = [pin for pin in parts["python"] if pin.startswith("pybullet")]
    pip(venv, ["--no-build-isolation", *bullet, *parts["build"]])
    pip(venv, [*parts["python"], *([] if ros else parts["ros"]), *parts["torch"], *parts["build"]])


def install_torch(venv: Path, pins: list[str], build: list[str], gpu: bool) -> None:
    """torch for the GPU where there is one; else the CPU build from wherever it is to be had."""
    there = version_of(venv, "torch")
    print(f"    {pins[0]} for the {'GPU' if gpu else 'CPU'}", flush=True)
    if gpu:
        return pip(venv, [*(["--force-reinstall"] if there.endswith("+cpu") else []), *pins, *build])
    if there.partition("+")[0] == pins[0].partition("==")[2]:
        return None
    cpu = [f"{pins[0]}+cpu", *build]
    if pip_succeeds(venv, cpu) or pip_succeeds(venv, ["--retries", "1", "--extra-index-url", CPU_TORCH, *cpu]):
        return None
    print("    no CPU build of torch in reach: the general one follows, some gigabytes", flush=True)
    return pip(venv, [*pins, *build])


def pip(venv: Path, arguments: list[str]) -> None:
    """`pip install`, telling what is fetched and built; PackageError when it fails."""
    command = pip_command(venv, arguments)
    tail: deque[str] = deque(maxlen=12)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            tail.append(line.rstrip())
            if shown := progress(line.strip()):
                print(f"    {shown}", flush=True)
    if process.returncode:
        last = "\n".join(tail)
        raise PackageError(f"{last}\npip failed: check the network and the disk, then run `make setup` again")


def progress(line: str) -> str:
    """What of pip's output a person waiting wants to see: big downloads, compilations, the number of packages."""
    if line.startswith("Installing collected packages:"):
        return f"installing {line.count(',') + 1} packages"
    big = line.startswith("Downloading") and re.search(r"\((\d\d[\d.]* MB|[\d.]+ GB)\)", line)
    return line[:110] if big or (line.startswith("Building wheel") and line.endswith("started")) else ""


def pip_succeeds(venv: Path, arguments: list[str]) -> bool:
    """Try `pip install` quietly."""
    command = pip_command(venv, arguments)
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def pip_command(venv: Path, arguments: list[str]) -> list[str]:
    """The venv's pip, without questions."""
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    return [str(venv / "bin" / "python"), "-m", "pip", "install", *options, *arguments]


def version_of(venv: Path, package: str) -> str:
    """Version of an installed package, "" when it is not there."""
    code = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    answer = subprocess.run([str(venv / "bin" / "python"), "-c", code, package], capture_output=True, text=True)
    return answer.stdout.strip()


def discard_halves(venv: Path) -> None:
    """Forget packages whose installation was cut short, so that pip installs them again.

    pip writes INSTALLER and then RECORD last; a package without them, or whose files are not all there, is a half.
    """
    for record in venv.glob("lib/python3*/site-packages/*.dist-info"):
        lines = (record / "RECORD").read_text().splitlines() if (record / "RECORD").is_file() else []
        files = [line.rsplit(",", 2)[0].strip('"') for line in lines if ".pyc," not in line]
        whole = files and (record / "INSTALLER").is_file() and all((record.parent / file).exists() for file in files)
        if not whole and record.name.partition("-")[0] != "pip":
            print(f"    {record.name.removesuffix('.dist-info')} was cut short: once more", flush=True)
            shutil.rmtree(record)
