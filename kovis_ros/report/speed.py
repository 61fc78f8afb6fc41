"""What `kovis bench` measured, as a table."""

from __future__ import annotations

from kovis_ros.report.results import Results, read
from kovis_ros.report.tables import MISSING, Table

HEADER = ["speed", "measured", "reference", "ratio", "bar", ""]


def table(results: Results) -> Table:
    """The rows of ``bench.json`` in the folder of results."""
    found = read(results.folder / "bench.json")
    if found is None:
        return Table("Speed", HEADER, [["", MISSING, "", "", "", ""]])
    verdict = {True: "met", False: "missed", None: ""}
    rows = [
        [row["name"], f"{row['value']:.3g}", f"{row['reference']:.3g}", f"{row['ratio']:.2f}", row["bar"],
         verdict[row["met"]]]
        for row in found["rows"]
    ]  # fmt: skip
    return Table(f"Speed on {found['processor']}", HEADER, rows)
