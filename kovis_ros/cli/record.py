"""Record training roll-outs of a task in simulation into a rosbag2 bag."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from kovis_ros import cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `kovis record`."""
    parser.add_argument("task", help="name of a task, or its YAML file")
    parser.add_argument("--rollouts", type=int, default=7000, help="roll-outs of 5 stereo pairs each (default: 7000)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same messages (default: 0)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bag; an interrupted one is taken up")
    parser.add_argument("--workers", type=int, default=0, help="processes (default: one a core)")
    cli.add_image_px(parser)


def run(args: argparse.Namespace) -> int:
    """Record, with a progress bar; prints samples per second and the bag's size."""
    from tqdm import tqdm

    from kovis_ros import bags
    from kovis_ros.method.config import load_task
    from kovis_ros.method.sizes import resized
    from kovis_sim.rollouts import record

    cli.at_least(1, rollouts=args.rollouts)
    cli.at_least(0, seed=args.seed, workers=args.workers)
    task = resized(load_task(args.task), args.image_px)
    start = time.perf_counter()
    first: list[int] = []
    bar = tqdm(total=args.rollouts, unit="rollout", desc=f"record {task.name}", delay=1e-3)  # none for bad input
    with bags.begun(args.out), bar:

        def progress(done: int, _: int) -> None:
            first.append(done)
            bar.update(done - bar.n)

        samples = record(task, args.rollouts, args.seed, args.out, args.workers, progress)
    seconds = time.perf_counter() - start
    fresh = (args.rollouts - first[0]) * task.rollout.steps
    size = sum(file.stat().st_size for file in args.out.iterdir())
    print(f"{args.out}: {samples} samples, {size / 1e6:.0f} MB, {fresh / seconds:.1f} samples/s")
    row = {"task": task.name, "samples": samples, "bytes": size, "seconds": seconds, "samples_per_s": fresh / seconds}
    cli.save_json(args.json, row)
    return 0
