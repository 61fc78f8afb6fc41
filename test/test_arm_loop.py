"""The arm's loop against a pretended arm: setpoints, limits, stops and recovery."""

from __future__ import annotations

import numpy as np
import pytest
from pretended_arm import LIMITS, PERIOD, Stage

from kovis_ros.drivers.arm_loop import ArmLoop, Mode
from kovis_ros.drivers.ur_link import ArmError


@pytest.fixture
def stage():
    return Stage()


def test_a_twist_of_the_tool_is_turned_into_base(stage):
    # tool0 is turned by pi about x: its x is base's x, its y and z are base's -y and -z
    stage.run(0.1, [0.01, 0.02, 0.03, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(stage.arm.twist[3:], [0.1, -0.1, -0.1], atol=0.02)
    np.testing.assert_allclose(stage.arm.twist[:3], [0.01, -0.02, -0.03], atol=0.001)


def test_twists_that_were_there_before_the_loop_move_nothing_until_they_pause():
    """A restarted node must not carry on where the one before it was lost."""
    stage = Stage()
    stage.loop = ArmLoop(stage.arm, LIMITS)
    stage.arm.calls.clear()
    stage.run(1.0, [0, 0, 0.02, 0, 0, 0])
    assert set(stage.arm.calls) == {"kick"} and "has just started: pause the twists" in stage.loop.trouble
    stage.run(0.4)
    assert not stage.loop.trouble
    stage.run(0.1, [0, 0, 0.02, 0, 0, 0])
    assert stage.arm.twist.any()


def test_a_sender_that_was_found_late_moves_nothing_until_it_pauses(stage):
    """The time until DDS finds a sender of twists is no pause of the twists."""
    assert not stage.loop.trouble
    stage.loop.meet()
    stage.arm.calls.clear()
    stage.run(1.0, [0, 0, 0.02, 0, 0, 0])
    assert set(stage.arm.calls) == {"kick"} and "has just been found: pause the twists" in stage.loop.trouble
    stage.run(0.4)
    stage.run(0.1, [0, 0, 0.02, 0, 0, 0])
    assert stage.arm.twist.any()
    stage.loop.meet()  # one more sender does not stop a motion that another commands
    stage.run(0.1, [0, 0, 0.02, 0, 0, 0])
    assert stage.arm.twist.any() and not stage.loop.trouble


def test_silence_before_a_senders_first_twist_is_no_pause(stage):
    """The graph knows of a sender before its data come, here half a second later."""
    stage.loop.meet()
    stage.run(0.5)
    stage.run(0.5, [0, 0, 0.02, 0, 0, 0])
    assert not stage.arm.twist.any() and "has just been found" in stage.loop.trouble
    stage.run(0.4)
    assert not stage.loop.trouble
    stage.loop.meet()
    stage.run(1.9)
    assert stage.loop.trouble
    stage.run(0.2)  # one that never sends anything holds nobody up
    assert not stage.loop.trouble


def test_without_setpoints_the_arm_rests_within_the_timeout(stage):
    stage.run(0.1, [0.0, 0.0, 0.02, 0, 0, 0])
    assert stage.loop.mode == Mode.FOLLOWING and stage.arm.twist.any()
    stage.run(LIMITS.setpoint_timeout_s + 2 * PERIOD)
    assert stage.loop.mode == Mode.STANDING and not stage.arm.twist.any()
    assert stage.loop.counts["timeouts"] == 1
    stage.arm.calls.clear()
    stage.run(1.0)
    assert set(stage.arm.calls) == {"kick"}  # the watchdog is fed, nothing else is said


def test_a_kick_never_follows_a_speed_directly(stage):
    for _ in range(3):
        stage.run(0.05, [0, 0, 0.02, 0, 0, 0])
        stage.run(0.3)
    calls = stage.arm.calls
    assert "kick" in calls and "speed" in calls
    assert not any(pair == ("speed", "kick") for pair in zip(calls[:-1], calls[1:], strict=True))


def test_twists_are_shrunk_with_their_direction_kept(stage):
    wanted = np.array([0.3, 0.0, 0.4, 0.0, 0.0, 0.6])
    got = stage.loop.follow(wanted, stage.now)
    np.testing.assert_allclose(np.linalg.norm(got[:3]), LIMITS.linear_mps)  # 0.5 m/s to 0.05: everything a tenth
    np.testing.assert_allclose(got, wanted / 10)
    np.testing.assert_allclose(stage.loop.follow([0, 0, 0, 0, 0, 3.0], stage.now), [0, 0, 0, 0, 0, 0.3])
    assert stage.loop.counts["clamped"] == 2
    for bad in ([np.nan] * 6, [0.0] * 3, [0, 0, np.inf, 0, 0, 0]):
        with pytest.raises(ValueError, match="not six finite numbers"):
            stage.loop.follow(bad, stage.now)


def test_nothing_moves_by_itself_after_a_protective_stop(stage):
    twist = [0, 0, 0.02, 0, 0, 0]
    stage.run(0.2, twist)
    stage.arm.safety_mode, stage.arm.runtime = 3, 4
    stage.arm.twist = np.zeros(6)
    stage.arm.calls.clear()
    stage.run(1.0, twist)
    assert stage.arm.calls == ["end_program"]  # so that "play" cannot resume the old speed
    assert "protective stop" in stage.loop.trouble
    stage.arm.safety_mode = 1  # a person unlocked it
    stage.run(1.0, twist)
    assert stage.arm.calls.count("recover") == 1 and "speed" not in stage.arm.calls
    assert stage.loop.trouble  # held: the twists never paused
    stage.run(0.5, [0.0] * 6)
    assert not stage.loop.trouble
    stage.run(0.1, twist)
    assert stage.arm.twist.any()


def test_recovery_is_tried_a_few_times_only(stage):
    def fails():
        stage.arm.calls.append("recover")
        raise ArmError("the control program did not start")

    stage.arm.recover = fails
    stage.arm.runtime = 1
    stage.run(10.0)
    assert stage.arm.calls.count("recover") == 5
    assert "did not start" in stage.loop.held


def silent():
    raise ArmError("dashboard does not answer")


def test_program_that_comes_back_by_itself_is_brought_to_rest(stage):
    stage.run(0.2, [0, 0, 0.02, 0, 0, 0])
    stage.arm.runtime, stage.arm.end_program = 4, silent
    stage.run(0.1)
    stage.arm.runtime, stage.arm.twist = 2, np.array([0, 0, 0.02, 0, 0, 0])
    stage.run(2 * PERIOD)
    assert not stage.arm.twist.any() and "rest" in stage.arm.calls
    assert stage.loop.mode == Mode.FAULT and "stop it on the pendant" in stage.loop.trouble


def test_a_program_that_is_paused_a_cycle_after_the_safety_bit_is_ended(stage):
    stage.run(0.2, [0, 0, 0.02, 0, 0, 0])
    stage.arm.calls.clear()
    stage.arm.end_program = lambda: stage.arm.calls.append("end_program") or "Failed to execute: stop"
    stage.arm.safety_mode = 3
    stage.run(PERIOD)
    stage.arm.runtime, stage.arm.twist = 4, np.zeros(6)
    stage.run(1.6)
    assert stage.arm.calls == ["end_program"] * 4  # at once, then every half a second
    assert stage.loop.counts["programs not ended"] == 4
    del stage.arm.end_program
    stage.run(0.6)
    assert (
        stage.arm.runtime == 1 and stage.arm.calls == ["end_program"] * 5 and stage.loop.counts["programs ended"] == 1
    )


def test_a_dashboard_that_hangs_is_not_asked_without_a_pause(stage):
    def hangs():
        stage.arm.calls.append("end_program")
        stage.now += 3.0
        raise ArmError("dashboard does not answer")

    stage.arm.end_program, stage.arm.safety_mode, stage.arm.runtime = hangs, 3, 4
    stage.arm.calls.clear()
    stage.run(0.8)
    assert len(stage.arm.calls) == 2


def test_a_program_that_is_not_ours_is_ended_and_never_followed(stage):
    """Another person's, started on the pendant while ours is stopped: no watchdog is armed in it."""
    twist = [0, 0, 0.02, 0, 0, 0]
    stage.run(0.2, twist)
    stage.arm.runtime, stage.arm.twist = 1, np.zeros(6)
    stage.run(0.2)
    stage.arm.calls.clear()
    for _ in range(2):
        stage.arm.runtime = 2
        stage.run(0.05)
        assert stage.loop.mode == Mode.FAULT and stage.loop.trouble
    assert stage.arm.calls == ["end_program"]  # the second time not yet; it knows none of our commands
    stage.run(1.0)
    assert stage.arm.calls[:3] == ["end_program", "recover", "rest"] and not stage.loop.trouble
    stage.run(0.1, twist)
    assert stage.arm.twist.any()


def test_a_recovery_that_does_not_last_is_none(stage):
    """The tries are counted on: a program that ends at once is not uploaded for ever."""

    def ends_at_once():
        stage.arm.calls.append("recover")

    stage.arm.recover, stage.arm.runtime = ends_at_once, 1
    stage.run(10.0)
    assert stage.arm.calls.count("recover") == 5 and stage.loop.mode == Mode.FAULT


def test_stop_holds_until_the_twists_pause(stage):
    twist = [0, 0, 0.02, 0, 0, 0]
    stage.run(0.2, twist)
    stage.loop.halt("stopped by a person")
    stage.run(1.0, twist)
    assert not stage.arm.twist.any() and stage.loop.trouble == "stopped by a person"
    stage.run(0.4)
    stage.run(0.1, twist)
    assert stage.arm.twist.any()


def test_slider_at_zero_is_said(stage):
    stage.arm.scaling = 0.0
    stage.run(0.1)
    assert "speed slider is at 0" in stage.loop.trouble
    stage.loop.halt("stopped by a person")
    stage.run(2 * PERIOD)
    assert stage.loop.trouble == "stopped by a person"  # else a servo would not notice
