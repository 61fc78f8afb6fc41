"""The grid of Table III: record, train and measure one servo for each task, number of keypoints and use of Adex.

Every step leaves a file that appears when it is whole: shards of the bag, the state of a training run, rows of a study,
a result. A grid that was killed finds them and goes on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kovis_ros import cli
from kovis_ros.measuring import Places, identify, measure, origin
from kovis_ros.measuring import weights as look_at
from kovis_ros.method import disk
from kovis_ros.method.config import Task, load_task, to_dict
from kovis_ros.method.sizes import resized
from kovis_ros.report.results import Servo, differing, read
from kovis_sim import scene_check
from kovis_sim.fingerprint import scene_sha256
from kovis_sim.studies import STUDIES
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
    """One cell: the task's networks with another number of keypoints, images of one size, the short recipe."""
    attack = dataclasses.replace(task.training.adversarial, probability=config.adex if adex else 0.0)
    training = dataclasses.replace(task.training, epochs=config.epochs, score_trials=0, adversarial=attack)
    seen = resized(task, config.image_px)
    model = dataclasses.replace(seen.model, keypoints=keypoints)
    tables = ("keypoints", "anchoring") if keypoints == config.tables else ()
    variant = dataclasses.replace(seen, model=model, training=training)
    return Cell(Servo(task.name, keypoints, adex), variant, ("success", *tables))


def recipe(task: Task, config: GridConfig) -> str:
    """The short recipe in words; ``task``: of a cell."""
    training = task.training
    last = ", then the servo alone" if training.finish_samples else ""
    batches = f"in batches of {training.batch}{last}; chosen by the validation split"
    return f"{config.samples} samples of {config.image_px} px x {training.epochs} epochs {batches}"


