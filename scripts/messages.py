"""Build kovis_msgs with the real rosidl generators and install it into the virtual environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

TYPESUPPORTS = ("fastrtps", "introspection")
BUILD_FARM_PYTHON = re.compile(r"/opt/python/[^;\"]*?/include/python3\.\d+t?")
BUILD_FARM_NUMPY = re.compile(r"/opt/python/[^;\"]*?/numpy/_?core/include")


class BuildError(RuntimeError):
    """The messages did not build."""


def build(venv: Path, source: Path, wheels: bool) -> None:
    """Build the interface package `source` against ROS 2 and install it into the prefix `venv`.

    With `wheels` the ROS 2 inside `venv` is used, after mending what the wheels leave out; otherwise the ROS 2 that
    the environment variables name. The same prefix needs no overlay on LD_LIBRARY_PATH.
    Raises BuildError with the end of the build log.
    """
    paths = interpreter_paths(venv)
    if wheels:
        mend_wheels(venv, paths["include"], paths["numpy"])
    with tempfile.TemporaryDirectory(prefix="kovis_msgs_") as scratch:
        log = Path(scratch, "build.log")
        for command in commands(venv, source, Path(scratch, "build"), paths["purelib"]):
            with log.open("a") as sink:
                code = subprocess.call(command, env=environment(venv, wheels), stdout=sink, stderr=subprocess.STDOUT)
            if code:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
                raise BuildError(f"{tail}\nkovis_msgs did not build: `{' '.join(command)}` returned {code}")
    if not wheels:
        write_overlay(Path(paths["purelib"]))


def commands(venv: Path, source: Path, scratch: Path, purelib: str) -> list[list[str]]:
    """CMake's three steps: configure, build, install."""
    python = str(venv / "bin" / "python")
    configure = [
        "cmake", "-S", str(source), "-B", str(scratch),
        f"-DCMAKE_INSTALL_PREFIX={venv}", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF",
        f"-DPython3_EXECUTABLE={python}", f"-DPYTHON_EXECUTABLE={python}",
        f"-DPYTHON_INSTALL_DIR={os.path.relpath(purelib, venv)}",
    ]  # fmt: skip
    parallel = ["--parallel", str(os.cpu_count() or 1)]
    return [configure, ["cmake", "--build", str(scratch), *parallel], ["cmake", "--install", str(scratch)]]


def environment(venv: Path, wheels: bool) -> dict[str, str]:
    """Environment of the build; with wheels, the venv is the one ROS prefix."""
    env = dict(os.environ)
    env["PATH"] = f"{venv / 'bin'}{os.pathsep}{env['PATH']}"
    if wheels:
        for name in [*(n for n in env if n.startswith(("ROS_", "COLCON_"))), "PYTHONPATH", "LD_LIBRARY_PATH"]:
            env.pop(name, None)
        env["AMENT_PREFIX_PATH"] = env["CMAKE_PREFIX_PATH"] = str(venv)
    return env


def interpreter_paths(venv: Path) -> dict[str, str]:
    """Folders of the venv's Python: its C headers, its packages, and numpy's C headers."""
    code = (
        "import json, sysconfig, numpy; p = sysconfig.get_paths(); "
        "print(json.dumps({'include': p['include'], 'purelib': p['purelib'], 'numpy': numpy.get_include()}))"
    )
    return json.loads(subprocess.check_output([str(venv / "bin" / "python"), "-c", code], text=True))


def mend_wheels(venv: Path, include: str, numpy_include: str) -> None:
    """Add to the ROS 2 wheels in `venv` what a build needs; doing it twice changes nothing.

    The wheels of some releases carry no resource index of the type supports, and their CMake exports name the Python
    of the machine they were built on.
    """
    index = venv / "share" / "ament_index" / "resource_index"
    for language in ("c", "cpp"):
        for kind in TYPESUPPORTS:
            marker = index / f"rosidl_typesupport_{language}" / f"rosidl_typesupport_{kind}_{language}"
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()
    for export in sorted((venv / "share").glob("*/cmake/export_*__rosidl_generator_pyExport.cmake")):
        text = export.read_text()
        mended = BUILD_FARM_NUMPY.sub(numpy_include, BUILD_FARM_PYTHON.sub(include, text))
        if mended != text:
            replace(export, mended)


def write_overlay(purelib: Path) -> None:
    """Let every start of this venv's Python find the messages beside a sourced ROS (see overlay.py)."""
    shutil.copy(Path(__file__).with_name("overlay.py"), purelib / "kovis_overlay.py")
    replace(purelib / "kovis_overlay.pth", "import kovis_overlay\n")


def replace(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new one, never half."""
    scratch = path.with_name(path.name + ".part")
    scratch.write_text(text)
    os.replace(scratch, path)
