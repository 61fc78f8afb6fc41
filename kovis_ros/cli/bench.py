"""Measure the speed of recording and of training, each beside its reference."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kovis_ros import cli
from kovis_ros.cli import Row

if TYPE_CHECKING:
    from kovis_ros.method.config import Task
    from kovis_ros.method.speed import TrainingSpeed

AUTHORS_SAMPLES_S = 15.6  # the authors' generator, pick-mug, headless, 128x128 stereo, one core; it is GPL, not here
GENERATION_BARS = {128: 3.0, 64: 7.0}  # pixels: least ratio
TRAINING_BARS = {True: 6.0, False: 2.0}  # with AMX, without: least ratio
LARGEST_WAIT = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `kovis bench`."""
    parser.add_argument("task", nargs="?", default="pick_mug", help="name of a task (default: pick_mug)")
    parser.add_argument("--rollouts", type=int, default=40, help="of each size of image (default: 40)")
    parser.add_argument("--rounds", type=int, default=5, help="training steps of each network (default: 5)")
    parser.add_argument("--threads", type=int, help="threads of training (default: one a core)")


def run(args: argparse.Namespace) -> int:
    """0 when all bars are met, 1 otherwise."""
    import torch

    from kovis_ros.method.config import load_task

    cli.at_least(1, rounds=args.rounds, threads=args.threads)
    cli.at_least(10, rollouts=args.rollouts)
    if args.threads:
        torch.set_num_threads(args.threads)
    task, amx = load_task(args.task), has_amx()
    processor = f"{torch.get_num_threads()} cores, {torch.backends.cpu.get_cpu_capability()}{' with AMX' * amx}"
    rows = [*generation(task, args.rollouts), *training(measure(task, args.rollouts, args.rounds), amx)]
    print(f"{task.name} on {processor}")
    for row in rows:
        print(
            f"{row.name:<54} {row.value:8.3g} / {row.reference:<6.3g} = {row.ratio:6.2f}  {row.bar:<14} {row.verdict}"
        )
    figures = {"task": task.name, "processor": processor, "rows": [row._asdict() for row in rows]}
    cli.save_json(args.json, {"command": args.typed, **figures})
    return 0 if all(row.met is not False for row in rows) else 1


def generation(task: Task, rollouts: int) -> list[Row]:
    """Recording at each size of image."""
    from kovis_sim import speed

    rows = []
    for size, bar in GENERATION_BARS.items():
        value = speed.generation(task, size, rollouts)
        ratio = value / AUTHORS_SAMPLES_S
        name = f"recording {size}x{size}, samples/s a core"
        rows.append(Row(name, value, AUTHORS_SAMPLES_S, ratio, f"at least {bar:g}x", ratio >= bar))
    return rows


def measure(task: Task, rollouts: int, rounds: int) -> TrainingSpeed:
    """Training on a cache of a few roll-outs."""
    from kovis_ros.method import speed
    from kovis_ros.method.dataset import build_cache
    from kovis_sim.rollouts import rollout
    from kovis_sim.scene import Scene

    scene = Scene(task)
    samples = (sample for index in range(rollouts) for sample in rollout(scene, 0, index))
    with tempfile.TemporaryDirectory() as folder:
        cache = build_cache(samples, Path(folder) / "cache", task.camera.field_of_view_deg)
        scene.close()
        return speed.training(task, cache, Path(folder), rounds)


def training(speed: TrainingSpeed, amx: bool) -> list[Row]:
    """Training beside the paper's sizes, and the share of a step that waits for data."""
    ratio, bar, share = speed.ours / speed.paper, TRAINING_BARS[amx], speed.wait_share
    name = f"training in {speed.precision}, samples/s, paper's sizes beside"
    wait = share / LARGEST_WAIT
    return [
        Row(name, speed.ours, speed.paper, ratio, f"at least {bar:g}x", ratio >= bar),
        Row("share of a step that waits for data", share, LARGEST_WAIT, wait, "at most 1x", share <= LARGEST_WAIT),
    ]


def has_amx() -> bool:
    """Has the processor tiles for matrix products in bf16."""
    path = Path("/proc/cpuinfo")
    return path.is_file() and "amx_bf16" in path.read_text()
