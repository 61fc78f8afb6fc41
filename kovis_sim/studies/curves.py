"""Success against mount error, start distance, offset in the hand and latency, from one pooled draw of trials."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import metrics
from kovis_ros.method.config import Task
from kovis_ros.method.parsing import Range
from kovis_sim import camera, closed_loop, hand
from kovis_sim.scene import Scene
from kovis_sim.studies import rows
from kovis_sim.studies.anchoring import direction
from kovis_sim.studies.rows import Row
from kovis_sim.studies.settings import CurveConfig, Settings

LATENCY = "latency_s"


class Condition(NamedTuple):
    """What a trial may be pushed by, and between which limits."""

    usual: Range
    widest: Range


def conditions(task: Task, config: CurveConfig) -> dict[str, Condition]:
    """By name, in metres, degrees and seconds; the offset in the hand only where something is held."""
    held = {"held_m": Condition(*config.held_m)} if task.held.mesh else {}
    return {
        "mount_m": Condition(*config.mount_m),
        "mount_deg": Condition(*config.mount_deg),
        "start_m": Condition(*config.start_m),
        **held,
        LATENCY: Condition((0.0, 0.0), (0.0, config.latest * closed_loop.IMAGE_PERIOD_S)),
    }


def draw(known: dict[str, Condition], rng: np.random.Generator) -> dict[str, float]:
    """Values of a trial: one condition is uniform over its widest range, the others over their usual one.

    Pushed all at once, most trials would fail and no curve would say by what. Latency is whole image periods.
    """
    pushed = list(known)[rng.integers(len(known))]
    values = {n: float(rng.uniform(*(c.widest if n == pushed else c.usual))) for n, c in known.items()}
    periods = round(known[LATENCY].widest[1] / closed_loop.IMAGE_PERIOD_S)
    values[LATENCY] = closed_loop.IMAGE_PERIOD_S * int(rng.integers(periods + 1)) if pushed == LATENCY else 0.0
    return values


def arrange(scene: Scene, values: dict[str, float], rng: np.random.Generator) -> None:
    """A new trial under these conditions; directions of mount error and offset are random."""
    scene.rng, config = rng, scene.task.camera
    scene.place_target(hand.shifted(scene.task.held, rng, values.get("held_m", 0.0)))
    position = values["mount_m"] * direction(rng, 3)
    scene.camera = camera.mounted(config, rng, position, np.radians(values["mount_deg"]) * direction(rng, 3))
    scene.new_look()
    scene.start(values["start_m"])


class CurveJob(NamedTuple):
    """One trial of the pool."""

    task: Task
    checkpoint: str
    settings: Settings

    def __call__(self, index: int) -> Row:
        """Conditions and trial; one without a free start has none."""
        config = self.settings.curves
        rng = np.random.default_rng([config.seed, index])
        values = draw(conditions(self.task, config), rng)
        scene, policy = rows.scene(self.task, "test"), rows.policy(self.checkpoint)
        try:
            arrange(scene, values, rng)
        except closed_loop.NO_START as error:
            return Row(index=index, conditions=values, success=False, failed=str(error))
        late = round(values[LATENCY] / closed_loop.IMAGE_PERIOD_S)
        trial = closed_loop.servo(scene, policy, index, late=late)
        return Row(index=index, conditions=values, success=trial.success, trial=closed_loop.plain(trial))


def figures(task: Task, settings: Settings, found: list[Row]) -> dict[str, Any]:
    """``metrics.Bin`` by condition, of the trials in which no other condition leaves its usual range.

    Trials without a free start say nothing of the servo: they are counted apart.
    """
    known = conditions(task, settings.curves)
    begun, good = np.array([[("failed" not in row), row["success"]] for row in found]).T
    values = {name: np.array([row["conditions"][name] for row in found]) for name in known}
    curves = {}
    for name, condition in known.items():
        use = np.all([within(values[n], c.usual) for n, c in known.items() if n != name], axis=0)
        edges = limits(name, condition, settings.curves.bins)
        bins = metrics.binned(values[name][use & begun], good[use & begun], edges)
        lost = metrics.binned(values[name][use & ~begun], good[use & ~begun], edges)
        curves[name] = [b._asdict() | {"no_start": none.trials} for b, none in zip(bins, lost, strict=True)]
    counts = {"trials": int(begun.sum()), "no_start": int((~begun).sum())}
    return {**counts, "curves": curves, "columns": [*known, "success"], "rows": compact(found)}


def compact(found: list[Row]) -> list[list[float | None]]:
    """Conditions and success (1 or 0, None without a free start) of each trial."""
    return [
        [*(round(float(v), 5) for v in row["conditions"].values()), None if "failed" in row else int(row["success"])]
        for row in found
    ]


def within(values: NDArray[np.float64], usual: Range) -> NDArray[np.bool_]:
    """Which values lie in a range."""
    return np.asarray((values >= usual[0]) & (values <= usual[1]))


def limits(name: str, condition: Condition, bins: int) -> NDArray[np.float64]:
    """Edges of the bins: equal ones; one about each image period of latency."""
    low, high = condition.widest
    if name == LATENCY:
        half, count = closed_loop.IMAGE_PERIOD_S / 2.0, round(high / closed_loop.IMAGE_PERIOD_S)
        return np.linspace(low - half, high + half, count + 2)
    return np.linspace(low, high, bins + 1)
