"""One training run: networks, optimiser, place in the data, history; its state survives a kill at any step."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kovis_ros.method import checkpoint, losses, pictures, run_history, schedule, warm_start
from kovis_ros.method.augment import Augmenter, Raw
from kovis_ros.method.config import Task
from kovis_ros.method.dataset import Cache, Labels
from kovis_ros.method.finish import finish
from kovis_ros.method.losses import Batch
from kovis_ros.method.networks import Network
from kovis_ros.method.policy import ServoPolicy
from kovis_ros.method.score import Score, merit, told
from kovis_ros.method.train_error import TrainError
from kovis_ros.method.validation import clean_batch, validate

SAVE_EVERY = 100  # steps between states that a killed run resumes from
Perturb = Callable[[Network, Batch, torch.Generator], Batch]


class Run:
    """One training run: networks, optimiser, place in the data, history; everything in ``out``."""

    def __init__(
        self, task: Task, cache: Cache, out: Path, fabric: Any, seed: int, say: Callable[[str], None],
        begun: float | None = None, kind: type[Network] = Network,
    ) -> None:  # fmt: skip
        """``begun``: when the work began, of ``time.perf_counter``; without it now. ``kind``: class of the networks."""
        self.begun = time.perf_counter() if begun is None else begun
        self.spent_s = cache.seconds  # before ``begun``
        self.task, self.cache, self.out, self.seed, self.say = task, cache, out, seed, say
        self.fabric, self.device = fabric, fabric.device
        torch.manual_seed(seed)
        self.recipe = task.training
        self.train_index, self.validation_index = cache.split(self.recipe.validation_share, seed)
        self.network = kind(task)
        mean, deviation = cache.depth_statistics(self.train_index[:: max(1, len(self.train_index) // 500)])
        self.network.depth_mean.fill_(mean)
        self.network.depth_deviation.fill_(deviation)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False).to(self.device)
        optimiser = torch.optim.AdamW(
            self.network.parameters(), self.recipe.learning_rate, fused=True, weight_decay=self.recipe.weight_decay
        )
        model: Any = torch.compile(self.network) if self.recipe.compile else self.network
        self.model, self.optimiser = self.fabric.setup(model, optimiser)
        self.augmenter = Augmenter(self.recipe.augment, task.sensor, task.model.image_size, seed, self.device)
        self.step, self.best = 0, [-1.0, -math.inf]
        self.history: list[dict[str, float]] = []
        self.sums: dict[str, float] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in the training split; the rest of an epoch's shuffle is left out."""
        return max(1, len(self.train_index) // self.recipe.batch)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.recipe.epochs

    @property
    def elapsed_s(self) -> float:
        """Seconds from the bag to now: cache, steps, validation and scores; NaN when that is unknown.

        It is where an older version began the run or built the cache. Pauses and steps that a kill lost do not count.
        """
        return self.spent_s + time.perf_counter() - self.begun

    def clock(self) -> dict[str, float]:
        """``elapsed_s`` as a figure of the history, where it is known."""
        minutes = self.elapsed_s / 60.0
        return {"minutes": minutes} if math.isfinite(minutes) else {}

    def places(self, step: int) -> NDArray[np.int64]:
        """Samples of a step, in order: the same for the same seed, wherever a run was interrupted."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(self.train_index)
        return np.sort(order[place * self.recipe.batch : (place + 1) * self.recipe.batch])

    def read(self, step: int) -> tuple[Raw, Labels]:
        """What a step learns from, out of the cache; what the next one needs is fetched meanwhile."""
        index = self.places(step)
        found = self.cache.raw(index, self.device), self.cache.labels(index, self.device)
        self.cache.announce(self.places(step + 1))
        return found

    def augmented(self, step: int, raw: Raw, labels: Labels) -> Batch:
        """The batch of a step from its samples, with the look that the step draws."""
        rng = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + step)
        pair, depth, segmentation, landmarks = self.augmenter(raw, rng)
        return Batch(pair, depth, segmentation, *labels, landmarks)

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """One step of the optimiser; the loss terms by name."""
        progress = self.step / self.steps
        for group in self.optimiser.param_groups:
            group["lr"] = schedule.learning_rate(progress, self.recipe.learning_rate)
        rho = schedule.rho(progress, self.recipe.rho_start, self.task.model.rho)
        self.model.train()
        scale = (self.network.depth_mean, self.network.depth_deviation)
        parts = losses.terms(self.model(batch.images, rho), batch, self.recipe.loss, self.task.servo.label_slope, scale)
        loss = losses.total(parts, self.recipe.loss)
        self.optimiser.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self.model, self.optimiser, max_norm=5.0, error_if_nonfinite=False)
        if not torch.isfinite(loss):
            raise TrainError(
                f"loss is {float(loss.detach())} at step {self.step}: lower training.learning_rate "
                f"(now {self.recipe.learning_rate}) and start again"
            )
        self.optimiser.step()
        self.step += 1
        schedule.follow(self.average, self.network, self.step, self.recipe.average)
        return {
            "total": loss.detach(),
            "speed_excess": parts["speed"].detach() - losses.speed_floor(batch.speed),
            **{name: value.detach() for name, value in parts.items()},
        }

    def epoch(self, perturb: Perturb | None, bar: Any) -> None:
        """Train to the end of the current epoch, saving the state on the way; ``bar`` is tqdm's."""
        last = (self.step // self.steps_per_epoch + 1) * self.steps_per_epoch
        while self.step < last:
            start = time.perf_counter()
            samples = self.read(self.step)
            self.add("read_s", time.perf_counter() - start)
            ready = time.perf_counter()
            batch = self.augmented(self.step, *samples)
            self.add("augment_s", time.perf_counter() - ready)
            if perturb is not None:
                rng = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + self.step + 500_000_000)
                with self.fabric.autocast():  # the precision of the step
                    batch = perturb(self.network, batch, rng)
            for name, value in self.learn(batch).items():
                self.add(name, float(value))
            self.add("step_s", time.perf_counter() - start)
            self.add("count", 1.0)
            bar.set_postfix(loss=f"{self.sums['total'] / self.sums['count']:.3f}", refresh=False)
            bar.update()
            if self.step % SAVE_EVERY == 0 and self.step < last:  # an epoch's end is saved once it is judged
                self.save()

    def add(self, name: str, value: float) -> None:
        """Add to a sum of the current epoch."""
        self.sums[name] = self.sums.get(name, 0.0) + value

    def close_epoch(self) -> dict[str, float]:
        """Validate, draw, and append a row to the history."""
        number = self.step // self.steps_per_epoch
        index = self.validation_index[:: max(1, len(self.validation_index) // 1024)]
        found = validate(self.average, self.task, self.cache, index, self.device)
        self.average.usual_confidence.fill_(found["usual_confidence"])
        self.network.usual_confidence.fill_(found["usual_confidence"])
        count, step_s = self.sums.pop("count"), self.sums.pop("step_s")
        row = {
            "epoch": float(number),
            "step": float(self.step),
            "samples_per_s": count * self.recipe.batch / step_s,
            "data_share": self.sums.pop("read_s") / step_s,
            "augment_share": self.sums.pop("augment_s") / step_s,
            **self.clock(),
        }
        row |= {f"train_{name}": value / count for name, value in self.sums.items()}
        row |= {f"validation_{name}": value for name, value in found.items()}
        self.history.append(row)
        self.sums = {}
        shown = np.linspace(0, len(index) - 1, 4).astype(int)
        self.draw(number, index[shown])
        return row

    def finish(self, bar: Any) -> None:
        """Let the servo of the averaged weights, which are shipped, learn once more by itself; ``bar`` is tqdm's."""
        chosen = np.random.default_rng(self.seed).permutation(self.train_index)[: self.recipe.finish_samples]
        if len(chosen):
            slope, seed = self.task.servo.label_slope, self.seed
            bar.reset(len(chosen))
            finish(self.average, self.cache, np.sort(chosen), self.augmenter, slope, seed, bar.update)

    def draw(self, number: int, index: NDArray[np.int64]) -> None:
        """Metrics as CSV, loss curves and a gallery of validation images as PNG."""
        run_history.write(self.out, self.history)
        pictures.curves(self.out / "curves.png", self.history)
        batch = clean_batch(self.cache, index, self.task.model.image_size, self.device)
        pictures.gallery(self.out / f"epoch_{number:03d}.png", self.average, batch)

    def judge(self, score: Callable[[ServoPolicy], Score] | None) -> None:
        """Score the averaged weights and keep them as the best when they are."""
        row = self.history[-1]
        if score is None:
            key = [0.0, -merit(row["validation_near_position_m"], row["validation_near_rotation_rad"])]
        else:
            result = score(ServoPolicy(self.task, self.average, self.device))
            row |= {
                "score_success": result.success,
                "score_position_m": result.position_m,
                "score_rotation_rad": result.rotation_rad,
            }
            key = [result.success, -merit(result.position_m, result.rotation_rad)]
            self.say(told(result, self.task.axes))
        row |= self.clock()
        run_history.write(self.out, self.history)
        about = {name: f"{value:.6g}" for name, value in row.items()}
        checkpoint.save(self.out / "last.safetensors", self.task, self.average, about)
        if key > self.best or not (self.out / "best.safetensors").exists():
            self.best = key
            checkpoint.save(self.out / "best.safetensors", self.task, self.average, about)

    def save(self) -> None:
        """Everything a killed run needs, under a temporary name first."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "best": self.best,
            "history": self.history,
            "sums": self.sums,
            "elapsed_s": self.elapsed_s,
        }
        part = self.out / "state.pt.part"
        torch.save(state, part)
        os.replace(part, self.out / "state.pt")

    def start_from(self, path: Path) -> None:
        """Begin with the weights of a checkpoint, as far as they mean the same here."""
        taken = warm_start.weights(path, self.task, type(self.network))
        self.network.load_state_dict(taken, strict=False)
        self.average.load_state_dict(taken, strict=False)

    def resume(self) -> None:
        """Go on where the state in ``out`` stopped."""
        state = torch.load(self.out / "state.pt", map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.best = state["step"], state["best"]
        self.history, self.sums = state["history"], state["sums"]
        self.spent_s = state.get("elapsed_s", math.nan)
