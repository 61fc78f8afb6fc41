"""Results for tests of the report: files of one servo with and one without Adex, and of the shipped one."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from kovis_ros.method.plain_arrays import packed
from kovis_ros.report import keypoints as keypoint_table
from kovis_ros.report.plan import Plan
from kovis_ros.report.results import Results, Servo, shipped

PLAN = Plan(keypoints=(5, 10, 16), tables=10, mugs=60, unseen_mugs=15)
WEIGHTS = b"what a servo has learned"
CURVES = {
    "mount_m": [[0.0, 0.008], [0.0, 0.03]], "mount_deg": [[0.0, 4.0], [0.0, 15.0]],
    "start_m": [[0.03, 0.05], [0.01, 0.1]], "held_m": [[0.0, 0.001], [0.0, 0.006]],
}  # fmt: skip


def results(folder: Path) -> Results:
    """Results below a folder, beside the shipped weights."""
    return Results(folder / "results", folder / "weights")


def store(folder: Path, servo: Servo, study: str, figures: dict[str, Any], weights: bytes = WEIGHTS) -> None:
    """A result file of a servo with K = 16 and half of its batches adversarial, and the servo's weights."""
    path = results(folder).path(servo, study)
    path.parent.mkdir(parents=True, exist_ok=True)
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    (folder / "weights").mkdir(exist_ok=True)
    (folder / "weights" / f"{servo.task}.safetensors").write_bytes(WEIGHTS)
    if servo.keypoints:
        training = {"command": "kovis grid --threads 2", "weights_sha256": sha256, "figures": {"recipe": "short"}}
        path.with_name("training.json").write_text(json.dumps(training))
    identity = {"weights_sha256": hashlib.sha256(weights).hexdigest()}
    about = {"keypoints": servo.keypoints or 16, "adex": 0.5, "axes": ["x", "y", "z", "rz"]}
    head = {"command": f"kovis measure {servo.task}", "servo": about, "identity": identity}
    path.write_text(json.dumps({**head, "figures": figures}))


def full(folder: Path) -> None:
    """Results of one servo with and one without Adex, and of the shipped one."""
    changes = {name: {"location": 0.004, "confidence": 0.0124, "dead": 1} for name in keypoint_table.KINDS}
    figures = {"images": 400, "left_out": 0, "keypoints": 10, "changes": changes}
    store(folder, Servo("pick_mug", 10, True), "keypoints", figures)
    step = {"position_m": 0.010, "rotation_deg": 5.0, "direction": 0.031, "speed": 0.215, "speed_floor": 0.190}
    figures = {"images": 990, "left_out": 2, "axes": ["x", "y", "z", "rz"], "magnitudes": [step]}
    store(folder, Servo("pick_mug", 10, False), "anchoring", figures)
    trials = {
        "trials": 100, "success_rate": 0.97, "aligned_rate": 0.95, "aligned_and_succeeded_rate": 0.94,
        "false_converged_rate": 0.01, "within": [[0.001, 0.4], [0.002, 0.9]],
        "position_error_m": {"median": 0.0012, "p90": 0.0021},
        "rotation_error_rad": {"median": math.radians(0.5), "p90": math.radians(0.9)},
        "tilt_rad": {"median": math.radians(0.3)}, "time_s": {"median": 4.31, "p90": 6.0}, "no_start": 0,
    }  # fmt: skip
    store(folder, Servo("pick_mug", 10, True), "success", trials)
    store(folder, shipped("pick_mug"), "success", trials | {"trials": 400})
    traced = trials | {"trials": 50, "success_rate": 0.9, "no_start": 1}
    store(folder, shipped("pick_mug"), "path", traced)
    bins = [
        {"low": -0.025, "high": 0.025, "trials": 8, "successes": 6, "no_start": 1},
        {"low": 0.025, "high": 0.075, "trials": 0, "successes": 0, "no_start": 0},
    ]
    store(folder, shipped("pick_mug"), "curves", {"curves": {"latency_s": bins}})
    errors = [[0.02, 0.0, 0.01, 0.1], [0.0, 0.0, 0.0, 0.0]]
    ways = [{"converged": i < 3, "time_s": 4.0 + i, "errors": errors} for i in range(4)]
    figures = {"axes": ["x", "y", "z", "rz"], "trajectories": ways, "left_out": 1}
    store(folder, shipped("pick_mug"), "trajectories", figures)
    rng = np.random.default_rng(0)
    view = {
        "image": packed(rng.integers(0, 255, (128, 128), np.uint8)), "maps": packed(rng.random((32, 32), np.float32)),
        "depth": packed(np.full((64, 64), 1500, np.uint16)), "segmentation": packed(np.eye(64, dtype=np.uint8)),
        "keypoints": [[0.0, 0.0, 0.9], [0.5, -0.5, 0.02]],
    }  # fmt: skip
    store(folder, shipped("pick_mug"), "views", {"views": [view, view, view]})
