"""Rows of a study: they survive a kill, and the workers that make them do not."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kovis_sim.studies import rows

ROOT = Path(__file__).resolve().parents[1]


class Square:
    """A job that tells which rows it made."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def __call__(self, index: int) -> dict[str, Any]:
        self.made.append(index)
        return {"index": index, "square": index**2}


def test_rows_go_on_where_they_stopped(tmp_path: Path) -> None:
    ledger = tmp_path / "work" / "rows.jsonl"
    first = rows.collect(Square(), 3, ledger, {"seed": 1}, workers=1)
    ledger.write_text(ledger.read_text()[:-4])  # a kill cut the last row short
    again = Square()
    found = rows.collect(again, 5, ledger, {"seed": 1}, workers=1)
    assert again.made == [2, 3, 4] and found[:3] == first
    assert [row["square"] for row in found] == [0, 1, 4, 9, 16]
    with pytest.raises(rows.StudyError, match="other settings, weights or code: delete it"):
        rows.collect(Square(), 5, ledger, {"seed": 2}, workers=1)


@pytest.mark.parametrize("cut", ["", '{"index": 0, "squ'])
def test_a_study_killed_before_its_first_row_keeps_no_other_from_beginning(tmp_path: Path, cut: str) -> None:
    ledger = tmp_path / "rows.jsonl"
    assert rows.begin(ledger, {"seed": 1}) == []
    ledger.write_text(ledger.read_text() + cut)
    assert [row["square"] for row in rows.collect(Square(), 2, ledger, {"seed": 2}, workers=1)] == [0, 1]
    assert len(rows.begin(ledger, {"seed": 2})) == 2


OF_A_STUDY = """
from kovis_sim import workers
from test_study_rows import slow
if __name__ == "__main__":
    for row in workers.made(slow, range(2), 2):
        os.kill(os.getpid(), 9)
"""
OF_AN_EVALUATION = """
from kovis_ros.method.config import load_task
from kovis_sim.evaluate import evaluate
def load():
    os.kill(os.getppid(), 9)
    time.sleep(3600.0)
if __name__ == "__main__":
    evaluate(load_task("pick_mug"), load, 2, workers=2)
"""


@pytest.mark.parametrize("script", [OF_A_STUDY, OF_AN_EVALUATION], ids=["study", "evaluation"])
def test_workers_of_a_killed_parent_end(tmp_path: Path, script: str) -> None:
    """They must not outlive their parent: what is started again would find the cores taken."""
    path = tmp_path / "script.py"
    path.write_text(f"import os, sys, time\nsys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'test')!r}]\n{script}")
    subprocess.run([sys.executable, str(path)], capture_output=True, timeout=180.0)  # until nobody holds its output


def slow(index: int) -> dict[str, Any]:
    """The first row comes at once, the others in an hour."""
    time.sleep(3600.0 * (index > 0))
    return {"index": index}
