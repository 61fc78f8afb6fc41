"""What `kovis bench` and `kovis rates` measured, as tables."""

from __future__ import annotations

from typing import Any

from kovis_ros.report.results import Results, read, shipped
from kovis_ros.report.tables import MISSING, Record, Table, all_marked

FILES = {"bench": "Speed", "rates": "Commands at the arm, networks on the same processor"}  # name.json: title
HEADER = ["speed", "measured", "reference", "ratio", "bar", ""]
VERDICT = {True: "met", False: "missed", None: ""}


def tables(results: Results) -> list[Table]:
    """A table for each of ``FILES``, from that file in the folder of results."""
    return [table(results, name, title) for name, title in FILES.items()]


def table(results: Results, name: str, title: str) -> Table:
    """The rows of one file."""
    found = stored(results, name)
    if found is None:
        return Table(title, HEADER, [["", MISSING, "", "", "", ""]])
    known = {"stale": stale(results, name)}
    return Table(f"{title}: {found['processor']}", HEADER, [line(row, known) for row in found["rows"]])


def records(results: Results) -> list[Record]:
    """A line for each figure of each file; what has no value was not run."""
    lines = []
    for name in FILES:
        if found := stored(results, name):
            known = Record(command=name, task=found["task"], processor=found["processor"])
            lines += [known | row | {"stale": stale(results, name)} for row in found["rows"]]
    return lines


def stored(results: Results, name: str) -> dict[str, Any] | None:
    """One file, None when it was not run."""
    return read(results.folder / f"{name}.json")


def stale(results: Results, name: str) -> str:
    """What a file was measured with that is another one now, but for weights; empty for nothing or for no file."""
    found = stored(results, name)
    return "" if found is None else results.stale_run(shipped(found["task"]), name, found, weights=False)


def commands(results: Results) -> list[str]:
    """What was typed to measure them."""
    files = [stored(results, name) for name in FILES]
    return [str(found["command"]) for found in files if found is not None]


def line(row: dict[str, Any], known: Record) -> list[str]:
    """One figure; what has no value was not run. ``known``: is it stale."""
    reference = "" if row["reference"] is None else f"{row['reference']:.3g}"
    if row["value"] is None:
        return [row["name"], MISSING, reference, "", row["bar"], ""]
    ratio = [] if row["ratio"] is None else [f"{row['ratio']:.2f}"]
    measured, *beside = all_marked([f"{row['value']:.3g}", *ratio], known)
    return [row["name"], measured, reference, *(beside or [""]), row["bar"], VERDICT[row["met"]]]
