"""Is a recording fit to train on? Figures with limits, and a contact sheet with the appearance that training adds.

With --task the sheet also shows what a recording with the settings of that task would look like: they are drawn now.
Exit code 1 when a limit is missed. The limits stand with their reasons in kovis_ros/method/data_check.py.
"""

from __future__ import annotations

import argparse
import os
from itertools import islice
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from kovis_ros import cli
from kovis_ros.method.config import ConfigError

if TYPE_CHECKING:
    from kovis_ros.bags import BagInfo, Sample
    from kovis_ros.method.config import Task
    from kovis_ros.method.data_check import Check

ROWS = 8  # samples of the bag on the contact sheet, and as many that are drawn now


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `kovis check-data`."""
    parser.add_argument("bag", type=Path, help="folder that `kovis record` made")
    parser.add_argument("--samples", type=int, default=500, help="looked at, spread evenly (default: 500); 0: all")
    parser.add_argument(
        "--task", help="preview the appearance of this task or YAML file, drawn now (default: the bag's settings)"
    )
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="contact sheet (default: BAG.png beside the bag)")
    parser.add_argument("--seed", type=int, default=0, help="of the appearance on the sheet (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Print every figure beside its limit, save the sheet; 1 when a limit is missed."""
    from kovis_ros import bags
    from kovis_ros.method import data_check

    cli.at_least(0, samples=args.samples, seed=args.seed)
    picture = args.sheet or args.bag.resolve().with_name(f"{args.bag.resolve().name}.png")
    if not args.bag.is_dir():
        raise ConfigError(f"bag {args.bag} is no folder: give one that `kovis record` made")
    if picture.suffix != ".png" or not picture.resolve().parent.is_dir():
        raise ConfigError(f"--sheet {picture} cannot be: give a .png in a folder that exists")
    found = bags.info(args.bag)
    task, shown = tasks(found, args.task)
    drawn = draw(shown, ROWS, args.seed) if args.task else []  # first: a task that cannot be is told before the work
    looked = list(bags.read_evenly(args.bag, args.samples or found.samples))
    checks = data_check.check(looked, task)
    save_sheet(looked, drawn, shown, picture, args.seed)
    failed = [check for check in checks if not check.ok]
    print(report(found, len(looked), checks))
    print(f"contact sheet: {picture}")
    print("FAILED: " + ", ".join(check.name for check in failed) if failed else "passed: fit to train on")
    rows = [
        {**check._asdict(), "value": None if isnan(check.value) else check.value, "ok": check.ok} for check in checks
    ]
    about = {"task": task.name, "samples": found.samples, "looked_at": len(looked), "messages": found.counts}
    cli.save_json(args.json, {**about, "passed": not failed, "sheet": str(picture), "checks": rows})
    return 1 if failed else 0


def tasks(found: BagInfo, other: str | None) -> tuple[Task, Task]:
    """The task that a bag was recorded with, and the one whose appearance is shown."""
    import yaml

    from kovis_ros.method.config import from_dict, load_task

    task = from_dict(yaml.safe_load(found.recording.task_yaml), "the bag's settings")
    return task, load_task(other) if other else task


def draw(task: Task, count: int, seed: int) -> list[Sample]:
    """What a recording with a task's settings would hold: of each of ``count`` roll-outs one sample, a step further on.

    ConfigError for meshes or a goal that cannot be.
    """
    from kovis_sim import rollouts
    from kovis_sim.scene import Scene

    scene = Scene(task)
    try:
        steps = [i % task.rollout.steps for i in range(count)]
        return [next(islice(rollouts.rollout(scene, seed, i), step, None)) for i, step in enumerate(steps)]
    finally:
        scene.close()


def save_sheet(samples: list[Sample], drawn: list[Sample], task: Task, path: Path, seed: int) -> None:
    """The contact sheet of samples spread evenly, and of those drawn now; whole or not at all."""
    import cv2

    from kovis_ros import contact_sheet

    chosen = [samples[i] for i in spread(len(samples), min(ROWS, len(samples)))]
    scratch = path.with_name(f".{path.name}.part")
    scratch.write_bytes(cv2.imencode(".png", contact_sheet.sheet(chosen, task, seed, drawn))[1].tobytes())
    os.replace(scratch, path)


def spread(total: int, count: int) -> list[int]:
    """Places from 0 to total - 1, both among them. Whole roll-outs apart they would show nothing but goals."""
    return [round(i * (total - 1) / max(count - 1, 1)) for i in range(count)]


def report(found: BagInfo, looked: int, checks: list[Check]) -> str:
    """The figures in lines for people."""
    lines = [
        f"{found.recording.task}: {found.samples} samples in {len(found.shards)} shards, "
        f"{found.size_bytes / 1e6:.0f} MB, as many messages on every topic; looked into {looked} samples"
    ]
    for check in checks:
        low, high = f"{check.least:.3g}", f"{check.most:.3g}"
        limit = f"at least {low}" if check.most == 1.0 else f"{low} to {high}"
        mark = "ok" if check.ok else "MISSED"
        lines.append(f"  {check.name:<33} {check.value:9.3f} {check.unit:<12} {limit:<16} {mark}")
    return "\n".join(lines)
