"""Copied into the virtual environment beside a sourced ROS 2: puts the venv on the paths before anything is loaded.

The dynamic loader reads LD_LIBRARY_PATH only when a process starts, so the interpreter is replaced once by itself.
"""

import os
import sys

PLACES = {"LD_LIBRARY_PATH": os.path.join(sys.prefix, "lib"), "AMENT_PREFIX_PATH": sys.prefix}
missing = {
    name: os.pathsep.join(filter(None, [place, os.environ.get(name, "")]))
    for name, place in PLACES.items()
    if place not in os.environ.get(name, "").split(os.pathsep)
}
if missing:
    os.execve(sys.executable, sys.orig_argv, {**os.environ, **missing})
