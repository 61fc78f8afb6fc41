"""How fast training runs, beside the architecture at the paper's sizes in plain eager fp32 on the same cores."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from kovis_ros.method import losses
from kovis_ros.method.config import LANDMARKS, Task
from kovis_ros.method.dataset import Cache
from kovis_ros.method.losses import Batch
from kovis_ros.method.networks.paper import PaperNetwork
from kovis_ros.method.probe import probe
from kovis_ros.method.train import fabric
from kovis_ros.method.training_run import Run

PAPER_K, PAPER_SIZE = 10, 64


class TrainingSpeed(NamedTuple):
    """Stereo samples per second; the best of several rounds, ours and theirs in turn."""

    ours: float  # whole steps: reading, augmentation, losses, optimiser
    paper: float  # steps on batches that are ready
    wait_share: float  # of our step that passes with reading the cache, 0..1
    precision: str


def training(task: Task, cache: Cache, out: Path, rounds: int) -> TrainingSpeed:
    """Time steps of a run of ``task`` over ``cache``, and of the paper's network with batches of the same size."""
    precision = probe(task, torch.device("cpu")).precision
    run = Run(task, cache, out, fabric(task, "cpu", precision, print), 0, print)
    count = task.training.batch
    theirs = paper_step(task, count)

    def ours() -> object:
        return run.learn(run.batch(run.step))

    ours(), theirs()  # the first of each sets things up
    seconds = [(taken(ours), taken(theirs), taken(lambda: read(run))) for _ in range(rounds)]
    step, paper, wait = (min(column) for column in zip(*seconds, strict=True))
    return TrainingSpeed(count / step, count / paper, wait / step, precision)


def read(run: Run) -> None:
    """What a step reads from the cache."""
    index = np.sort(np.random.default_rng(run.step).permutation(run.train_index)[: run.recipe.batch])
    run.cache.raw(index)
    run.cache.labels(index)


def paper_step(task: Task, count: int) -> Callable[[], object]:
    """One step of the paper's network with all losses of ours, on a batch of ``count`` random pairs."""
    network = PaperNetwork(PAPER_K, len(task.axes)).train()
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    batch, scale = random_batch(count, len(task.axes)), (torch.tensor(0.2), torch.tensor(0.05))

    def step() -> None:
        parts = losses.terms(network(batch.images), batch, task.training.loss, task.servo.label_slope, scale)
        optimiser.zero_grad()
        losses.total(parts, task.training.loss).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def random_batch(count: int, axes: int) -> Batch:
    """Noise in the shapes of a batch for the paper's network."""
    rng = torch.Generator().manual_seed(0)
    shape = (count, 2, PAPER_SIZE, PAPER_SIZE)
    displacement = 0.01 * torch.randn((count, axes), generator=rng)
    direction = displacement / displacement.norm(dim=1, keepdim=True)
    landmarks = torch.rand((count, 2, 2 * LANDMARKS, 3), generator=rng)
    return Batch(
        torch.randn(shape, generator=rng), torch.rand(shape, generator=rng),
        torch.randint(3, shape, generator=rng), direction, torch.rand(count, generator=rng), displacement, landmarks,
    )  # fmt: skip


def taken(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
