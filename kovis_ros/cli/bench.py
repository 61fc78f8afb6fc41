"""Measure the speed of recording and of training, each beside its reference, measured in the same run.

Bars stand at what the task asks: recording beside the authors' generator as it was timed elsewhere (quoted), training
beside their networks' sizes, timed here. Two rows have no bar: recording beside a stand-in for their generator, timed
here, and augmentation, which computes and does not wait. `--run FOLDER` adds what a training run tells of itself.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kovis_ros import cli
from kovis_ros.cli import Row

if TYPE_CHECKING:
    from kovis_ros.method.config import Task
    from kovis_ros.method.run_history import Told
    from kovis_ros.method.speed import TrainingSpeed

AUTHORS_SAMPLES_S = 15.6  # the authors' generator, pick-mug, headless, 128x128 stereo, one core; it is GPL, not here
GENERATION_BARS = {128: 3.0, 64: 7.0}  # pixels: least ratio
TRAINING_BARS = {True: 6.0, False: 2.0}  # with AMX, without: least ratio
LARGEST_WAIT = 0.05
LARGEST_ADEX = 2.2  # times a step without
AIM_MINUTES, MOST_MINUTES = 30.0, 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `kovis bench`."""
    parser.add_argument("task", nargs="?", default="pick_mug", help="name of a task (default: pick_mug)")
    parser.add_argument("--rollouts", type=int, default=40, help="of each size of image (default: 40)")
    parser.add_argument("--rounds", type=int, default=5, help="training steps of each network (default: 5)")
    cli.add_image_px(parser)
    parser.add_argument("--threads", type=int, help="threads of training (default: one a core)")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="of a training run: its minutes from bag to servo")
    parser.add_argument(
        "--paper-run",
        type=Path,
        metavar="FOLDER",
        help="of `kovis train --paper-sizes`: its success beside that of --run",
    )


def run(args: argparse.Namespace) -> int:
    """0 when all bars are met, 1 otherwise."""
    import torch

    from kovis_ros import runs
    from kovis_ros.method import processor
    from kovis_ros.method.config import load_task
    from kovis_ros.method.sizes import resized

    cli.at_least(1, rounds=args.rounds, threads=args.threads)
    cli.at_least(10, rollouts=args.rollouts)
    if args.threads:
        torch.set_num_threads(args.threads)
    base, amx = load_task(args.task), processor.has_amx()
    task = resized(base, args.image_px)
    ours, theirs = told_by(args.run, task, None), told_by(args.paper_run, task, "PaperSized")
    machine = processor.described(torch.get_num_threads())
    rows = [
        *generation(task, args.rollouts),
        *training(measure(task, args.rollouts, args.rounds), task.model.image_size, amx),
        *whole_run(ours),
        success(ours, theirs),
    ]
    print(f"{task.name} on {machine}")
    for row in rows:
        print(line(row))
    figures = {"task": task.name, "processor": machine, **runs.identity("bench", base)}
    cli.save_json(args.json, {"command": args.typed, **figures, "rows": [row._asdict() for row in rows]})
    return 0 if all(row.met is not False for row in rows) else 1


def line(row: Row) -> str:
    """One figure for the terminal."""
    measured = " not run" if row.value is None else f"{row.value:8.3g}"
    reference = "" if row.reference is None else f"{row.reference:.3g}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return f"{row.name:<68} {measured} / {reference:<6} = {ratio:>6}  {row.bar:<20} {row.verdict}".rstrip()


def beside(name: str, value: float, reference: float, bar: str = "", met: bool | None = None) -> Row:
    """A row with its ratio."""
    return Row(name, value, reference, value / reference if reference else None, bar, met)


def generation(task: Task, rollouts: int) -> list[Row]:
    """Recording at each size of image."""
    from kovis_sim import speed, stand_in

    rows = []
    for size, bar in GENERATION_BARS.items():
        value = speed.generation(task, size, rollouts)
        plain = stand_in.generation(task, size, rollouts * task.rollout.steps)
        name, met = f"recording {size}x{size}, samples/s a core", value / AUTHORS_SAMPLES_S >= bar
        rows.append(beside(f"{name}; authors' at 128x128, quoted", value, AUTHORS_SAMPLES_S, f"at least {bar:g}x", met))
        rows.append(beside(f"{name}; stand-in for theirs, bare scene", value, plain))
    return rows


