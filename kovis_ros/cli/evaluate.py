"""Run closed-loop trials of a servo in simulation, without ROS, and say how well it does."""

from __future__ import annotations

import argparse
import math
from functools import partial
from typing import Any

from kovis_ros import cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `kovis evaluate`."""
    parser.add_argument("task", help="name of a task, or its YAML file")
    parser.add_argument("--checkpoint", default=None, help="a .safetensors file (default: the shipped one of the task)")
    cli.add_other_task(parser)
    parser.add_argument("--trials", type=int, default=200, help="number of trials (default: 200)")
    parser.add_argument("--seed", type=int, default=10_000, help="seed of the first trial (default: 10000)")
    parser.add_argument(
        "--split",
        choices=("test", "train"),
        default="test",
        help="looks and shapes: test shares none with training",
    )
    parser.add_argument(
        "--shapes",
        choices=("test", "train"),
        help="members of a family of targets: test are those held out (default: as --split)",
    )
    parser.add_argument(
        "--renderer",
        choices=("bullet", "path"),
        default="bullet",
        help="path: a path tracer with other materials and lamps, never trained on, slow (default: bullet)",
    )
    parser.add_argument("--samples", type=int, default=36, help="paths a pixel of --renderer path (default: 36)")
    parser.add_argument("--workers", type=int, default=0, help="processes (default: one a core)")
    parser.add_argument("--no-complete", action="store_true", help="leave the completion motion out: alignment only")


def run(args: argparse.Namespace) -> int:
    """Evaluate with a progress bar, print the summary and save it with every trial."""
    from tqdm import tqdm

    from kovis_ros.method.config import load_task
    from kovis_ros.method.motion import turns
    from kovis_ros.method.policy import ServoPolicy
    from kovis_sim import path_tracer
    from kovis_sim.closed_loop import plain
    from kovis_sim.evaluate import evaluate, summarise

    cli.at_least(1, trials=args.trials, samples=args.samples)
    cli.at_least(0, seed=args.seed, workers=args.workers)
    task = load_task(args.task)
    samples = args.samples if args.renderer == "path" else 0
    if samples:
        path_tracer.engine()  # a missing Mitsuba is told now, before any process starts
    load = partial(ServoPolicy.load, args.checkpoint or task.name)
    policy = load()
    cli.expect(policy, task, args.other_task)
    with tqdm(total=args.trials, unit="trial", desc=f"evaluate {task.name}", delay=1e-3) as bar:  # none for bad input
        good = 0

        def progress(trial: Any) -> None:
            nonlocal good
            good += trial.success
            bar.update()
            bar.set_postfix_str(f"{good}/{bar.n} succeeded")

        complete, shapes = not args.no_complete, args.shapes or args.split
        trials = evaluate(
            task, load, args.trials, args.seed, args.split, args.workers, complete, progress, samples, shapes
        )
    summary = summarise(task, trials)
    print(report(summary, turns(task.axes)))
    rows = [plain(trial) for trial in trials]
    drawn = {"seed": args.seed, "split": args.split, "shapes": shapes, "renderer": args.renderer, "samples": samples}
    drawn["trained_on"] = policy.task.name
    cli.save_json(args.json, {**summary, **drawn, "rows": rows})
    return 0


def report(summary: dict[str, Any], turned: bool) -> str:
    """The summary in lines for people; ``turned``: is a rotation commanded."""
    low, high = (100.0 * value for value in summary["wilson95"])
    position, rotation = summary["position_error_m"], summary["rotation_error_rad"]
    tilt, steps, time = summary["tilt_rad"], summary["steps"], summary["time_s"]
    percent = 100.0 * summary["success_rate"]
    angles = f"median {math.degrees(rotation['median']):.2f} deg, p90 {math.degrees(rotation['p90']):.2f} deg"
    failed = [f"seed {trial['seed']:<10}    {trial['cause']}" for trial in summary["failed"]]
    return "\n".join(
        [
            f"task success       {percent:.1f} % of {summary['trials']} (95 %: {low:.1f}-{high:.1f})",
            f"aligned            {100 * summary['aligned_rate']:.1f} %, "
            f"and did the task {100 * summary['aligned_and_succeeded_rate']:.1f} %",
            f"false convergence  {100 * summary['false_converged_rate']:.1f} %",
            f"touched too early  {100 * summary['touched_rate']:.1f} %",
            f"position error     median {1e3 * position['median']:.2f} mm, p90 {1e3 * position['p90']:.2f} mm",
            f"within             {', '.join(f'{1e3 * m:g} mm {100 * share:.1f} %' for m, share in summary['within'])}",
            f"rotation error     {angles if turned else 'n/a: no rotation is commanded'}",
            f"tilt               median {math.degrees(tilt['median']):.2f} deg (axes that are not commanded)",
            f"steps              median {steps['median']:.0f}, p90 {steps['p90']:.0f}",
            f"time               median {time['median']:.1f} s, p90 {time['p90']:.1f} s",
            *failed,
        ]
    )
