"""Relative moves in the arm's loop, against a pretended arm."""

from __future__ import annotations

import numpy as np
import pytest
from pretended_arm import LIMITS, PERIOD, Stage

from kovis_ros.drivers.relative_move import Outcome, RelativeMove
from kovis_ros.drivers.ur_link import ArmError
from kovis_ros.method import geometry


@pytest.fixture
def stage():
    return Stage()


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ([0, 0, 1, 0, 0, 0], [0, 0, 0.04, 0, 0, 0]),
        ([3, 4, 0, 0, 0, 0], [0.024, 0.032, 0, 0, 0, 0]),
        ([0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0.2]),  # 0.04 m at 0.2 m/rad
        # a screw: (0.6, 0.8 / 0.2 rad/m) of a unit path
        ([0, 0, 0.6, 0, 0, 4.0], [0, 0, 0.024, 0, 0, 0.16]),
    ],
)
def test_relative_move_goes_where_it_should(stage, direction, expected):
    start = stage.arm.pose
    move = RelativeMove(direction, 0.04, 0.05, 10.0)
    stage.loop.move(move, stage.now)
    stage.run(3.0)
    assert move.outcome == Outcome.NOTHING and move.message == ""
    np.testing.assert_allclose(geometry.log(geometry.inverse(start) @ stage.arm.pose), expected, atol=6e-4)
    assert move.travelled_m == pytest.approx(0.04, abs=2e-4)
    assert stage.arm.calls[-1] == "kick" and not stage.arm.twist.any()


def test_relative_move_faster_than_allowed_is_slowed_and_still_arrives(stage):
    """0.3 m at 1 m/s would be late after 3.6 s; at the limit of 0.05 m/s it takes 6."""
    move = RelativeMove([0, 0, 1, 0, 0, 0], 0.3, 1.0, 0.0)
    stage.loop.move(move, stage.now)
    stage.run(8.0)
    assert move.outcome == Outcome.NOTHING and move.speed_mps == pytest.approx(LIMITS.linear_mps)
    assert stage.loop.counts["clamped"] == 1


def test_relative_move_stops_at_a_change_of_force(stage):
    stage.arm.force[:3] = [0, 0, 12.0]  # what the sensor reads before the move counts as nothing
    move = RelativeMove([0, 0, 1, 0, 0, 0], 0.05, 0.05, 10.0)
    stage.loop.move(move, stage.now)
    stage.run(0.4)
    assert move.outcome is None
    stage.arm.force[:3] = [0, 0, 25.0]
    stage.run(3 * PERIOD)
    assert move.outcome == Outcome.FORCE and not stage.arm.twist.any()
    assert "13.0 N reached the limit of 10.0 N" in move.message
    assert 0.0 < move.travelled_m < 0.03


def test_relative_move_ends_by_cancel_fault_and_timeout(stage):
    for end, outcome in (
        (lambda: stage.loop.cancel(), Outcome.CANCELLED),
        (lambda: stage.loop.halt("stopped"), Outcome.CANCELLED),
        (lambda: setattr(stage.arm, "runtime", 1), Outcome.ROBOT),
    ):
        move = RelativeMove([0, 0, 1, 0, 0, 0], 0.05, 0.05, 0.0)
        stage.loop.move(move, stage.now)
        stage.run(0.2)
        end()
        stage.run(0.1)
        assert move.outcome == outcome
        stage.run(2.0)
        assert not stage.arm.twist.any()


def test_relative_move_takes_as_long_as_the_slider_makes_it(stage):
    """A lift of 90 mm at 50 mm/s takes 9 s at 20 %, and more than the 2 * 1.8 + 3 s that it may at 100 %."""
    move = RelativeMove([0, 0, -1, 0, 0, 0], 0.09, 0.05, 0.0)
    stage.arm.scaling = 0.2
    stage.loop.move(move, stage.now)
    stage.run(8.0)
    assert move.outcome is None
    stage.run(8.0)
    assert move.outcome == Outcome.NOTHING and move.travelled_m == pytest.approx(0.09, abs=2e-4)


@pytest.mark.parametrize(("scaling", "seconds"), [(1.0, 5.0), (0.5, 10.0), (0.0, 5.0)])
def test_relative_move_that_does_not_get_there_is_out_of_time(stage, scaling, seconds):
    """2 * 0.05 / 0.05 + 3 s at the slider's speed; a slider at 0 lets nobody wait for ever."""
    move = RelativeMove([0, 0, 1, 0, 0, 0], 0.05, 0.05, 0.0)
    stage.loop.move(move, stage.now)
    stage.arm.scaling, stage.arm.stuck = scaling, True
    stage.run(seconds - 0.1)
    assert move.outcome is None
    stage.run(0.2)
    assert move.outcome == Outcome.TIMEOUT and "still to go" in move.message and not stage.arm.twist.any()


def test_relative_move_is_refused_while_the_arm_is_not_free(stage):
    def ask():
        stage.loop.move(RelativeMove([0, 0, 1, 0, 0, 0], 0.05, 0.05, 0.0), stage.now)

    stage.run(0.1, [0, 0, 0.02, 0, 0, 0])
    with pytest.raises(ArmError, match="the arm follows twists"):
        ask()
    stage.run(0.3, [0.0] * 6)
    ask()
    with pytest.raises(ArmError, match="another relative move"):
        ask()
    assert not stage.loop.follow([0, 0, 0.02, 0, 0, 0], stage.now).any()  # twists do not mix with a move
    stage.run(3.0)
    stage.arm.safety_mode = 3
    stage.run(0.1)
    with pytest.raises(ArmError, match="not ready: protective stop"):
        ask()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([0] * 6, 0.1, 0.1, 0.0), "direction .* has no finite length"),
        (([0, 0, 1, 0, 0, 0], 0.0, 0.1, 0.0), "distance is 0.0"),
        (([0, 0, 1, 0, 0, 0], 0.1, np.nan, 0.0), "speed is nan"),
        (([0, 0, 1, 0, 0, 0], 0.1, 0.1, -1.0), "force_limit is -1.0"),
    ],
)
def test_bad_relative_moves_are_named(arguments, text):
    with pytest.raises(ValueError, match=text):
        RelativeMove(*arguments)
