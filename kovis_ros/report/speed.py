"""What `kovis bench` and `kovis rates` measured, as tables."""

from __future__ import annotations

from typing import Any

from kovis_ros.report.results import Results, read
from kovis_ros.report.tables import MISSING, Table

FILES = {"bench": "Speed", "rates": "Commands at the arm, networks on the same processor"}  # name.json: title
HEADER = ["speed", "measured", "reference", "ratio", "bar", ""]
VERDICT = {True: "met", False: "missed", None: ""}


def tables(results: Results) -> list[Table]:
    """A table for each of ``FILES``, from that file in the folder of results."""
    return [table(read(results.folder / f"{name}.json"), title) for name, title in FILES.items()]


def table(found: dict[str, Any] | None, title: str) -> Table:
    """The rows of one file."""
    if found is None:
        return Table(title, HEADER, [["", MISSING, "", "", "", ""]])
    return Table(f"{title}: {found['processor']}", HEADER, [line(row) for row in found["rows"]])


def commands(results: Results) -> list[str]:
    """What was typed to measure them."""
    files = [read(results.folder / f"{name}.json") for name in FILES]
    return [str(found["command"]) for found in files if found is not None]


def line(row: dict[str, Any]) -> list[str]:
    """One figure; what has no value was not run."""
    measured = MISSING if row["value"] is None else f"{row['value']:.3g}"
    reference = "" if row["reference"] is None else f"{row['reference']:.3g}"
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    return [row["name"], measured, reference, ratio, row["bar"], VERDICT[row["met"]]]
