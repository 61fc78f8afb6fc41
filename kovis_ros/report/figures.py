"""What the figures have in common: a sheet of plots and their titles."""

from __future__ import annotations

from typing import Any

from kovis_ros.report import paper
from kovis_ros.report.results import Results, shipped
from kovis_ros.report.tables import MISSING, marked


def sheet(rows: int, columns: int, size: float) -> tuple[Any, Any]:
    """A figure and its axes (rows, columns), ``size`` inches each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size * columns, size * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def title(results: Results, task: str, study: str) -> str:
    """Name of a task over what was found, or that nothing was."""
    if results.figures(shipped(task), study) is None:
        return f"{paper.title(task)}: {MISSING}"
    return marked(paper.title(task), {"stale": results.stale(shipped(task), study)})
