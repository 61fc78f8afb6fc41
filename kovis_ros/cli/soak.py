"""Run trials with random faults through the whole simulated graph for a long time, and look for what leaks or dies."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import Any

import numpy as np

from kovis_ros import bringup, cli
from kovis_ros.bringup.graph import identity
from kovis_ros.bringup.resources import FILLS_MB, LATE_MB, LEAK_MB_PER_MIN
from kovis_ros.cli.servo import add_graph, simulated
from kovis_ros.method.config import ConfigError, load_task

COUNTS = ("injected", "survived", "moved_on", "moved_again", "over_the_limit")  # of a fault, as the table's columns
LEAK = (
    "Growth of memory is the median of the slopes between looks half a life apart; a process leaks that grows by more "
    f"than {LEAK_MB_PER_MIN:g} MB a minute and, in its longest life, by {LATE_MB:g} MB on top. The cell's node keeps "
    f"every look that it has worn, up to {FILLS_MB['sim']:g} MB. Threads, files: at the end of lives, less the usual."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `kovis soak`."""
    add_graph(parser, "of trials and of the choice of faults", "logs (default: out/soak-TASK)")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default: 30)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="also write the report as Markdown")


def run(args: argparse.Namespace) -> int:
    """0 when every round began, every fault left the arm at rest in time, nothing leaked and nobody died; else 1."""
    if args.minutes <= 0:
        raise ConfigError(f"--minutes {args.minutes} is out of range: give more than 0")
    given, values = simulated(args)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    report = soak(args, given, values)
    text = markdown(report)
    print(text)
    if args.report:
        args.report.write_text(text + "\n")
    cli.save_json(args.json, report)
    return 1 if report["problems"] else 0


def soak(args: argparse.Namespace, given: dict[str, str], values: dict[str, str]) -> dict[str, Any]:
    """The run itself; Ctrl-C ends it early with the report so far."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from kovis_ros.breaking import BreakableGraph
    from kovis_ros.soaking import Soak

    task = load_task(values["task"])
    out = args.out or Path("out") / f"soak-{task.name}"
    namespace, address = "/" + values["namespace"].strip("/"), identity(values)[1]
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        with BreakableGraph(task, namespace, address, bringup.graph(given), out / "logs") as graph:
            runner = Soak(graph, np.random.default_rng(args.seed), lambda line: print(line, flush=True))
            try:
                runner.run(60.0 * args.minutes, args.seed)
            except KeyboardInterrupt:
                print("interrupted: the report is of the time until now", flush=True)
            return {"task": task.name, "seed": args.seed, **runner.report()}
    finally:
        rclpy.try_shutdown()


def markdown(report: dict[str, Any]) -> str:
    """The report for people."""
    troubles, problems, incomplete = report["rounds_not_started"], report["problems"], report["incomplete"]
    return "\n".join([
        "# Soak", "",
        f"`kovis soak {report['task']} --minutes {report['minutes']:.0f} --seed {report['seed']} --report docs/soak.md`"
        " wrote this file.", "",
        f"{report['minutes']:.1f} minutes. {report['trials']} whole trials, {report['converged']} converged, "
        f"{report['completed']} completed. {report['faults_injected']} faults, {report['faults_survived']} survived: "
        "the arm came to rest and stayed so, and the graph went on with the next trial.", "",
        rates_line(report["rates"]), "",
        "| fault | injected | survived | moved on | moved again | later than 150 ms | worst |",
        "|---|---|---|---|---|---|---|",
        *(fault_row(name, row) for name, row in report["faults"].items()), "",
        "Times count from the fault, or from when what is missing was stale.", "",
        "| process | lives | memory | threads | files | growth after the warm-up, over all lives |",
        "|---|---|---|---|---|---|",
        *(process_row(name, row) for name, row in report["processes"].items()), "",
        LEAK, "",
        counted("Whole trials that were not completed", incomplete), "",
        counted("Rounds that did not get going", troubles), "",
        "Problems: " + ("".join(f"\n- {line}" for line in problems) or "none."),
    ])  # fmt: skip


def counted(title: str, lines: list[str]) -> str:
    """How many there are, and each."""
    return f"{title}: {len(lines)}" + "".join(f"\n- {line}" for line in lines)


def rates_line(rates: dict[str, float]) -> str:
    """The rates of the whole trials as a sentence."""
    if not rates:
        return "No whole trial: no rates."
    late = f"{100 * rates['commands_late_share']:.2f} % of periods more than 4 ms late"
    return f"Commands at the arm {rates['commands_hz']:.1f} Hz, {late}; keypoints {rates['keypoints_hz']:.1f} Hz."


def fault_row(name: str, row: dict[str, Any]) -> str:
    """One kind of fault as a row of the table."""
    worst = "none stayed" if row["worst_s"] is None else f"{1e3 * row['worst_s']:.0f} ms"
    counts = " | ".join(str(row[key]) for key in COUNTS)
    return f"| {name} | {counts} | {worst} |"


def process_row(name: str, row: dict[str, Any]) -> str:
    """One process as a row of the table."""
    grown, text = row["growth"], "too short"
    if grown:
        text = f"{grown['seconds']:.0f} s: {grown['memory_mb_per_min']:+.2f} MB/min, {grown['threads']:+d} threads, "
        text += f"{grown['files']:+d} files"
    return f"| {name} | {row['lives']} | {row['memory_mb']:.0f} MB | {row['threads']} | {row['files']} | {text} |"
