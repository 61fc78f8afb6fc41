"""What runs without settings depend on: trials of the graph, `kovis bench` and `kovis rates`.

The graph's trials are those of Table III but for the nodes, so its code is that of the study ``success``; the others
are of the code that they time.
"""

from __future__ import annotations

from pathlib import Path

from kovis_ros import measuring
from kovis_ros.method.config import Task
from kovis_sim import fingerprint
from kovis_sim.studies import STUDIES

NAMES = ("graph", "bench", "rates")
HERE = Path(__file__).resolve().parent
RECORDING = ("speed", "stand_in")  # of the cell, beside the scene's
TRAINING = ("adversarial", "dataset", "losses", "packing", "speed", "train", "training_run")
FOLDERS = {"bench": ("method/networks",), "rates": ("nodes", "drivers")}


def identity(name: str, task: Task) -> dict[str, str]:
    """SHA-256 of a task, its scene and the code behind ``name``: graph, bench or rates."""
    left_out = () if name == "bench" else measuring.UNASKED
    code = STUDIES["success"].code_sha256() if name == "graph" else fingerprint.code_sha256(files(name))
    return {
        "task_sha256": measuring.task_sha256(task, left_out),
        "scene_sha256": fingerprint.scene_sha256(task),
        "code_sha256": code,
    }


def files(name: str) -> list[Path]:
    """Files of the code that ``bench`` or ``rates`` times."""
    modules = fingerprint.named(RECORDING, TRAINING) if name == "bench" else []
    return modules + [path for folder in FOLDERS[name] for path in sorted((HERE / folder).glob("*.py"))]
