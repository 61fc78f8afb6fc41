"""Tables as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

MISSING, DOES_NOT_APPLY = "not run", "n/a"
MARK = "†"  # of what is another one now, see ``Results.stale``
Record = dict[str, Any]  # a line of a CSV file


class Table(NamedTuple):
    """One table of the page."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def markdown(table: Table) -> str:
    """The table with its title as a paragraph before it."""
    lines = [line(table.header), line(["---"] * len(table.header)), *map(line, table.rows)]
    return f"**{table.title}**\n\n" + "\n".join(lines) + "\n"


def line(cells: Sequence[str]) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def select(records: Sequence[Record], **wanted: Any) -> list[Record]:
    """The records that have these values."""
    return [record for record in records if all(record.get(name) == value for name, value in wanted.items())]


def comma_separated(records: Sequence[Record]) -> str:
    """CSV with the names of all records; what a record lacks stays empty."""
    names = list(dict.fromkeys(name for record in records for name in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def percent(value: float, digits: int = 0) -> str:
    """0.974 as 97 %."""
    return f"{100.0 * value:.{digits}f} %"


def marked(text: str, record: Record) -> str:
    """The text, with a mark where it was measured with what is another one now."""
    return f"{text} {MARK}" if record.get("stale") else text


def all_marked(cells: Sequence[str], record: Record) -> list[str]:
    """The numbers of a row, each as ``marked``."""
    return [marked(cell, record) for cell in cells]


def left_out(count: int, why: str) -> str:
    """A remark on what a number does without; empty for none."""
    return f"; {count} {why}" if count else ""


def save(path: Path, text: str) -> None:
    """Write a text whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    os.replace(part, path)
