"""Training (Fig. 3): a run over a cache of samples, resumed where it stopped, scored in closed loop."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kovis_ros.method.adversarial import Adversary
from kovis_ros.method.config import Task, to_dict
from kovis_ros.method.dataset import Cache
from kovis_ros.method.device import pick_device
from kovis_ros.method.networks import Network
from kovis_ros.method.policy import ServoPolicy
from kovis_ros.method.probe import probe
from kovis_ros.method.score import Score
from kovis_ros.method.train_error import TrainError
from kovis_ros.method.training_run import Perturb, Run

__all__ = ["Perturb", "Score", "TrainError", "pick_device", "train"]

BACKGROUND_LIMIT = 0.05  # of the keypoints, weighted by confidence: what lies there tells nothing of the task


def train(
    task: Task,
    cache: Cache,
    out: str | Path,
    device: str = "auto",
    score: Callable[[ServoPolicy], Score] | None = None,
    *,
    seed: int = 0,
    perturb: Perturb | None = None,
    precision: str | None = None,
    start: Path | None = None,
    kind: type[Network] = Network,
    progress_bar: bool = True,
    say: Callable[[str], None] = print,
) -> Path:
    """Train ``task`` on ``cache`` and return the best checkpoint, ``out/best.safetensors``.

    An unfinished run of the same settings in ``out`` goes on where it stopped. ``score`` runs a policy in closed loop;
    without it the error near the goal on the validation split decides. ``perturb`` may replace a batch before it is
    learned from; without it the task's adversarial examples do. ``start`` is a checkpoint whose weights a new run
    begins with, ``kind`` the class of its networks. TrainError when ``out`` holds another run or the loss diverges.
    """
    from tqdm import tqdm

    begun = time.perf_counter()
    if cache.axes != len(task.axes):
        raise TrainError(
            f"labels of {cache.path} have {cache.axes} axes, task {task.name!r} has {len(task.axes)}: "
            "record the bag for this task"
        )
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    claim(
        folder,
        {
            "task": to_dict(task),
            "seed": seed,
            "samples": len(cache),
            "data": cache.about,
            "start": str(start) if start else None,
            "network": None if kind is Network else kind.__name__,
        },
    )
    run = Run(task, cache, folder, fabric(task, device, precision, say), seed, say, begun, kind)
    if (folder / "state.pt").exists():
        run.resume()
        say(f"resumed at step {run.step} of {run.steps}")
    elif start is not None:
        run.start_from(start)
    recipe = task.training
    if perturb is None and recipe.adversarial.probability > 0.0:
        perturb = Adversary(recipe.adversarial, recipe.loss, task.servo.label_slope)
    while run.step < run.steps:
        number, place = divmod(run.step, run.steps_per_epoch)
        title = f"epoch {number + 1}/{run.recipe.epochs}"
        with tqdm(
            total=run.steps_per_epoch, initial=place, desc=title, unit="step", disable=not progress_bar, mininterval=1.0
        ) as bar:
            run.epoch(perturb, bar)
        say(report(run.close_epoch()))
        if run.step == run.steps:
            with tqdm(desc="servo alone", unit="sample", disable=not progress_bar, mininterval=1.0) as bar:
                run.finish(bar)
        if (number + 1) % run.recipe.score_every == 0 or run.step == run.steps:
            run.judge(score)
        run.save()
    return folder / "best.safetensors"


def fabric(task: Task, device: str, precision: str | None, say: Callable[[str], None]) -> Any:
    """Lightning's Fabric for one device; the precision, unless given, is what the probe finds fastest."""
    from lightning.fabric import Fabric

    place = pick_device(device)
    if precision is None:
        found = probe(task, place)
        precision = found.precision
        say("precision " + precision + "".join(f", {name} {rate:.0f} pairs/s" for name, rate in found.rates.items()))
    return Fabric(accelerator=place.type, devices=1, precision=precision)  # type: ignore[arg-type]


def claim(folder: Path, settings: dict[str, Any]) -> None:
    """Mark ``folder`` as the run of these settings; TrainError names what differs when it holds another one."""
    path = folder / "run.json"
    if path.exists():
        differing = differences(json.loads(path.read_text()), json.loads(json.dumps(settings)))
        if differing:
            raise TrainError(
                f"{folder} holds a run with other settings ({', '.join(differing[:5])}): "
                "give another --out, or delete it"
            )
    else:
        part = path.with_suffix(".part")
        part.write_text(json.dumps(settings, indent=1))
        os.replace(part, path)


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """Names of the settings in which two nested mappings differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys([*old, *new])
        return [line for key in keys for line in differences(old.get(key), new.get(key), f"{where}.{key}".strip("."))]
    return [] if old == new else [f"{where} {old} -> {new}"]


def report(row: dict[str, float]) -> str:
    """One line on an epoch; it ends in a warning where keypoints lie on the background."""
    v = {name.removeprefix("validation_"): value for name, value in row.items() if name.startswith("validation_")}
    limit, share = BACKGROUND_LIMIT, v["background_share"]
    remedy = f"; WARNING: above {limit:.0%} on the background, train longer or raise training.loss.background"
    return (
        f"epoch {row['epoch']:.0f}: {row['samples_per_s']:.0f} samples/s (reading {row['data_share']:.1%}, "
        f"augmentation {row['augment_share']:.0%}), loss "
        f"{row['train_total']:.3f} / {v['total']:.3f}, direction {v['direction']:.4f}, speed excess "
        f"{v['speed_excess']:.4f}, near goal {1e3 * v['near_position_m']:.2f} mm "
        f"{np.degrees(v['near_rotation_rad']):.2f} deg; keypoints: background {share:.1%}, "
        f"dead {v['dead']:.0f}, jitter {v['jitter']:.2%}" + (remedy if share > limit else "")
    )
