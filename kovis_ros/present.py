"""What a stored result would depend on if it were measured now: `kovis report` marks those of anything else.

Hashing a scene takes a tenth of a second, so each identity is made once, and only for results that are there.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from kovis_ros import grid, measuring, runs
from kovis_ros.method.config import ConfigError, load_task
from kovis_ros.report.plan import Plan
from kovis_ros.report.results import Results, Servo
from kovis_sim import mugs
from kovis_sim.studies import STUDIES
from kovis_sim.studies.settings import for_shipped, load


class Present:
    """Identities of today's code, tasks and frozen settings, but for the weights; and what these settings plan."""

    def __init__(self) -> None:
        self.settings = load()
        self.of_study = lru_cache(maxsize=None)(self._of_study)
        self.of_run = lru_cache(maxsize=None)(self._of_run)
        self.of_training = lru_cache(maxsize=None)(self._of_training)

    def __call__(self, servo: Servo, study: str) -> dict[str, Any]:
        """Of a servo's training, of one of its studies, or of a run that is none of them: see ``kovis_ros/runs.py``."""
        if study == "training":
            return self.of_training(servo)
        if study in runs.NAMES:
            return self.of_run(servo.task, study)
        return self.of_study(servo.task, study, not servo.keypoints)

    def _of_study(self, name: str, study: str, shipped: bool) -> dict[str, Any]:
        """As `kovis measure` has it, or `kovis grid`, whose cells of one task differ in networks and training alone."""
        task, settings = load_task(name), for_shipped(self.settings) if shipped else self.settings
        if not shipped:
            task = grid.cell(task, settings.grid.tables, False, settings.grid).task
        found = measuring.identify(STUDIES[study], task, "", settings)
        return {name: value for name, value in found.items() if name != "weights_sha256"}

    def _of_run(self, task: str, name: str) -> dict[str, Any]:
        """As the command has it that makes the run; a task that lies somewhere else is another one."""
        try:
            return dict(runs.identity(name, load_task(task)))
        except ConfigError:
            return {"task_sha256": ""}

    def _of_training(self, servo: Servo) -> dict[str, Any]:
        """As `kovis grid` has it; a servo that the grid no longer has is of no recipe."""
        cell = self.cells.get(servo)
        return {"recipe": ""} if cell is None else self.recipes.identity(cell)

    @cached_property
    def plan(self) -> Plan:
        """Columns of the tables: of the grid, cells that stand beside it included."""
        config = self.settings.grid
        columns = {*config.keypoints, *(other.keypoints for other in config.others)}
        seen, unseen = (len(mugs.members(split)) for split in ("train", "test"))
        return Plan(tuple(sorted(columns)), config.tables, seen, unseen)

    @cached_property
    def recipes(self) -> grid.Grid:
        """Of the frozen settings; it runs nothing here."""
        return grid.Grid(self.settings, measuring.Places(Results(Path()), Path()))

    @cached_property
    def cells(self) -> dict[Servo, grid.Cell]:
        """All cells by their servo."""
        return {cell.servo: cell for cell in grid.cells(self.settings)}
