"""The closed loop against numbers derived by hand."""

import dataclasses

import numpy as np
import pytest

from kovis_ros.method import geometry
from kovis_ros.method.config import ConfigError, LoopConfig
from kovis_ros.method.loop import ServoLoop, State, clamp
from kovis_ros.method.motion import Motion, label

AXES = ("x", "y", "z", "rz")
CONFIG = LoopConfig(converged_speed=0.12, released_speed=0.20)
UNFILTERED = dataclasses.replace(CONFIG, filter_s=0.0, settle_s=0.0)


def towards(direction=(1.0, 0.0, 0.0, 0.0), speed=1.0, confidence=0.9):
    return Motion(np.asarray(direction, np.float32), speed, confidence)


def cruise(loop, seconds=0.4, rate=100, motion=None, start=0.0, **command):
    """Fresh images at the control rate; returns the last twist and the time of it."""
    for i in range(int(seconds * rate) + 1):
        now = start + i / rate
        loop.observe(motion or towards(), now, now)
        twist = loop.command(now, **command)
    return twist, now


def test_ramp_gains_the_acceleration_and_ends_at_top_speed():
    loop = ServoLoop(UNFILTERED, AXES)
    speeds = []
    for i in range(15):  # 0.2 m/s2 for 10 ms is 2 mm/s a period; 20 mm/s after ten of them
        loop.observe(towards(), i * 0.01, i * 0.01)
        speeds.append(loop.command(i * 0.01)[0])
    np.testing.assert_allclose(speeds[:4], [0.0, 0.002, 0.004, 0.006], atol=1e-12)
    np.testing.assert_allclose(speeds[10:], 0.020, atol=1e-12)


def test_rotation_is_scaled_by_a_fifth_of_a_metre():
    twist, _ = cruise(ServoLoop(CONFIG, AXES), motion=towards((0, 0, 0, 1.0)))
    np.testing.assert_allclose(twist, [0, 0, 0, 0, 0, 0.1], atol=1e-9)  # 0.020 m/s / 0.2 m/rad


def test_filters_are_exponential():
    loop = ServoLoop(dataclasses.replace(CONFIG, filter_s=0.05, settle_s=0.2, acceleration_mps2=1e3), AXES)
    loop.observe(towards(speed=0.5), 0.00, 0.0)
    loop.observe(towards(speed=1.0), 0.01, 0.01)
    assert loop.speed == pytest.approx(0.5 + (1.0 - np.exp(-0.01 / 0.2)) * 0.5)
    loop.command(0.01)
    commanded = np.linalg.norm(loop.command(0.02) * [1, 1, 1, 0, 0, 0.2])
    assert commanded == pytest.approx(CONFIG.top_speed_mps * (0.5 + (1.0 - np.exp(-0.01 / 0.05)) * 0.5))


def test_clamp_keeps_the_direction():
    np.testing.assert_allclose(clamp(np.array([3.0, 4.0]), 1.0), [0.6, 0.8])
    np.testing.assert_allclose(clamp(np.array([0.3, 0.4]), 1.0), [0.3, 0.4])
    direction = np.array([0.5, -0.5, 0.1, 0.7])
    direction /= np.linalg.norm(direction)
    twist, _ = cruise(ServoLoop(CONFIG, AXES), motion=towards(direction))
    sent = np.array([*twist[:3], twist[5] * 0.2])
    np.testing.assert_allclose(sent, 0.020 * direction, atol=1e-8)


def test_stale_image_ends_at_exactly_zero_and_stays():
    loop = ServoLoop(CONFIG, AXES)
    _, last = cruise(loop)
    sizes = [np.linalg.norm(loop.command(last + i * 0.008)) for i in range(1, 60)]
    late = int(np.ceil(CONFIG.image_timeout_s / 0.008))  # the first command at or after the limit
    assert sizes[0] > 0.019
    assert all(size == 0.0 for size in sizes[late - 1 :])
    assert max(np.diff(sizes)) <= 0 and min(np.diff(sizes)) > -0.2 * 0.008 - 1e-9  # a ramp, not a step
    assert loop.state == State.HALT_STALE_KEYPOINTS


def test_old_stamps_are_stale_although_they_keep_coming():
    loop = ServoLoop(CONFIG, AXES)
    _, last = cruise(loop)
    for i in range(1, 40):  # distinct images, each 300 ms old on arrival
        now = last + 0.01 * i
        loop.observe(towards(), now - 0.3, now)
        twist = loop.command(now)
    assert loop.rejected["stale"] == 39
    assert not twist.any() and loop.state in (State.HALT_STALE_IMAGE, State.HALT_STALE_KEYPOINTS)


