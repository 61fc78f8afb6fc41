"""The judge of a completion: whatever was worst while nothing moved is what counts."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from kovis_ros.method.config import CompletionStep, SuccessConfig, load_task  # noqa: E402
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


@pytest.mark.parametrize("kind", ["lift", "seat"])
def test_a_completion_that_pressed_too_hard_is_none(kind):
    wanted = SuccessConfig(kind=kind, distance_m=0.010, force_n=100.0)
    done = Progress(distance_m=0.011, lateral_m=0.0, penetration_m=0.0)
    assert done.enough(wanted, 100.0) and not done.enough(wanted, 100.1)


@pytest.mark.parametrize(
    "worst",
    [{"distance_m": 0.007}, {"lateral_m": 0.0031}, {"penetration_m": 0.0021}],
    ids=lambda worst: next(iter(worst)),
)
def test_a_moment_that_is_no_fit_is_enough_to_fail(monkeypatch, worst):
    outcome = judged(monkeypatch, GOOD._replace(**worst))
    assert not outcome.success
    assert {name: getattr(outcome, name) for name in worst} == worst


def test_a_grip_is_as_hard_as_its_step_says_and_stays_so():
    told = []
    scene = SimpleNamespace(task=None, q=np.zeros(6), opening_m=0.01, world_T_tcp=np.eye(4), solve=lambda pose, q: q)
    scene.cell = SimpleNamespace(contact_force=lambda: 0.0)
    scene.follow = lambda q, opening_m, dt, grip_n: told.append((round(opening_m, 3), grip_n)) or 0.0
    motion = completion.Motion(scene)
    motion.hold()
    motion.step(CompletionStep(gripper_m=0.006, force_n=60.0, settle_s=0.02))
    motion.step(CompletionStep(move_m=(0.0, 0.0, 0.001), speed_mps=0.05, settle_s=0.0))
    # 4 mm at 100 mm/s are two ticks, then one to settle and one of the move
    assert told == [(0.01, 40.0), (0.008, 60.0), (0.006, 60.0), (0.006, 60.0), (0.006, 60.0)]


@pytest.mark.parametrize("step", [CompletionStep(), CompletionStep(gripper_m=0.0, move_m=(0.0, 0.0, 0.1))])
def test_a_step_that_is_not_one_thing_is_refused(step):
    motion = completion.Motion(SimpleNamespace(q=np.zeros(6), opening_m=0.01))
    with pytest.raises(ValueError, match="give either gripper_m or move_m"):
        motion.step(step)


def test_too_much_force_while_it_holds_fails(monkeypatch):
    assert not judged(monkeypatch, GOOD, force_n=101.0).success