class Grid:
    """Runs cells in order; ``workers`` and ``threads`` of 0 are one a core."""

    def __init__(
        self, settings: Settings, places: Places, workers: int = 0, threads: int = 0, command: str = "kovis grid"
    ) -> None:
        self.settings, self.places, self.workers, self.command = settings, places, workers, command
        self.threads = threads or os.cpu_count() or 1

    def state(self, cell: Cell) -> str:
        """What of a cell is there."""
        training = self.training(cell)
        if training is None:
            return "not trained"
        if stale := self.stale(cell, training):
            return f"stale: {', '.join(stale)}"
        missing = [name for name in cell.studies if not self.places.results.path(cell.servo, name).exists()]
        return f"trained, without {', '.join(missing)}" if missing else "done"

    def run(self, cell: Cell) -> None:
        """Whatever of a cell is missing."""
        if self.untrained(cell):
            self.train(cell)
        elif not self.weights(cell).is_file():  # done: they need not be kept
            return
        trained = look_at(self.weights(cell), recipe(cell.task, self.settings.grid))
        measure(cell.servo, cell.task, trained, cell.studies, self.settings, self.places, self.command, self.workers)

    def untrained(self, cell: Cell) -> bool:
        """Has a servo still to be trained, because a study that needs it is missing?"""
        there = self.training(cell) is not None and self.weights(cell).is_file()
        return not there and self.state(cell) != "done"

    def check_scenes(self, wanted: Sequence[Cell]) -> None:
        """ConfigError when the scene of a task that is not done cannot be built."""
        for task in {cell.servo.task: cell.task for cell in wanted if self.state(cell) != "done"}.values():
            scene_check.check(task)

    def check_stale(self, wanted: Sequence[Cell]) -> None:
        """StudyError when something of a cell is of another recipe, other settings, another scene or other code."""
        for cell in wanted:
            training = self.training(cell)
            if training is not None and (stale := self.stale(cell, training)):
                folder = self.places.results.folder / cell.servo.name
                raise StudyError(f"{folder} is stale: {', '.join(stale)}: delete it, or give another --results")

    def check_disk(self, wanted: Sequence[Cell]) -> None:
        """StudyError when the disk cannot hold what bags and caches of the servos to be trained still need."""
        first = {cell.servo.task: cell for cell in wanted if self.untrained(cell)}
        free, needed = disk.free_bytes(self.places.work), sum(map(self.needed_bytes, first.values()))
        if free < needed:
            raise StudyError(
                f"the disk of {self.places.work} has {free / 1e9:.1f} GB free, and bags and caches of "
                f"{', '.join(first)} need about {needed / 1e9:.1f} GB more: free some, or give another --work"
            )

    def needed_bytes(self, cell: Cell) -> int:
        """What the bag of a cell's task still lacks, and its cache."""
        from kovis_ros.cli.train import cache_of
        from kovis_ros.method import dataset
        from kovis_ros.method.packing import stored_px
        from kovis_sim import rollouts

        bag, steps = self.bag(cell), cell.task.rollout.steps
        cache = cache_of(bag)
        fresh = sum(map(len, rollouts.lacking(bag, rollouts.kept(bag), self.rollouts(cell), steps).values()))
        recording = fresh * steps * round(rollouts.sample_bytes(cell.task))
        if not fresh and (cache / "cache.json").exists():
            return recording
        begun = sum(file.stat().st_size for file in dataset.unfinished(cache).glob("*"))  # which is begun anew
        cached = self.rollouts(cell) * steps * dataset.sample_bytes(stored_px(cell.task.model))
        return recording + max(cached - begun, 0)

    def bag(self, cell: Cell) -> Path:
        """Folder of the bag of a cell's task, of these settings and as the scene is now."""
        seed, scene = self.settings.grid.seed, scene_sha256(cell.task)[:8]
        return self.places.work / f"{cell.servo.task}-bag-{self.rollouts(cell)}-seed-{seed}-{scene}"

    def rollouts(self, cell: Cell) -> int:
        """Roll-outs of the bag."""
        return -(-self.settings.grid.samples // cell.task.rollout.steps)

    def weights(self, cell: Cell) -> Path:
        """File of a cell's weights."""
        return self.places.results.folder / cell.servo.name / "servo.safetensors"

    def identity(self, cell: Cell) -> dict[str, Any]:
        """What a cell's weights depend on."""
        config, scene = self.settings.grid, scene_sha256(cell.task)
        return {"task": to_dict(cell.task), "samples": config.samples, "seed": config.seed, "scene_sha256": scene}

    def training(self, cell: Cell) -> dict[str, Any] | None:
        """The result of a cell's training."""
        return read(self.places.results.path(cell.servo, "training"))

    def stale(self, cell: Cell, training: dict[str, Any]) -> list[str]:
        """Each result of a cell that is not what would be made now, and what it depends on that changed."""
        sha256 = training["weights_sha256"]
        wanted = {name: identify(STUDIES[name], cell.task, sha256, self.settings) for name in cell.studies}
        found = {name: read(self.places.results.path(cell.servo, name)) for name in wanted}
        pairs = [("training", training, self.identity(cell))]
        pairs += [(name, there, wanted[name]) for name, there in found.items() if there is not None]
        changed = {name: differing(there.get("identity"), identity, whole=True) for name, there, identity in pairs}
        return [f"{name} (another {', '.join(what)})" for name, what in changed.items() if what]

    def train(self, cell: Cell) -> None:
        """Record what the bag lacks, train, and keep weights and figures among the results."""
        import torch

        from kovis_ros.cli.train import open_cache, recorded, summary
        from kovis_ros.method.probe import probe
        from kovis_ros.method.train import pick_device, train

        torch.set_num_threads(self.threads)
        bag = self.record(cell)
        cache = open_cache(cell.task, bag, recorded(cell.task, bag), None)
        precision = probe(cell.task, pick_device("auto")).precision
        best = train(cell.task, cache, self.run_folder(cell), seed=self.settings.grid.seed, precision=precision)
        self.keep(cell, best, precision, summary(best))

    def run_folder(self, cell: Cell) -> Path:
        """Where a cell is trained: another recipe begins another run."""
        identity = json.dumps(self.identity(cell), sort_keys=True)
        return self.places.work / cell.servo.name / f"run-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"

    def keep(self, cell: Cell, best: Path, precision: str, epoch: dict[str, Any]) -> None:
        """Copy the weights, then write what is known of them; ``epoch``: figures of the one that they come from."""
        target = self.weights(cell)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        shutil.copyfile(best, part)
        os.replace(part, target)
        figures = {"recipe": recipe(cell.task, self.settings.grid), **epoch}
        head = {"study": "training", **origin(self.command, precision), "identity": self.identity(cell)}
        sha256 = disk.sha256(target)
        cli.save_json(target.with_name("training.json"), {**head, "weights_sha256": sha256, "figures": figures})

    def record(self, cell: Cell) -> Path:
        """The task's bag, complete; the same messages from the seed, whoever records them."""
        from tqdm import tqdm

        from kovis_sim.rollouts import record

        config, bag, rollouts = self.settings.grid, self.bag(cell), self.rollouts(cell)
        with tqdm(total=rollouts, unit="rollout", desc=f"record {cell.servo.task}", mininterval=1.0) as bar:
            record(cell.task, rollouts, config.seed, bag, self.workers, lambda done, _: bar.update(done - bar.n))
        return bag