def measure(task: Task, rollouts: int, rounds: int) -> TrainingSpeed:
    """Training on a cache of a few roll-outs."""
    from kovis_ros.method import speed
    from kovis_ros.method.dataset import build_cache
    from kovis_ros.method.packing import stored_px
    from kovis_sim.rollouts import rollout
    from kovis_sim.scene import Scene

    scene = Scene(task)
    samples = (sample for index in range(rollouts) for sample in rollout(scene, 0, index))
    with tempfile.TemporaryDirectory() as folder:
        side = stored_px(task.model)
        cache = build_cache(samples, Path(folder) / "cache", task.camera.field_of_view_deg, side=side)
        scene.close()
        return speed.training(task, cache, Path(folder), rounds)


def training(speed: TrainingSpeed, side: int, amx: bool) -> list[Row]:
    """Training on images of ``side`` beside the paper's sizes, what a step passes with, what adversarial ones add."""
    bar, cost = TRAINING_BARS[amx], speed.ours / speed.attacked
    name = f"training {side}x{side} in {speed.precision}, samples/s; the paper's sizes in eager fp32"
    return [
        beside(name, speed.ours, speed.paper, f"at least {bar:g}x", speed.ours / speed.paper >= bar),
        wait("share of a step that waits for data, cached", speed.read_share),
        Row("share of a step that computes the augmentation, no wait", speed.augment_share, None, None, "", None),
        beside(
            "training with half of the batches adversarial, s/sample; without", 1.0 / speed.attacked, 1.0 / speed.ours,
            f"at most {LARGEST_ADEX:g}x", cost <= LARGEST_ADEX,
        ),
    ]  # fmt: skip


def wait(name: str, share: float) -> Row:
    """Share of a training step with waiting for data."""
    return beside(name, share, LARGEST_WAIT, "at most 1x", share <= LARGEST_WAIT)


def whole_run(told: Told | None) -> list[Row]:
    """From the bag to a servo, as a training run tells it; "not run" without one."""
    bar = f"at most {MOST_MINUTES:g}, aim {AIM_MINUTES:g}"
    if told is None:
        return [Row("bag to 95 % in closed loop, minutes", None, MOST_MINUTES, None, bar, None)]
    name = f"bag to 95 % of {told.trials} trials in closed loop, minutes"
    name += f", from {Path(told.start).name}" if told.start else ""
    if told.minutes is None:
        name += f": {told.best:.0%} reached"
    minutes = told.whole if told.minutes is None else told.minutes
    met = told.minutes is not None and told.minutes <= MOST_MINUTES
    return [
        beside(name, minutes, MOST_MINUTES, bar, met),
        wait("share of a step that waits for data, slowest epoch of that run", told.wait_share),
    ]


def success(ours: Told | None, theirs: Told | None) -> Row:
    """Closed loop beside networks of the paper's sizes, each run's best score; "not run" unless there are both."""
    name = "closed-loop success; networks of the paper's sizes"
    if ours is None or theirs is None:
        return Row(name, None, None if theirs is None else theirs.best, None, "at least 1x", None)
    name += f", {ours.samples / 1e3:.0f} k and {theirs.samples / 1e3:.0f} k samples seen"
    return beside(name, ours.best, theirs.best, "at least 1x", ours.best >= theirs.best)


def told_by(folder: Path | None, task: Task, network: str | None) -> Told | None:
    """What a training run of the task with these networks tells, None for no folder; ConfigError for another run."""
    from kovis_ros.method import run_history
    from kovis_ros.method.config import ConfigError

    if folder is None:
        return None
    found = run_history.told(folder)
    if (found.task, found.network) != (task.name, network):
        wanted = f"kovis train {task.name}{' --paper-sizes' if network else ''}"
        raise ConfigError(
            f"run {folder} is of task {found.task!r}, networks {found.network or 'ours'}: give one of `{wanted}`"
        )
    return found