@pytest.mark.parametrize(
    ("motion", "ahead", "cause"),
    [
        (towards((np.nan, 0, 0, 0)), 0.0, "not finite"),
        (towards(speed=np.nan), 0.0, "not finite"),
        (towards(confidence=np.inf), 0.0, "not finite"),
        (towards((2.0, 0, 0, 0)), 0.0, "not a unit direction"),
        (towards((0.0, 0, 0, 0), speed=0.5), 0.0, "not a unit direction"),
        (towards((1.0, 0, 0)), 0.0, "wrong shape"),
        (towards(speed=1.2), 0.0, "out of range"),
        (towards(), 0.06, "stamp in the future"),
        (towards(), -0.01, "repeated"),
        (towards(), -0.26, "stale"),
    ],
)
def test_bad_predictions_are_counted_and_do_not_refresh(motion, ahead, cause):
    loop = ServoLoop(CONFIG, AXES)
    loop.observe(towards(), 1.0, 1.0)
    loop.observe(motion, 1.0 + ahead, 1.0)
    assert loop.rejected == {cause: 1} and loop.images == 1
    assert loop.age(1.2) == pytest.approx(0.2)


def test_a_stamp_slightly_ahead_is_tolerated():
    loop = ServoLoop(CONFIG, AXES)
    loop.observe(towards(), 1.04, 1.0)
    assert loop.images == 1 and loop.age(1.0) == 0.0


def test_a_repeated_image_does_not_count_towards_convergence():
    loop = ServoLoop(CONFIG, AXES)
    for i in range(100):
        loop.observe(towards(speed=0.05), 1.0, 1.0 + i * 0.001)
    assert loop.images == 1 and not loop.converged


def test_convergence_needs_the_configured_number_of_images():
    loop = ServoLoop(CONFIG, AXES)
    states = []
    for i in range(CONFIG.converged_images):
        states.append(loop.observe(towards(speed=0.05), 0.03 * i, 0.03 * i))
    assert states == [State.CONVERGING] * (CONFIG.converged_images - 1) + [State.CONVERGED]
    assert loop.done and not loop.command(0.3).any()


def test_hysteresis_between_holds_and_above_restarts():
    for speed, images in ((0.15, 9), (0.25, 16)):  # one between the thresholds delays by itself, one above restarts
        loop = ServoLoop(UNFILTERED, AXES)
        for i in range(40):
            loop.observe(towards(speed=speed if i == 7 else 0.05), 0.03 * i, 0.03 * i)
            if loop.converged:
                break
        assert loop.images == images


def test_it_waits_while_the_arm_still_gets_nearer():
    falling = ServoLoop(UNFILTERED, AXES)
    for i in range(12):  # each 10 % below the one before: the newer four of eight are 0.9**4 = 0.66 of the older
        falling.observe(towards(speed=0.11 * 0.9**i), 0.03 * i, 0.03 * i)
    assert not falling.converged
    for i in range(12, 60):
        falling.observe(towards(speed=0.11 * 0.9**i), 0.03 * i, 0.03 * i)
    assert falling.converged and falling.images == 4 * CONFIG.converged_images  # patience ends


def test_noise_that_cancels_does_not_hold_up_convergence():
    """Random directions of speed 0.15 are above the threshold each, below it when filtered."""
    rng, loop = np.random.default_rng(0), ServoLoop(CONFIG, AXES)
    for i in range(200):
        direction = rng.normal(size=4)
        loop.observe(towards(direction / np.linalg.norm(direction), speed=0.15), 0.03 * i, 0.03 * i)
    assert loop.converged


@pytest.mark.parametrize(("settle_s", "converged"), [(LoopConfig().settle_s, True), (LoopConfig().filter_s, False)])
def test_the_noise_of_dim_images_does_not_hide_that_the_arm_stands_at_the_goal(settle_s, converged):
    rng, loop = np.random.default_rng(0), ServoLoop(LoopConfig(settle_s=settle_s), AXES)
    for i in range(120):  # 6 s with the deviations that were measured in closed loop: x, y, z, yaw
        vector = rng.normal(0.0, [0.03, 0.03, 0.04, 0.24])
        length = float(np.linalg.norm(vector))
        loop.observe(towards(vector / length, speed=min(1.0, length)), 0.05 * i, 0.05 * i)
    assert loop.converged == converged


