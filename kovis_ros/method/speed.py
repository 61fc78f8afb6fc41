"""How fast training runs, beside the architecture at the paper's sizes in plain eager fp32 on the same cores."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from kovis_ros.method import losses
from kovis_ros.method.adversarial import Adversary
from kovis_ros.method.config import LANDMARKS, Task
from kovis_ros.method.dataset import Cache
from kovis_ros.method.losses import Batch
from kovis_ros.method.networks.paper import PaperNetwork
from kovis_ros.method.probe import probe
from kovis_ros.method.train import fabric
from kovis_ros.method.training_run import Run

PAPER_K, PAPER_SIZE = 10, 64
ADEX = 0.5  # share of batches that are attacked


class Step(NamedTuple):
    """Seconds of one step by what they pass with."""

    read: float
    augment: float
    learn: float
    attack: float  # what adversarial examples would add

    @property
    def whole(self) -> float:
        """Without adversarial examples."""
        return self.read + self.augment + self.learn


class TrainingSpeed(NamedTuple):
    """Stereo samples per second, the best of several rounds, all timed in turn; shares are means, 0..1."""

    ours: float  # whole steps: reading, augmentation, losses, optimiser
    attacked: float  # the same with adversarial examples, see ``ADEX``
    paper: float  # steps on batches that are ready
    read_share: float  # of our step, with waiting for the cache
    augment_share: float  # of our step, with computing the look of its images
    precision: str


def training(task: Task, cache: Cache, out: Path, rounds: int) -> TrainingSpeed:
    """Time steps of a run of ``task`` over ``cache``, and of the paper's network with batches of the same size."""
    precision = probe(task, torch.device("cpu")).precision
    run = Run(task, cache, out, fabric(task, "cpu", precision, print), 0, print)
    count, theirs = task.training.batch, paper_step(task, task.training.batch)
    rounds_s = [(parts(run), taken(theirs)) for _ in range(rounds + 1)][1:]  # the first of each sets things up
    steps = [step for step, _ in rounds_s]
    step, attack = min(step.whole for step in steps), min(step.attack for step in steps)
    total = sum(step.whole for step in steps)
    read, augment = sum(step.read for step in steps) / total, sum(step.augment for step in steps) / total
    paper = min(seconds for _, seconds in rounds_s)
    return TrainingSpeed(count / step, count / (step + attack), count / paper, read, augment, precision)


def parts(run: Run) -> Step:
    """One step, and the attacks on its batch."""
    start = time.perf_counter()
    samples = run.read(run.step)
    read = time.perf_counter()
    batch = run.augmented(run.step, *samples)
    ready = time.perf_counter()
    run.learn(batch)
    learned = time.perf_counter()
    attacks = dataclasses.replace(run.recipe.adversarial, probability=ADEX)
    adversary = Adversary(attacks, run.recipe.loss, run.task.servo.label_slope)
    with run.fabric.autocast():
        attack = adversary.extra_s(run.network, batch, taken)
    return Step(read - start, ready - read, learned - ready, attack)


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
