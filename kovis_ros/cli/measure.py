"""Measure a servo as the paper does: Tables I to III, Figures 7 and 8, and curves of success, to result files."""

from __future__ import annotations

import argparse
from pathlib import Path

from kovis_ros import cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `kovis measure`."""
    parser.add_argument("task", help="name of a task, or its YAML file")
    known = "keypoints (Table I), anchoring (II), success and path (III), views (Figure 7), trajectories (8), curves"
    parser.add_argument("--studies", nargs="+", metavar="STUDY", help=f"{known} (default: all)")
    parser.add_argument("--checkpoint", help="a .safetensors file to measure as the shipped one of the task")
    cli.add_other_task(parser)
    parser.add_argument("--trials", type=int, help="trials of success (default: those of the settings)")
    add_places(parser, "runs/measure")


def add_places(parser: argparse.ArgumentParser, work: str) -> None:
    """Options that `kovis grid` has too."""
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results (default: results)")
    parser.add_argument("--work", type=Path, default=Path(work), help=f"folder of unfinished work (default: {work})")
    parser.add_argument("--settings", type=Path, help="YAML of settings (default: the frozen config/report.yaml)")
    parser.add_argument("--workers", type=int, default=0, help="processes (default: one a core)")


def run(args: argparse.Namespace) -> int:
    """Measure with progress bars; what was measured before is left as it is."""
    from kovis_ros.measuring import Places, measure, weights
    from kovis_ros.method import checkpoint
    from kovis_ros.method.config import load_task
    from kovis_ros.method.policy import ServoPolicy
    from kovis_ros.report.results import Results, shipped
    from kovis_sim import path_tracer
    from kovis_sim.studies.settings import for_shipped, load

    cli.at_least(1, trials=args.trials)
    cli.at_least(0, workers=args.workers)
    names, task = chosen(args.studies), load_task(args.task)
    settings = for_shipped(load(args.settings), args.trials)
    path = checkpoint.find(args.checkpoint or task.name)
    policy = ServoPolicy.load(path)
    cli.expect(policy, task, args.other_task)
    if "path" in names:
        path_tracer.engine()  # a missing Mitsuba is told now, not after hours
    places = Places(Results(args.results), args.work)
    servo = shipped(task.name, policy.task.name)
    measure(servo, task, weights(path, "shipped"), names, settings, places, args.typed, args.workers)
    cli.save_json(args.json, {name: places.results.figures(servo, name) for name in names})
    return 0


def chosen(names: list[str] | None) -> list[str]:
    """Studies by name; ConfigError lists the known ones."""
    from kovis_ros.method.config import ConfigError
    from kovis_sim.studies import STUDIES

    for name in names or ():
        if name not in STUDIES:
            raise ConfigError(f"study {name!r} is unknown: choose from {', '.join(STUDIES)}")
    return names or list(STUDIES)
