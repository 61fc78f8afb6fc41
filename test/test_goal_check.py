"""A goal must be free at the extremes of the pose in the hand, and for every member of a family."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from kovis_ros.method import geometry  # noqa: E402
from kovis_ros.method.config import ConfigError, load_task, task_names  # noqa: E402
from kovis_sim import hand, rollouts  # noqa: E402
from kovis_sim.scene import Scene  # noqa: E402


def goal(task, x, y, z):
    return dataclasses.replace(task, goal=dataclasses.replace(task.goal, position_m=(x, y, z)))


def test_extremes_are_the_corners_of_what_is_drawn():
    """2 to the number of axes that vary: not about a shaft's own; an empty hand has none."""
    counts = {name: len(list(hand.extremes(load_task(name).held))) for name in task_names()}
    held = {name: count for name, count in counts.items() if count}
    assert held == {"insert_shaft": 32, "insert_shaft_yaw": 32, "insert_plug": 64}
    held = load_task("insert_shaft").held
    corners = np.array(list(hand.extremes(held)))
    assert np.abs(corners) == pytest.approx(np.tile([0.002] * 3 + [np.radians(2.0)] * 2 + [0.0], (32, 1)))
    assert len(np.unique(corners, axis=0)) == 32
    rng = np.random.default_rng(0)
    drawn = [geometry.log(hand.draw(held, rng) @ geometry.inverse(hand.nominal(held))) for _ in range(200)]
    assert (np.abs(drawn) <= corners.max(0) + 1e-9).all()


def test_a_goal_that_touches_at_an_extreme_in_the_hand():
    """12 mm down the bore the shaft has 2 mm around it, until it leans."""
    task = goal(load_task("insert_shaft"), 0.0, 0.0, 0.01325)
    upright = dataclasses.replace(task, held=dataclasses.replace(task.held, rotation_range_deg=(0.0, 0.0, 0.0)))
    Scene(upright).close()
    leaning = dataclasses.replace(task, held=dataclasses.replace(task.held, rotation_range_deg=(12.0, 0.0, 0.0)))
    message = r"goal with the object off in the hand by \[.*\] mm and \[-12, 0, 0\] deg is in collision: raise goal"
    with pytest.raises(ConfigError, match=message):
        Scene(leaning)


def test_a_goal_that_touches_with_a_member_is_told_before_the_recording(tmp_path):
    """36 mm lower the fingers stand clear of the table about the nominal mug, but not about the lowest ones."""
    task = goal(load_task("pick_mugs"), 0.055, 0.0, 0.030)
    Scene(task).close()
    with pytest.raises(
        ConfigError, match="pick_mugs: goal with the mug of .* mm and radius .* mm is in collision: raise"
    ):
        rollouts.record(task, 1, 0, tmp_path / "bag", workers=1)
    assert not (tmp_path / "bag").exists()
