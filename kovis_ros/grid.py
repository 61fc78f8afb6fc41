"""The grid of Table III: record, train and measure one servo for each task, number of keypoints and use of Adex.

Every step leaves a file that appears when it is whole: shards of the bag, the state of a training run, rows of a study,
a result. A grid that was killed finds them and goes on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from kovis_ros import cli
from kovis_ros.measuring import Places, measure, origin
from kovis_ros.measuring import weights as look_at
from kovis_ros.method.config import Task, load_task, to_dict
from kovis_ros.report.results import Servo, read
from kovis_sim.fingerprint import scene_sha256
from kovis_sim.studies.rows import StudyError
from kovis_sim.studies.settings import GridConfig, Settings


class Cell(NamedTuple):
    """One servo of the grid."""

    servo: Servo
    task: Task  # with the cell's networks and recipe
    studies: tuple[str, ...]


def cells(settings: Settings) -> list[Cell]:
    """All cells, task by task, so that a bag is used up before the next one is recorded."""
    config = settings.grid
    pairs = [(name, keypoints) for name in config.tasks for keypoints in config.keypoints]
    pairs += [(other.task, other.keypoints) for other in config.others]
    return [cell(load_task(name), keypoints, adex, config) for name, keypoints in pairs for adex in (False, True)]


def cell(task: Task, keypoints: int, adex: bool, config: GridConfig) -> Cell:
    """One cell: the task's networks with another number of keypoints, the short recipe."""
    attack = dataclasses.replace(task.training.adversarial, probability=config.adex if adex else 0.0)
    training = dataclasses.replace(task.training, epochs=config.epochs, score_trials=0, adversarial=attack)
    model = dataclasses.replace(task.model, keypoints=keypoints)
    tables = ("keypoints", "anchoring") if keypoints == config.tables else ()
    variant = dataclasses.replace(task, model=model, training=training)
    return Cell(Servo(task.name, keypoints, adex), variant, ("success", *tables))


def recipe(task: Task, config: GridConfig) -> str:
    """The short recipe in words; ``task``: of a cell."""
    training = task.training
    last = ", then the servo alone" if training.finish_samples else ""
    batches = f"in batches of {training.batch}{last}; chosen by the validation split"
    return f"{config.samples} samples x {training.epochs} epochs {batches}"


class Grid:
    """Runs cells in order; ``workers`` and ``threads`` of 0 are one a core."""

    def __init__(
        self, settings: Settings, places: Places, workers: int = 0, threads: int = 0, command: str = "kovis grid"
    ) -> None:
        self.settings, self.places, self.workers, self.command = settings, places, workers, command
        self.threads = threads or os.cpu_count() or 1

    def state(self, cell: Cell) -> str:
        """What of a cell is there."""
        if self.training(cell) is None:
            return "not trained"
        missing = [name for name in cell.studies if not self.places.results.path(cell.servo, name).exists()]
        return f"trained, without {', '.join(missing)}" if missing else "done"

    def run(self, cell: Cell) -> None:
        """Whatever of a cell is missing."""
        path = self.weights(cell)
        if self.training(cell) is None or not path.is_file():
            if self.state(cell) == "done":  # its weights need not be kept
                return
            self.train(cell)
        trained = look_at(path, recipe(cell.task, self.settings.grid))
        measure(cell.servo, cell.task, trained, cell.studies, self.settings, self.places, self.command, self.workers)

    def weights(self, cell: Cell) -> Path:
        """File of a cell's weights."""
        return self.places.results.folder / cell.servo.name / "servo.safetensors"

    def identity(self, cell: Cell) -> dict[str, Any]:
        """What a cell's weights depend on."""
        config, scene = self.settings.grid, scene_sha256(cell.task)
        return {"task": to_dict(cell.task), "samples": config.samples, "seed": config.seed, "scene_sha256": scene}

    def training(self, cell: Cell) -> dict[str, Any] | None:
        """The result of a cell's training; StudyError when it is of another recipe."""
        path = self.places.results.path(cell.servo, "training")
        found = read(path)
        if found is not None and found.get("identity") != self.identity(cell):
            raise StudyError(
                f"{path} is of another recipe, task or look of the scene: delete its folder, or give another --results"
            )
        return found

    def train(self, cell: Cell) -> None:
        """Record what the bag lacks, train, and keep weights and figures among the results."""
        import torch

        from kovis_ros.cli.train import open_cache, summary
        from kovis_ros.method.probe import probe
        from kovis_ros.method.train import pick_device, train

        torch.set_num_threads(self.threads)
        cache = open_cache(cell.task, self.record(cell), None)
        precision = probe(cell.task, pick_device("auto")).precision
        folder, seed = self.places.work / cell.servo.name / "run", self.settings.grid.seed
        best = train(cell.task, cache, folder, seed=seed, precision=precision)
        self.keep(cell, best, precision, summary(best))

    def keep(self, cell: Cell, best: Path, precision: str, epoch: dict[str, Any]) -> None:
        """Copy the weights, then write what is known of them; ``epoch``: figures of the one that they come from."""
        target = self.weights(cell)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        shutil.copyfile(best, part)
        os.replace(part, target)
        figures = {"recipe": recipe(cell.task, self.settings.grid), **epoch}
        head = {"study": "training", **origin(self.command, precision), "identity": self.identity(cell)}
        sha256 = hashlib.sha256(target.read_bytes()).hexdigest()
        cli.save_json(target.with_name("training.json"), {**head, "weights_sha256": sha256, "figures": figures})

    def record(self, cell: Cell) -> Path:
        """The task's bag, complete; the same messages from the seed, whoever records them."""
        from tqdm import tqdm

        from kovis_sim.rollouts import record

        config, look = self.settings.grid, scene_sha256(cell.task)[:8]
        bag = self.places.work / f"{cell.servo.task}-bag-{look}"
        rollouts = -(-config.samples // cell.task.rollout.steps)
        with tqdm(total=rollouts, unit="rollout", desc=f"record {cell.servo.task}", mininterval=1.0) as bar:
            record(cell.task, rollouts, config.seed, bag, self.workers, lambda done, _: bar.update(done - bar.n))
        return bag
