"""Starts, watches and stops the processes of a graph: no launch system, just enough for ``kovis servo`` and tests."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from kovis_ros.bringup.graph import Process

PR_SET_PDEATHSIG = 1
INTERRUPT_S, TERMINATE_S = 6.0, 2.0  # patience before the next, harder signal
RESTART_DELAY_S = 1.0
FIRST_S = 20.0  # patience with a process that the next ones need
LOG_LINES = 12


class GraphError(RuntimeError):
    """A process of the graph ended or did not get ready; the message holds the end of its log."""


def command_line(process: Process) -> list[str]:
    """What is executed without a launch system; ROS arguments as launch_ros gives them."""
    words = [sys.executable if word == "python3" else word for word in process.command]
    if not process.executable:
        return words
    words += ["--ros-args", "-r", f"__node:={process.name}", "-r", f"__ns:={process.namespace}"]
    words += ["--log-level", process.log_level]
    for file in process.parameter_files:
        words += ["--params-file", file]
    for name, value in process.parameters.items():
        words += ["-p", f"{name}:={json.dumps(value)}"]
    for source, target in process.remaps:
        words += ["-r", f"{source}:={target}"]
    return words


class Child:
    """One running process with its log file."""

    def __init__(self, process: Process, log: Path, environment: Mapping[str, str]) -> None:
        self.process, self.log, self.environment = process, log, environment
        self.restarts = 0
        self.ready = False
        self.ended_at: float | None = None
        self._read_from = 0
        self.start()

    def start(self) -> None:
        """Start it (again); its output is appended to the log."""
        self._read_from = self.log.stat().st_size if self.log.exists() else 0
        self.ready, self.ended_at = not self.process.ready, None
        with self.log.open("ab") as output:
            try:
                self.popen = subprocess.Popen(
                    command_line(self.process), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    env={**os.environ, **self.environment}, start_new_session=True, preexec_fn=_die_with_parent,
                )  # fmt: skip
            except FileNotFoundError as error:
                raise GraphError(f"{self.process.name}: {error.filename} is not installed") from error

    def look(self) -> int | None:
        """Exit code if it has ended; notes when it says that it is ready."""
        if not self.ready:
            with self.log.open("rb") as output:
                output.seek(self._read_from)
                self.ready = says(self.process.ready, output.read().decode(errors="replace"))
        return self.popen.poll()

    def tail(self) -> str:
        """The line in which a node tells its error, else the last lines of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        told = [line for line in lines if line.startswith("error: ")]
        return told[-1] if told else "\n".join(lines)


def says(word: str, log: str) -> bool:
    """Is the word in a log, other than after "not": an arm that is not ready tells why."""
    return re.search(rf"(?<!not ){re.escape(word)}", log) is not None


class Supervisor:
    """The processes of one graph; a context manager that leaves none of them behind.

    environment: for all processes, under what each names itself. Children get signals from here alone (each has its
    own session), and end when this process is killed.
    """

    def __init__(self, processes: Sequence[Process], logs: Path, environment: Mapping[str, str] | None = None) -> None:
        self.processes, self.logs = list(processes), Path(logs)
        self.environment = dict(environment or {})
        self.children: list[Child] = []

    def __enter__(self) -> Supervisor:
        self.logs.mkdir(parents=True, exist_ok=True)
        try:
            for process in self.processes:
                log = self.logs / f"{process.name}.log"
                log.unlink(missing_ok=True)
                self.children.append(Child(process, log, {**process.environment, **self.environment}))
                if process.first:
                    self.wait_ready(FIRST_S)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until every process says so; GraphError names the one that ends or does not."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.check()
            late = [child for child in self.children if not child.ready]
            if not late:
                return
            if time.monotonic() > deadline:
                name, log = late[0].process.name, late[0].tail()
                raise GraphError(f"{name} was not ready in {timeout_s:.0f} s; its log:\n{log}")
            time.sleep(0.05)

    def check(self) -> None:
        """Restart what may be restarted; GraphError when a required process has ended."""
        for child in self.children:
            code = child.look()
            if code is None:
                continue
            if child.process.restart and (child.ready or child.restarts):
                self._restart(child)
            elif child.process.required or (child.process.restart and not child.ready):
                reason = f"signal {-code}" if code < 0 else f"code {code}"
                raise GraphError(f"{child.process.name} ended with {reason}; its log ({child.log}): {child.tail()}")

    def _restart(self, child: Child) -> None:
        now = time.monotonic()
        if child.ended_at is None:
            child.ended_at = now
        elif now - child.ended_at >= RESTART_DELAY_S:
            child.restarts += 1
            child.start()

    def stop(self) -> None:
        """End the children: ROS nodes first, whose zeros the arm's controller must still hear, then the others."""
        nodes = [child.popen for child in self.children if child.process.executable]
        _end(nodes)
        _end([child.popen for child in self.children if child.popen not in nodes])
        self.children.clear()


def _end(running: Sequence[subprocess.Popen[bytes]]) -> None:
    """SIGINT, then SIGTERM, then SIGKILL, to these children alone."""
    for number, patience in ((signal.SIGINT, INTERRUPT_S), (signal.SIGTERM, TERMINATE_S), (signal.SIGKILL, 10.0)):
        alive = [popen for popen in running if popen.poll() is None]
        for popen in alive:
            popen.send_signal(number)
        deadline = time.monotonic() + patience
        for popen in alive:
            try:
                popen.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue


def _die_with_parent() -> None:
    """In the child: SIGTERM when the supervisor dies, so that a killed command leaves no arm node behind (Linux)."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    except (OSError, AttributeError):
        return
