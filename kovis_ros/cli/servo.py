"""Run the whole servo graph: trials in simulation, or a real arm with robot:=ur5 robot_ip:=... camera:=d435.

Options of the graph are given as to its launch file, as NAME:=VALUE; `kovis servo --arguments` lists them.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kovis_ros import bringup, cli
from kovis_ros.bringup.supervisor import Supervisor
from kovis_ros.method.config import ConfigError, Task, load_task, share
from kovis_ros.trial_summary import line, summarise, told

if TYPE_CHECKING:
    from kovis_ros.nodes.trials import TrialResult

READY_S = 90.0
PICTURED = 5  # trials with pictures
OPTIONS = ("trials", "seed")  # arguments of launch files that are options here
PARTS = {  # who starts them
    "sim": "ros2 launch kovis_ros sim.launch.py",
    "camera": "ros2 launch kovis_ros camera.launch.py",
    "record": "kovis record",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `kovis servo`."""
    add_graph(parser, "of the first trial, the next has the next", "pictures and logs (default: out/servo-TASK)")
    parser.add_argument("--trials", type=int, default=5, help="simulated trials; 0 waits for goals (default: 5)")
    parser.add_argument("--attach", action="store_true", help="run the trials on the graph that ROS_DOMAIN_ID has")
    parser.add_argument("--arguments", action="store_true", help="list the arguments of the graph and end")


def add_graph(parser: argparse.ArgumentParser, seed: str, out: str) -> None:
    """What every command that runs a graph takes: task, arguments of the graph, seed and folder."""
    parser.add_argument("task", nargs="?", default="pick_mug", help="name of a task, or its YAML file")
    parser.add_argument("graph", nargs="*", metavar="NAME:=VALUE", help="arguments of the graph, as of servo.launch.py")
    parser.add_argument("--seed", type=int, default=0, help=f"{seed} (default: 0)")
    parser.add_argument("--out", type=Path, help=f"folder for {out}")


def run(args: argparse.Namespace) -> int:
    """Start, watch, stop; prints a line a trial and a summary."""
    if args.arguments:
        for argument in (a for a in bringup.ARGUMENTS if a.name not in OPTIONS):
            choices = f" ({', '.join(argument.choices)})" if argument.choices else ""
            print(f"{argument.name}:={argument.default}  {argument.description}{choices}")
        return 0
    cli.at_least(0, trials=args.trials, seed=args.seed)
    given = launch_arguments(args)
    values = bringup.settle(given)
    task = load_task(values["task"])
    out = args.out or Path("out") / f"servo-{task.name}"
    isolate(values, args.attach)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    if args.attach:
        return finish(args, task, values, out, trials(args, task, values, out, lambda: None))
    with Supervisor(bringup.graph(given), out / "logs") as supervisor:
        begun = time.monotonic()
        supervisor.wait_ready(READY_S)
        names = ", ".join(child.process.name for child in supervisor.children)
        domain = os.environ.get("ROS_DOMAIN_ID", "0")
        print(f"{names} ready in {time.monotonic() - begun:.1f} s (ROS_DOMAIN_ID={domain})", flush=True)
        if values["robot"] != "sim" or values["backend"] == "dry_run" or args.trials == 0:
            print(f"waiting for goals of the action /{values['namespace']}/servo: Ctrl-C ends", flush=True)
            return watch(supervisor)
        results = trials(args, task, values, out, supervisor.check)
    return finish(args, task, values, out, results)


def launch_arguments(args: argparse.Namespace) -> dict[str, str]:
    """The graph's arguments of the command line, task and seed among them; ConfigError for what is no NAME:=VALUE."""
    given = {"seed": str(args.seed)}
    words = [args.task, *args.graph] if ":=" in args.task else args.graph
    given["task"] = "pick_mug" if ":=" in args.task else args.task
    for word in words:
        name, separator, value = word.partition(":=")
        if not separator:
            raise ConfigError(f"argument {word!r} is unknown: give NAME:=VALUE, see kovis servo --arguments")
        refuse(args, name, value)
        given[name] = value
    return given


