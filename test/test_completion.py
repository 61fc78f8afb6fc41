"""The judge of a completion: whatever was worst while nothing moved is what counts."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from kovis_ros.method.config import SuccessConfig, load_task  # noqa: E402
from kovis_sim import completion  # noqa: E402
from kovis_sim.success import Progress  # noqa: E402

GOOD = Progress(distance_m=0.010, lateral_m=0.001, penetration_m=0.0)


def judged(monkeypatch, worst, force_n=5.0):
    """A shaft that is seated for five ticks, but for the third."""
    task = load_task("insert_shaft")
    task = dataclasses.replace(task, success=dataclasses.replace(task.success, hold_s=5 * completion.TICK_S))
    scene = SimpleNamespace(task=task, q=np.zeros(6), opening_m=0.05, follow=lambda *state: force_n)
    moments = iter([GOOD, GOOD, GOOD, worst, GOOD, GOOD])
    monkeypatch.setattr(completion, "progress", lambda scene, stood_m: next(moments))
    return completion.Motion(scene).judge(0.0)


def test_a_fit_that_stays_counts(monkeypatch):
    outcome = judged(monkeypatch, GOOD)
    assert outcome.success and outcome[1:] == (*GOOD, 5.0)


@pytest.mark.parametrize("hook", [True, False])
def test_a_pinch_lifts_but_is_no_hook(hook):
    wanted = SuccessConfig(kind="lift", distance_m=0.050, hook=hook)
    pinch = Progress(distance_m=0.060, lateral_m=0.0, penetration_m=0.0, pinched=True)
    assert pinch.enough(wanted, 5.0) is not hook and pinch._replace(pinched=False).enough(wanted, 5.0)
    assert pinch._replace(pinched=False).worse(pinch).pinched


@pytest.mark.parametrize(
    "worst",
    [{"distance_m": 0.007}, {"lateral_m": 0.0031}, {"penetration_m": 0.0021}],
    ids=lambda worst: next(iter(worst)),
)
def test_a_moment_that_is_no_fit_is_enough_to_fail(monkeypatch, worst):
    outcome = judged(monkeypatch, GOOD._replace(**worst))
    assert not outcome.success
    assert {name: getattr(outcome, name) for name in worst} == worst


def test_too_much_force_while_it_holds_fails(monkeypatch):
    assert not judged(monkeypatch, GOOD, force_n=101.0).success
