"""What `kovis bench` measured, as a table."""

from __future__ import annotations

from typing import Any

from kovis_ros.report.results import Results, read
from kovis_ros.report.tables import MISSING, Table

HEADER = ["speed", "measured", "reference", "ratio", "bar", ""]
VERDICT = {True: "met", False: "missed", None: ""}


def table(results: Results) -> Table:
    """The rows of ``bench.json`` in the folder of results."""
    found = read(results.folder / "bench.json")
    if found is None:
        return Table("Speed", HEADER, [["", MISSING, "", "", "", ""]])
    return Table(f"Speed on {found['processor']}", HEADER, [line(row) for row in found["rows"]])


def line(row: dict[str, Any]) -> list[str]:
    """One figure; what has no value was not run."""
    measured = MISSING if row["value"] is None else f"{row['value']:.3g}"
    reference = "" if row["reference"] is None else f"{row['reference']:.3g}"
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    return [row["name"], measured, reference, ratio, row["bar"], VERDICT[row["met"]]]
