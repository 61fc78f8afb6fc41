"""Measure, at the arm's controller, how regular its commands are while the networks run on the same processor."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kovis_ros import bringup, cli
from kovis_ros.bringup.graph import identity
from kovis_ros.bringup.supervisor import GraphError, Supervisor
from kovis_ros.cli import Row
from kovis_ros.cli.servo import READY_S, add_graph, simulated
from kovis_ros.method.config import ConfigError, load_task

if TYPE_CHECKING:
    from kovis_ros.nodes.fault_trials import FaultTrials
    from kovis_sim.ur_controller.side_channel import SideChannel

ALLOWED_LATE_S, ALLOWED_SHARE = 0.004, 0.01
WANTED_HZ, LOWEST_HZ = 125.0, 124.0
REMEMBERED_S = 59.0  # by the controller
SETTLE_S = 2.0  # what happens while processes find each other is not measured


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `kovis rates`."""
    add_graph(parser, "of the first trial", "logs (default: out/rates-TASK)")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long, 2 to 50 (default: 20)")


def run(args: argparse.Namespace) -> int:
    """0 when all bars are met, 1 otherwise."""
    from kovis_ros import runs
    from kovis_ros.method import processor

    if not 2.0 <= args.seconds <= 50.0:
        raise ConfigError(f"--seconds {args.seconds}: give 2 to 50, the controller remembers a minute")
    given, values = simulated(args)
    rows = measure(args, given, values)
    for row in rows:
        print(f"{row.name:<42} {row.value:9.3f}   {row.bar:<22} {row.verdict}")
    figures = {"task": values["task"], "processor": processor.described(os.cpu_count() or 1)}
    figures |= runs.identity("rates", load_task(values["task"]))
    cli.save_json(args.json, {"command": args.typed, **figures, "rows": [row._asdict() for row in rows]})
    return 0 if all(row.met is not False for row in rows) else 1


def measure(args: argparse.Namespace, given: dict[str, str], values: dict[str, str]) -> list[Row]:
    """Trials one after the other on the graph while the controller takes the time of each command."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from kovis_ros.nodes.fault_trials import FaultTrials
    from kovis_sim.ur_controller.side_channel import SideChannel

    task = load_task(values["task"])
    channel = SideChannel(identity(values)[1])
    out = args.out or Path("out") / f"rates-{task.name}"
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        with Supervisor(bringup.graph(given), out / "logs") as supervisor:
            supervisor.wait_ready(READY_S)
            client = FaultTrials(task, "/" + values["namespace"].strip("/"), channel.speed, supervisor.check)
            client.wait_for_graph()
            client.pause(SETTLE_S)
            return watch(client, channel, args.seconds, args.seed)
    finally:
        rclpy.try_shutdown()


def watch(client: FaultTrials, channel: SideChannel, seconds: float, seed: int) -> list[Row]:
    """Run trials for at least so long, and look at what came in that time."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        client.run(seed, complete=False, keep_frames=False)
        seed += 1
    now = time.monotonic()
    seen_s = min(now - begun, REMEMBERED_S)
    commands = channel.commands(seen_s)
    keypoints = sum(came >= now - seen_s for _, came in client.seen)
    client.close()
    return table(commands, keypoints / seen_s)


def table(commands: Sequence[float], keypoints_hz: float) -> list[Row]:
    """Rows for the times (s) at which commands came; GraphError below three of them."""
    if len(commands) < 3:
        raise GraphError(f"only {len(commands)} commands reached the controller: look at the ur5 node's log")
    periods = np.diff(commands)
    rate = 1.0 / float(periods.mean())
    late = float((periods > 1.0 / WANTED_HZ + ALLOWED_LATE_S).mean())
    p99, worst = (1e3 * float(np.percentile(periods, share)) for share in (99, 100))
    period_ms = 1e3 / WANTED_HZ
    return [
        Row("commands at the arm [Hz]", rate, WANTED_HZ, rate / WANTED_HZ, f"at least {LOWEST_HZ:g}", rate > LOWEST_HZ),
        Row(
            "periods more than 4 ms late [%]", 100 * late, 100 * ALLOWED_SHARE, late / ALLOWED_SHARE, "at most 1",
            late <= ALLOWED_SHARE,
        ),
        Row("period, 99th percentile [ms]", p99, period_ms, p99 / period_ms, "", None),
        Row("period, longest [ms]", worst, period_ms, worst / period_ms, "", None),
        Row("keypoints [Hz]", keypoints_hz, 30.0, keypoints_hz / 30.0, "", None),
    ]  # fmt: skip
