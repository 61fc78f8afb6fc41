"""Conventions of poses and twists, with numbers that prove them."""

import numpy as np
import pytest

from kovis_ros.method import geometry

RNG = np.random.default_rng(0)
POSES = [geometry.exp(np.concatenate([RNG.normal(size=3), RNG.uniform(-1.7, 1.7, 3)])) for _ in range(20)]


def test_skew_is_the_cross_product() -> None:
    v, u = np.array([1.0, 2.0, 3.0]), np.array([-4.0, 0.5, 2.0])
    assert np.allclose(geometry.skew(v) @ u, np.cross(v, u))


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    turn = geometry.exp([0, 0, 0, 0, 0, np.pi / 2])
    assert np.allclose(turn[:3, :3] @ [1, 0, 0], [0, 1, 0])


def test_roll_pitch_yaw_is_about_fixed_axes() -> None:
    # roll 90 deg takes y to z; then yaw 90 deg leaves z: y ends at z
    assert np.allclose(geometry.pose_rpy((0, 0, 0), (np.pi / 2, 0, np.pi / 2))[:3, :3] @ [0, 1, 0], [0, 0, 1])


@pytest.mark.parametrize("a_T_b", POSES)
def test_log_and_exp_are_inverses(a_T_b: np.ndarray) -> None:
    assert np.allclose(geometry.exp(geometry.log(a_T_b)), a_T_b, atol=1e-9)


@pytest.mark.parametrize("a_T_b", POSES[:5])
def test_inverse(a_T_b: np.ndarray) -> None:
    assert np.allclose(geometry.inverse(a_T_b) @ a_T_b, np.eye(4))


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 1.0, np.pi - 1e-6, np.pi])
def test_rotvec_at_small_and_large_angles(angle: float) -> None:
    axis = np.array([2.0, -1.0, 2.0]) / 3.0
    found = geometry.rotvec(geometry.rotation(angle * axis))
    assert min(np.abs(found - angle * axis).max(), np.abs(found + angle * axis).max()) < 1e-6
    assert np.allclose(geometry.rotation(found), geometry.rotation(angle * axis), atol=1e-9)


def test_rotation_by_the_series_of_the_matrix_exponential() -> None:
    v = np.array([0.3, -0.5, 0.2])
    term, total = np.eye(3), np.eye(3)
    for n in range(1, 20):
        term = term @ geometry.skew(v) / n
        total = total + term
    assert np.allclose(geometry.rotation(v), total)


@pytest.mark.parametrize("a_T_b", POSES[:5])
def test_quaternion_round_trip_has_w_last(a_T_b: np.ndarray) -> None:
    q = geometry.quaternion(a_T_b[:3, :3])
    assert q[3] >= 0 and np.allclose(geometry.from_quaternion(3.0 * q), a_T_b[:3, :3])
    assert np.allclose(geometry.quaternion(np.eye(3)), [0, 0, 0, 1])


def test_zero_quaternion_is_refused() -> None:
    with pytest.raises(ValueError, match="has no direction"):
        geometry.from_quaternion([0, 0, 0, 0])


def test_adjoint_moves_the_reference_point() -> None:
    # b sits 1 m along x of a; turning about b's origin with w = z: the point at a's origin moves with w x (0 - p) = -y
    twist = geometry.adjoint(geometry.pose((1, 0, 0))) @ [0, 0, 0, 0, 0, 1]
    assert np.allclose(twist, [0, -1, 0, 0, 0, 1])


def test_adjoint_agrees_with_conjugation() -> None:
    a_T_b, twist = POSES[0], 1e-6 * np.array([1.0, 2.0, -1.0, 0.5, 0.3, -0.7])
    moved = a_T_b @ geometry.exp(twist) @ geometry.inverse(a_T_b)
    assert np.allclose(geometry.log(moved), geometry.adjoint(a_T_b) @ twist, atol=1e-11)


def test_look_at_points_z_at_the_target() -> None:
    a_T_c = geometry.look_at((0, -0.1, 0), (0, 0, 0.2))
    assert np.allclose(a_T_c[:3, 2], np.array([0, 0.1, 0.2]) / np.hypot(0.1, 0.2))
    assert a_T_c[0, 0] == pytest.approx(1.0) and np.linalg.det(a_T_c[:3, :3]) == pytest.approx(1.0)


def test_interpolate_ends_at_both_ends() -> None:
    assert np.allclose(geometry.interpolate(POSES[0], POSES[1], 0.0), POSES[0])
    assert np.allclose(geometry.interpolate(POSES[0], POSES[1], 1.0), POSES[1])
    half = geometry.interpolate(np.eye(4), geometry.exp([2, 0, 0, 0, 0, 1.0]), 0.5)
    assert np.allclose(geometry.log(half), [1, 0, 0, 0, 0, 0.5])
