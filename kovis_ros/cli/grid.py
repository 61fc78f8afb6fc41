"""Train and measure the servos of Table III: every task, 5, 10 and 16 keypoints, with and without Adex.

The shaft with the paper's four axes comes last. A fixed short recipe, see config/report.yaml. Takes hours or days and
may be killed at any time: the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse

from kovis_ros import cli
from kovis_ros.cli.measure import add_places


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `kovis grid`."""
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="such as pick_mug-k10-adex (default: all)")
    parser.add_argument("--threads", type=int, default=0, help="threads of training (default: one a core)")
    parser.add_argument("--list", action="store_true", help="only tell what is there and what is missing")
    add_places(parser, "runs/grid")


def run(args: argparse.Namespace) -> int:
    """Run what is missing, cell by cell, with a line and progress bars each."""
    from kovis_ros.grid import Grid, cells
    from kovis_ros.measuring import Places
    from kovis_ros.method.config import ConfigError
    from kovis_ros.report.results import Results
    from kovis_sim.studies.settings import load

    cli.at_least(0, workers=args.workers, threads=args.threads)
    settings = load(args.settings)
    known = {cell.servo.name: cell for cell in cells(settings)}
    for name in args.cells or ():
        if name not in known:
            raise ConfigError(f"cell {name!r} is unknown: choose from {', '.join(known)}")
    wanted = [known[name] for name in args.cells or known]
    grid = Grid(settings, Places(Results(args.results), args.work), args.workers, args.threads, args.typed)
    if not args.list:
        grid.check_scenes(wanted)
        grid.check_stale(wanted)
        grid.check_disk(wanted)
    for number, cell in enumerate(wanted, 1):
        print(f"[{number}/{len(wanted)}] {cell.servo.name}: {grid.state(cell)}", flush=True)
        if not args.list:
            grid.run(cell)
    cli.save_json(args.json, {cell.servo.name: grid.state(cell) for cell in wanted})
    return 0
