"""Write the paper's tables and figures from stored results, beside the paper's numbers: Markdown, CSV and PNG."""

from __future__ import annotations

import argparse
from pathlib import Path

from kovis_ros import cli
from kovis_ros.method.config import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `kovis report`."""
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results (default: results)")
    parser.add_argument("--out", type=Path, default=Path("out/report"), help="folder to write (default: out/report)")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="also write the results table between its markers")


def run(args: argparse.Namespace) -> int:
    """Write and name the files; what was not measured is shown as not run."""
    from kovis_ros.present import Present
    from kovis_ros.report import page, readme
    from kovis_ros.report.results import Results

    if not args.results.is_dir():
        raise ConfigError(f"--results {args.results} is no folder: run `kovis measure` or `kovis grid` first")
    present = Present()
    results = Results(args.results, present=present)
    files = page.write(results, present.plan, args.out)
    if args.readme:
        readme.write(results, present.plan, args.readme)
        files.append(args.readme)
    for file in files:
        print(file)
    cli.save_json(args.json, {"files": [str(file) for file in files]})
    return 0
