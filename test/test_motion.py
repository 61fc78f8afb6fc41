"""Labels: their numbers, their symmetry, and that following them leads to the goal."""

import numpy as np
import pytest

from kovis_ros.method import geometry, motion

AXES = ("x", "y", "z", "rz")


def test_rotation_counts_200_mm_a_radian() -> None:
    found = motion.displacement(geometry.exp([0.01, -0.02, 0.03, 0, 0, 0.1]), AXES)
    assert found == pytest.approx([0.01, -0.02, 0.03, 0.02])


def test_axes_choose_and_order() -> None:
    assert motion.displacement(geometry.exp([0.01, 0.02, 0.03, 0, 0, 0]), ("z", "x")) == pytest.approx([0.03, 0.01])
    with pytest.raises(ValueError, match="axis 'yaw' is unknown: choose from x, y, z"):
        motion.axis_indices(["yaw"])


def test_label_is_a_unit_vector_and_half_speed_at_3_5_mm() -> None:
    # 1 - exp(-200 d) = 1/2 at d = ln 2 / 200 = 3.466 mm; 0.9 at 11.51 mm
    direction, speed = motion.label([0.0, 0.0034657, 0.0, 0.0])
    assert direction.tolist() == [0.0, 1.0, 0.0, 0.0] and speed == pytest.approx(0.5, abs=1e-4)
    assert motion.label([0.01151, 0, 0, 0])[1] == pytest.approx(0.9, abs=1e-3)
    assert motion.label([0.0] * 4)[0].tolist() == [0.0] * 4 and motion.label([0.0] * 4)[1] == 0.0


@pytest.mark.parametrize("metres", [0.0, 1e-4, 0.003, 0.02])
def test_distance_is_the_inverse_of_speed(metres: float) -> None:
    assert motion.distance(motion.label([metres, 0, 0])[1]) == pytest.approx(metres, abs=1e-9)


def test_twist_undoes_the_scale_of_rotation() -> None:
    # 0.02 m/s x speed 0.5 along (0.6, 0, 0, 0.8): 6 mm/s and 8 mm/s / 0.2 m/rad = 0.04 rad/s
    found = motion.twist([0.6, 0.0, 0.0, 0.8], 0.5, AXES, 0.02)
    assert found == pytest.approx([0.006, 0, 0, 0, 0, 0.04])


@pytest.mark.parametrize("seed", range(5))
def test_following_the_label_leads_to_the_goal(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world_T_goal = geometry.exp(rng.uniform(-1, 1, 6))
    start = np.concatenate([rng.uniform(-0.03, 0.03, 3), [0, 0, rng.uniform(-0.35, 0.35)]])
    world_T_tcp = world_T_goal @ geometry.exp(start)
    for _ in range(400):
        gap = motion.displacement(geometry.inverse(world_T_tcp) @ world_T_goal, AXES)
        direction, speed = motion.label(gap)
        world_T_tcp = world_T_tcp @ geometry.exp(0.05 * motion.twist(direction, speed, AXES, 0.02))
    metres, radians = motion.error(motion.displacement(geometry.inverse(world_T_tcp) @ world_T_goal, AXES), AXES)
    assert metres < 1e-5 and radians < 1e-4


def test_error_splits_position_and_rotation() -> None:
    assert motion.error([0.003, 0.0, 0.004, 0.02], AXES) == pytest.approx((0.005, 0.1))


def test_a_body_of_revolution_has_no_yaw() -> None:
    turned = geometry.exp([0.01, 0, 0, 0, 0, 1.3])
    assert motion.displacement(turned, AXES, (1, 1, 0)) == pytest.approx([0.01, 0, 0, 0], abs=1e-12)


def test_a_hexagon_is_the_same_after_60_degrees() -> None:
    turned = geometry.exp([0, 0, 0, 0, 0, np.radians(70.0)])
    assert motion.displacement(turned, AXES, (1, 1, 6))[3] == pytest.approx(0.2 * np.radians(10.0))


def test_tilt_is_what_the_axes_cannot_remove() -> None:
    assert motion.tilt(geometry.exp([0, 0, 0, 0.03, 0.04, 0]), AXES) == pytest.approx(0.05)
    assert motion.tilt(geometry.exp([0, 0, 0, 0, 0, 0.3]), AXES) == pytest.approx(0.0)


@pytest.mark.parametrize("axes", [("x", "y", "z"), AXES, motion.AXES])
@pytest.mark.parametrize("seed", range(4))
def test_with_an_object_in_the_hand_the_label_leads_the_object(seed: int, axes: tuple[str, ...]) -> None:
    """An off-centre, tilted object 40 mm out of the tcp: its origin ends at the goal, whatever tilt must stay."""
    rng = np.random.default_rng(seed)
    tcp_T_held = geometry.exp(np.concatenate([rng.uniform(-0.04, 0.04, 3), rng.uniform(-0.1, 0.1, 3)]))
    tcp_T_held = tcp_T_held @ geometry.pose_rpy((0, 0, 0), (np.pi, 0, 0))
    world_T_goal = geometry.exp(rng.uniform(-1, 1, 6))
    world_T_tcp = world_T_goal @ geometry.inverse(tcp_T_held) @ geometry.exp(rng.uniform(-0.05, 0.05, 6))
    end = motion.tcp_goal(world_T_tcp, world_T_goal, axes, (1, 1, 1), tcp_T_held)
    left = geometry.inverse(end @ tcp_T_held) @ world_T_goal
    assert np.abs(left[:3, 3]).max() < 1e-9
    assert np.abs(motion.displacement(left, axes, (1, 1, 1), tcp_T_held)).max() < 1e-9
    turned = geometry.log(geometry.inverse(world_T_tcp) @ end)[3:]
    assert all(abs(turned[i]) < 1e-9 for i in range(3) if len(axes) == 3 or (i < 2 and len(axes) == 4))
    if len(axes) == 6:
        assert np.allclose(left, np.eye(4), atol=1e-9)
    assert motion.tilt(left, axes, (1, 1, 1), tcp_T_held) == pytest.approx(geometry.norm(geometry.log(left)[3:]))


def test_nothing_held_is_an_object_at_the_tcp() -> None:
    gap = geometry.exp([0.01, -0.02, 0.03, 0.1, -0.05, 0.2])
    assert motion.displacement(gap, AXES) == pytest.approx(motion.displacement(gap, AXES, (1, 1, 1), np.eye(4)))
