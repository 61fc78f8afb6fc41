"""The main function of every node: own signal handling, zero on every exit, one line for an error of ours."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

import rclpy
from rclpy.context import Context
from rclpy.executors import Executor, ShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

EXIT_USAGE = 2
EXIT_MISSING = 3
INSTALL = "run `make setup`, or pip install 'kovis_ros[torch,sim,bags,ur,realsense]' beside a sourced ROS 2"
LAST_SPINS = 5
OURS = ("kovis_ros.", "kovis_sim.")


def main(
    make: Callable[[], Node],
    arguments: Sequence[str] | None = None,
    switch_interval_s: float = 0.001,
) -> int:
    """Run the node that ``make`` gives until SIGINT or SIGTERM; returns the exit code.

    rclpy's own handlers end the context before a last zero can be published, so they are not installed.
    ``make`` may raise an error of ours: one line, exit 2; a package that is missing: exit 3. A node that sets its
    attribute ``exit_code`` ends by itself with that code.
    """
    sys.setswitchinterval(switch_interval_s)  # the default of 5 ms is how long one thread may keep the timer waiting
    words = list(arguments) if arguments is not None else None
    try:
        rclpy.init(args=words, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # of rcl, which says over several lines where in its sources it noticed
        print(f"error: ROS arguments cannot be used: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)
        return EXIT_USAGE
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, frame: stopping.append(received))
    try:
        return _run(make, stopping)
    finally:
        rclpy.try_shutdown()


def frugal(context: Context | None = None) -> Executor:
    """The executor of rclpy that waits in C++, where there is one (Kilted and newer).

    The other builds its lists anew for each message: the servo node took 29 % of a core with it and takes 16 % with
    this one, the arm's node 32 and 26 %, in which its commands wait for the interpreter. With all nodes and the client
    on two full cores, keypoints of 848x480 images at 30 Hz came at 28.6 Hz with it and at 25.4 without.
    """
    try:
        from rclpy.experimental.events_executor import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor(context=context)
    return EventsExecutor(context=context)


def _run(make: Callable[[], Node], stopping: list[int]) -> int:
    try:
        node = make()
    except Exception as error:
        return explain(error)
    executor = frugal()
    executor.add_node(node)
    try:
        return _spin(executor, node, stopping)
    except Exception as error:
        return explain(error)
    finally:
        _stop(node, executor)
        executor.shutdown(timeout_sec=0.5)
        node.destroy_node()


def _spin(executor: Executor, node: Node, stopping: list[int]) -> int:
    while not stopping and getattr(node, "exit_code", None) is None:
        try:
            executor.spin_once(timeout_sec=0.05)
        except ShutdownException:
            break
    return int(getattr(node, "exit_code", None) or 0)


def _stop(node: Node, executor: Executor) -> None:
    """Let the node send its zeros, and what it ended give its results."""
    stop = getattr(node, "stop", None)
    if stop is not None:
        stop()
        for _ in range(LAST_SPINS):
            executor.spin_once(timeout_sec=0.005)


def explain(error: Exception) -> int:
    """Print an error of ours as one line; anything else is a fault of the program and keeps its traceback."""
    if isinstance(error, ModuleNotFoundError):
        print(f"error: {error}: {INSTALL}", file=sys.stderr, flush=True)
        return EXIT_MISSING
    if type(error).__module__.startswith(OURS):
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        return EXIT_USAGE
    raise error
