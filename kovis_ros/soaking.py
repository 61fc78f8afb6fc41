"""Trials and random faults on one graph for a long time, and what came of it: the work of ``kovis soak``."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from kovis_ros.breaking import BreakableGraph, Measured
from kovis_ros.bringup.resources import FILLS_MB, Holding, growth, look
from kovis_ros.nodes.spin import EXIT_USAGE
from kovis_ros.nodes.trials import TrialError
from kovis_ros.nodes.ur5 import LINK_LOST
from kovis_sim.breaker import FAULTS, ZERO_S, Fault
from kovis_sim.ur_controller.side_channel import CYCLE_S, late_share

WHOLE_SHARE = 0.3  # of rounds without a fault: a whole trial with its completion motion
LONGEST_WAIT_S = 1.0  # the fault strikes at a random time of the motion
WATCH_S = 1.0
ALLOWED_LATE_S = 0.004
LONGEST_END_S = 5.0  # with a lost link, before the arm's node counts as stuck
LOSES_LINK = ("link cut", "link silent", "controller frozen")


class Soak:
    """One run. ``tell`` gets a line for each round."""

    def __init__(self, graph: BreakableGraph, rng: np.random.Generator, tell: Callable[[str], None]) -> None:
        self.graph, self.rng, self.tell = graph, rng, tell
        self.fault = "start of the graph"
        self.trials, self.converged, self.completed = 0, 0, 0
        self.measured: defaultdict[str, list[Measured]] = defaultdict(list)
        self.incomplete: list[str] = []  # whole trials, and why
        self.troubles: list[str] = []  # rounds that did not get going
        self.deaths: list[str] = []  # of processes that nobody killed
        self.ended: set[int] = set()
        self.looks: defaultdict[tuple[str, int], list[Holding]] = defaultdict(list)
        self.periods: list[tuple[float, float, float, float]] = []  # seconds, commands, share late, keypoints
        self.seconds = 0.0
        graph.client.check = self.check

    def run(self, seconds: float, seed: int) -> None:
        """Rounds until the time is over."""
        begun = time.monotonic()
        while self.seconds < seconds:
            self.seconds = time.monotonic() - begun
            try:
                self.tell(f"{self.seconds:6.0f} s  {self.round(seed)}")
            except TrialError as error:
                self.troubles.append(f"{self.fault or 'whole trial'}: {error}")
                self.tell(f"{self.seconds:6.0f} s  {self.troubles[-1]}")
            seed += 1
        self.graph.mend()
        self._look()

    def round(self, seed: int) -> str:
        """One trial or one fault; a line about it."""
        whole = self.rng.random() < WHOLE_SHARE
        fault = FAULTS[int(self.rng.integers(len(FAULTS)))]
        self.graph.mend()  # what ends meanwhile, ends because of the fault before
        before, self.fault = self.fault or "a whole trial", "" if whole else fault.name
        self._look()
        return self._whole(seed, before) if whole else self._broken(seed, fault)

    def _whole(self, seed: int, before: str) -> str:
        begun = time.monotonic()
        result = self.graph.client.run(seed, keep_frames=False)
        self.trials += 1
        self.converged += result.converged
        self.completed += result.completed
        seconds = time.monotonic() - begun
        commands = self.graph.channel.commands(seconds)
        seen = sum(came >= begun for _, came in self.graph.client.seen)
        self.periods.append((seconds, len(commands), late_share(commands, CYCLE_S, ALLOWED_LATE_S), seen))
        line = f"trial with seed {seed}: {'completed' if result.completed else result.message or 'not completed'}"
        if not result.completed:
            self.incomplete.append(f"{line}; before it {before}")
        return line

    def _broken(self, seed: int, fault: Fault) -> str:
        handle = self.graph.under_way(seed)
        lives = {child.process.name: child.popen.pid for child in self.graph.supervisor.children}
        self.graph.client.pause(float(self.rng.uniform(0.0, LONGEST_WAIT_S)))
        measured = self.graph.stop_at(fault, WATCH_S)
        self.graph.breaker.heal(fault)
        self.measured[fault.name].append(measured)
        if fault.name in LOSES_LINK:  # on a busy machine its node takes longer to end than the arm is watched
            self.graph.client.until(lambda: lives["ur5"] in self.ended, LONGEST_END_S, "end of the arm's node")
        if fault.what not in ("servo", "*"):
            self.graph.ended(handle)
        return f"{fault.name}: at rest {1e3 * measured.late_s:.0f} ms after the limit"

    def check(self) -> None:
        """Note who ended, then let the supervisor start it again."""
        for child in self.graph.supervisor.children:
            code, pid = child.popen.poll(), child.popen.pid
            if code is None or pid in self.ended:
                continue
            self.ended.add(pid)
            if not expected(self.fault, child.process.name, code):
                self.deaths.append(f"{child.process.name} ended with {code} during {self.fault or 'a whole trial'}")
        self.graph.supervisor.check()

    def _look(self) -> None:
        now = time.monotonic()
        pids = [(child.process.name, child.popen.pid) for child in self.graph.supervisor.children]
        for name, pid in [*pids, ("soak", os.getpid())]:
            if holding := look(pid, now):
                self.looks[name, pid].append(holding)

    def report(self) -> dict[str, Any]:
        """The run as one JSON object; ``problems`` is empty when all is well."""
        faults = {name: summary(rows) for name, rows in sorted(self.measured.items())}
        processes = {name: self._process(name) for name in sorted({name for name, _ in self.looks})}
        problems = [f"{name}: {words}" for name, row in faults.items() for words in complaints(row)] + self.deaths
        problems += [f"{name} leaks: {row['leaks']}" for name, row in processes.items() if row["leaks"]]
        problems += [f"{len(self.troubles)} rounds did not get going"] if self.troubles else []
        return {
            "minutes": self.seconds / 60.0, "trials": self.trials, "converged": self.converged,
            "completed": self.completed, "faults": faults, "faults_injected": sum(map(len, self.measured.values())),
            "faults_survived": sum(row["survived"] for row in faults.values()), "rates": self._rates(),
            "processes": processes, "incomplete": self.incomplete, "rounds_not_started": self.troubles,
            "problems": problems,
        }  # fmt: skip

    def _rates(self) -> dict[str, float]:
        """Of the whole trials, in which nothing was broken; empty when there was none."""
        if not self.periods:
            return {}
        seconds, commands, late, seen = np.array(self.periods).T
        return {
            "commands_hz": float(commands.sum() / seconds.sum()),
            "commands_late_share": float((late * commands).sum() / commands.sum()),
            "keypoints_hz": float(seen.sum() / seconds.sum()),
        }

    def _process(self, name: str) -> dict[str, Any]:
        lives = [looks for (owner, _), looks in self.looks.items() if owner == name]
        longest = max(lives, key=lambda looks: looks[-1].at_s - looks[0].at_s)
        grown, last = growth(lives), longest[-1]
        row = {"lives": len(lives), "memory_mb": last.memory_mb, "threads": last.threads, "files": last.files}
        return {
            **row,
            "growth": grown._asdict() if grown else None,
            "leaks": grown.leaks(FILLS_MB.get(name, 0.0)) if grown else "",
        }


def summary(rows: list[Measured]) -> dict[str, Any]:
    """How often a fault was injected and survived, that is: the arm came to rest and stayed so; how late at worst.

    Counted apart are arms that never stopped, and those that had stood and moved once more.
    """
    moved_on = sum(not np.isfinite(row.zero_s) for row in rows)
    stopped = [row.late_s for row in rows if np.isfinite(row.zero_s) and not row.again]
    late = sum(late_s > ZERO_S for late_s in stopped)
    again = len(rows) - moved_on - len(stopped)
    return {
        "injected": len(rows), "survived": len(stopped), "moved_on": moved_on, "moved_again": again,
        "over_the_limit": late, "worst_s": max(stopped, default=None),
    }  # fmt: skip


def complaints(row: dict[str, Any]) -> list[str]:
    """What was wrong with the stops after one fault, from its `summary`."""
    injected, words = row["injected"], []
    if row["moved_on"]:
        words.append(f"the arm moved on, {row['moved_on']} of {injected} times")
    if row["moved_again"]:
        words.append(f"the arm stood and moved again, {row['moved_again']} of {injected} times")
    if row["over_the_limit"]:
        late, worst = row["over_the_limit"], 1e3 * row["worst_s"]
        words.append(f"the arm stood too late, {late} of {injected} times, {worst:.0f} ms after the limit at worst")
    return words


def expected(fault: str, name: str, code: int) -> bool:
    """Did the process end because of the fault?

    An arm's node that is started again is refused while the arm is in a protective stop: it had just pushed too hard.
    """
    killed = fault in (f"{name} killed", "all nodes killed at once")
    if name != "ur5":
        return killed and code == -9
    return (killed and code in (-9, EXIT_USAGE)) or (fault in LOSES_LINK and code in (LINK_LOST, EXIT_USAGE))
