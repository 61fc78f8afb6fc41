"""Measure one servo, study by study, each to a result file: the work of `kovis measure` and of `kovis grid`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kovis_ros import __version__, cli
from kovis_ros.method import disk
from kovis_ros.method.config import Task, to_dict
from kovis_ros.report.results import Results, Servo, differing, read
from kovis_sim import mesh_check
from kovis_sim.fingerprint import scene_sha256
from kovis_sim.studies import STUDIES, Study
from kovis_sim.studies.rows import Row, StudyError, collect
from kovis_sim.studies.settings import Settings

UNASKED = ("model", "training")  # of a task, by what is measured with given weights


class Places(NamedTuple):
    """Where results and unfinished rows lie."""

    results: Results
    work: Path


class Weights(NamedTuple):
    """The file of a servo's weights, and what is known of it."""

    path: Path
    sha256: str
    about: dict[str, Any]  # K, Adex, axes, recipe


def weights(path: Path, recipe: str) -> Weights:
    """Of a checkpoint; CheckpointError when it cannot be used."""
    from kovis_ros.method import checkpoint

    task = checkpoint.load(path).task
    attacked = task.training.adversarial.probability
    about = {"keypoints": task.model.keypoints, "adex": attacked, "axes": list(task.axes), "recipe": recipe}
    return Weights(path, disk.sha256(path), about)


def measure(
    servo: Servo, task: Task, trained: Weights, names: Sequence[str], settings: Settings, places: Places,
    command: str, workers: int = 0,
) -> None:  # fmt: skip
    """Run the named studies that have no result yet; what a kill interrupted goes on where it stopped.

    ConfigError for meshes that cannot be used; StudyError when one of the results is of other settings, another task,
    other weights, another scene or other code: both before any work.
    """
    mesh_check.check(task)  # before their bytes are hashed
    identities = {name: identify(STUDIES[name], task, trained.sha256, settings) for name in names}
    paths = {name: places.results.path(servo, name) for name in names}
    before = {name for name in names if done(paths[name], identities[name])}
    for name, path in paths.items():
        study, identity = STUDIES[name], identities[name]
        if name in before:
            print(f"{servo.name} {name}: done before")
            continue
        ledger = places.work / servo.name / f"{name}.jsonl"
        rows = progress(servo, name, study, task, trained, settings, ledger, identity, workers)
        figures = study.figures(task, settings, rows)
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {"name": servo.name, "task": task.name, **trained.about}
        head = {"study": name, "servo": about, **origin(command, "fp32"), "identity": identity}
        cli.save_json(path, {**head, "figures": figures})
        ledger.unlink()


def progress(
    servo: Servo, name: str, study: Study, task: Task, trained: Weights, settings: Settings, ledger: Path,
    identity: dict[str, Any], workers: int,
) -> list[Row]:  # fmt: skip
    """The rows of a study, with a bar."""
    from tqdm import tqdm

    count, good = study.count(settings), 0
    with tqdm(total=count, desc=f"{servo.name} {name}", mininterval=1.0) as bar:

        def show(row: Row) -> None:
            nonlocal good
            trial = row.get("trial", {})
            good += bool(trial.get("success"))
            bar.update()
            if trial:
                bar.set_postfix_str(f"{good} succeeded", refresh=False)

        return collect(study.job(task, str(trained.path), settings), count, ledger, identity, workers, show)


def identify(study: Study, task: Task, sha256: str, settings: Settings) -> dict[str, Any]:
    """What a result depends on: settings, the task but for networks and training, weights, scene and code."""
    return {
        "settings": study.frozen(settings),
        "task_sha256": task_sha256(task, UNASKED),
        "weights_sha256": sha256,
        "scene_sha256": scene_sha256(task),
        "code_sha256": study.code_sha256(),
    }


def task_sha256(task: Task, left_out: Sequence[str]) -> str:
    """Of a task's settings without those named."""
    plain = {name: value for name, value in to_dict(task).items() if name not in left_out}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def origin(command: str, precision: str) -> dict[str, Any]:
    """How a result came about; the machine is told, but another one's result is the same result."""
    from kovis_ros.method import processor

    machine = processor.described(os.cpu_count() or 1)
    return {"command": command, "version": __version__, "processor": machine, "precision": precision}


def done(path: Path, identity: dict[str, Any]) -> bool:
    """Is the result there; StudyError when it is another one's."""
    found = read(path)
    if found is not None and (other := differing(found.get("identity"), identity, whole=True)):
        raise StudyError(f"{path} is of another {', '.join(other)}: delete it, or give another --results")
    return found is not None