def test_low_confidence_slows_then_halts():
    # half way between halt 0.15 and low 0.50 is half speed
    slow, _ = cruise(ServoLoop(CONFIG, AXES), motion=towards(confidence=0.325))
    assert slow[0] == pytest.approx(0.010)
    loop = ServoLoop(CONFIG, AXES)
    _, last = cruise(loop)
    twist, _ = cruise(loop, start=last + 0.01, motion=towards(confidence=0.1))
    assert not twist.any() and loop.state == State.HALT_LOW_CONFIDENCE
    blind = ServoLoop(CONFIG, AXES)
    cruise(blind, 2.0, motion=towards(speed=0.01, confidence=0.2))
    assert not blind.converged  # doubtful images do not count


def test_workspace_box_stops_for_good():
    loop, pose = ServoLoop(CONFIG, AXES), geometry.pose((0.5, 0.1, 0.3), geometry.rotation((np.pi, 0, 0)))
    dt, now = 0.01, 0.0
    for i in range(1000):
        now = i * dt
        loop.observe(towards((0, 0, 1.0, 0)), now, now)
        pose = pose @ geometry.exp(loop.command(now, pose) * dt)
    assert loop.state == State.HALT_WORKSPACE_LIMIT and loop.done
    assert 0.115 < 0.3 - pose[2, 3] <= 0.12  # it looks 0.1 s plus 1 mm ahead
    assert not loop.command(now + dt, pose).any()


def test_hold_slows_to_zero_and_convergence_waits():
    loop = ServoLoop(CONFIG, AXES)
    _, last = cruise(loop)
    twist, _ = cruise(loop, 1.0, start=last + 0.01, motion=towards(speed=0.01), hold=State.PAUSED)
    assert not twist.any() and loop.state == State.PAUSED and not loop.done


def test_timeout_ends_with_zero():
    loop = ServoLoop(CONFIG, AXES, timeout_s=0.5)
    twist, _ = cruise(loop, 0.6)
    assert loop.timed_out and loop.done and not twist.any() and loop.state == State.IDLE


def test_a_late_caller_gets_no_larger_step():
    loop = ServoLoop(dataclasses.replace(UNFILTERED, acceleration_mps2=0.1), AXES)
    loop.observe(towards(), 0.0, 0.0)
    loop.command(0.0)
    loop.observe(towards(), 5.0, 5.0)
    assert loop.command(5.0)[0] == pytest.approx(0.1 * 0.1)


def test_gain_times_delay_is_limited():
    ServoLoop(CONFIG, AXES, delay_s=0.1)  # 0.02 m/s * 200/m * 0.1 s = 0.4
    with pytest.raises(ConfigError, match=r"gain times delay 0.80, above 0.4: lower top_speed_mps to 0.0100"):
        ServoLoop(CONFIG, AXES, delay_s=0.2)
    ServoLoop(CONFIG, AXES, delay_s=0.2, speed_scale=0.5)
    with pytest.raises(ConfigError, match="speed_scale 1.5 is out of range"):
        ServoLoop(CONFIG, AXES, speed_scale=1.5)


@pytest.mark.parametrize("delay_s", [0.0, 0.06])
def test_it_brings_a_plant_to_the_goal_without_overshoot(delay_s):
    """tcp_T_goal starts 45 mm and 12 deg away; images at 30 Hz, commands at 120 Hz, true labels seen late."""
    loop, dt = ServoLoop(CONFIG, AXES), 1 / 120
    left = np.array([0.030, -0.020, 0.025, 0.2 * np.radians(12)])
    seen, overshoot = [], 0.0
    for tick in range(int(CONFIG.timeout_s / dt)):
        now = tick * dt
        seen.append((now, left.copy()))
        if tick % 4 == 0:
            stamp, displacement = seen[max(0, tick - round(delay_s / dt))]
            direction, speed = label(displacement)
            loop.observe(Motion(direction.astype(np.float32), speed, 0.9), stamp, now)
        twist = loop.command(now)
        left = left - np.array([*twist[:3], 0.2 * twist[5]]) * dt
        overshoot = min(overshoot, left[0])
        if loop.done:
            break
    assert loop.converged and now < 8.0
    assert np.linalg.norm(left) < 0.0003  # the threshold alone would leave -log(1 - 0.12) / 200 = 0.64 mm
    assert overshoot > -0.0005