def refuse(args: argparse.Namespace, name: str, value: str) -> None:
    """ConfigError for a launch argument that says what the command itself does: trials, their seed, the whole graph."""
    word = f"{name}:={value}"
    if name in OPTIONS:
        remedy = f"give --{name} {value}" if hasattr(args, name) else "leave it out"
        raise ConfigError(f"{word} is for launch files: {remedy}")
    if name == "part" and value in PARTS:
        raise ConfigError(f"{word} is for launch files, here the whole graph runs: leave it out, or use {PARTS[value]}")


def simulated(args: argparse.Namespace) -> tuple[dict[str, str], dict[str, str]]:
    """The graph's arguments as given and settled, isolated; ConfigError unless controller and arm are simulated."""
    cli.at_least(0, seed=args.seed)
    given = launch_arguments(args)
    values = bringup.settle(given)
    if values["robot"] != "sim" or values["backend"] != "rtde":
        raise ConfigError(
            f"robot:={values['robot']} backend:={values['backend']}: this looks into and breaks the simulated "
            "controller, give robot:=sim backend:=rtde or leave both out"
        )
    isolate(values)
    return given, values


def isolate(values: dict[str, str], attach: bool = False) -> None:
    """Simulation talks over loopback on a domain of its own, unless the environment says otherwise.

    attach: a graph runs already, and only the environment knows where: `ros2 launch` leaves its processes on domain 0.
    """
    os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(share("config", "fastdds.xml")))
    os.environ.setdefault("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if values["robot"] == "sim" and not attach:
        os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
        os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def watch(supervisor: Supervisor) -> int:
    """Until Ctrl-C or the end of a process."""
    try:
        while True:
            supervisor.check()
            time.sleep(0.2)
    except KeyboardInterrupt:
        return 0


def trials(
    args: argparse.Namespace, task: Task, values: dict[str, str], out: Path, check: Callable[[], None]
) -> list[TrialResult]:
    """Run the trials on the graph and print a line for each."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from kovis_ros.nodes.trials import TrialClient

    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    client = TrialClient(task, "/" + values["namespace"].strip("/"), check)
    results: list[TrialResult] = []
    try:
        client.wait_for_graph()
        for number in range(args.trials):
            results.append(client.run(args.seed + number, keep_frames=number < PICTURED))
            print(line(number + 1, task, results[-1]), flush=True)
    finally:
        client.close()
        rclpy.try_shutdown()
    return results


def finish(
    args: argparse.Namespace, task: Task, values: dict[str, str], out: Path, results: Sequence[TrialResult]
) -> int:
    """Summary, pictures and JSON; 0 also when trials failed, since they were run and reported."""
    from kovis_ros import pictures

    summary = summarise(task, results)
    print(told(task, summary))
    out.mkdir(parents=True, exist_ok=True)
    pictures.strip(results, out / "overlay.png")
    pictures.trajectories(results, task.axes, out / "trajectories.png")
    pictures.animation(results, out / "servo.gif")
    print(f"pictures: {out}/overlay.png, trajectories.png, servo.gif")
    if args.json:
        cli.save_json(args.json, {"command": args.typed, **origin(args, task, values), **summary})
    return 0


def origin(args: argparse.Namespace, task: Task, values: dict[str, str]) -> dict[str, str]:
    """Machine of a run, its weights, task, scene and code; of a graph that was there before, only the first."""
    from kovis_ros import runs
    from kovis_ros.method import checkpoint, disk, processor

    machine = {"processor": processor.described(os.cpu_count() or 1)}
    if args.attach:
        return machine
    path = checkpoint.find(values["checkpoint"] or task.name)
    return {**machine, "weights_sha256": disk.sha256(path), **runs.identity("graph", task)}
