"""The task with all six axes: its success, and what is left on each axis where the servo stops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kovis_ros.report import success
from kovis_ros.report.results import Results, shipped
from kovis_ros.report.tables import MISSING, Record, Table, all_marked, percent, select
from kovis_ros.report.trajectories import AXES

TASK = "pick_mug_6d"
SERVO = shipped(TASK)


def records(results: Results) -> list[Record]:
    """A line for each renderer that was run."""
    return success.records(results, [TASK], [])


def tables(results: Results, lines: Sequence[Record]) -> list[Table]:
    """Trials, then axes."""
    header = ["", "task success", "aligned, and did its task", "false convergence", "median error", "90th percentile"]
    body = [[seen, *row(select(lines, seen=seen))] for seen in success.STUDIES.values()]
    return [
        Table("All six axes: closed loop", header, body),
        Table("All six axes: median of what is left on each", ["trajectories", *AXES], [left(results)]),
    ]


def row(own: Sequence[Record]) -> list[str]:
    """Trials on pictures of one renderer."""
    if not own:
        return [MISSING] * 5
    found = own[0]
    shares = [percent(found[name], 1) for name in ("aligned_and_succeeded_rate", "false_converged_rate")]
    errors = [success.errors(found), success.errors(found, "p90")]
    return all_marked([success.shown(found), *shares, *errors], found)


def left(results: Results) -> list[str]:
    """Number of trajectories, and the median size of their last error on each axis, mm and deg."""
    found = results.figures(SERVO, "trajectories")
    if found is None:
        return [MISSING] * (1 + len(AXES))
    known = {"stale": results.stale(SERVO, "trajectories")}
    last = np.median(np.abs([trial["errors"][-1] for trial in found["trajectories"]]), axis=0)
    sizes = dict(zip(found["axes"], last, strict=True))
    shown = [f"{np.degrees(sizes[a]):.2f} deg" if a.startswith("r") else f"{1e3 * sizes[a]:.2f} mm" for a in AXES]
    return [str(len(found["trajectories"])), *all_marked(shown, known)]
