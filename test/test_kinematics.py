"""Arm kinematics against hand-derived numbers, the DH chain and finite differences."""

from math import cos, pi, sin

import numpy as np
import pytest

from kovis_ros.method.kinematics import ALPHA, ARMS, UR5, UR5E, Unreachable, forward, inverse, jacobian, nearest


def random_joints(count, seed=0):
    return np.random.default_rng(seed).uniform(-pi, pi, (count, 6))


def test_pose_at_zero_is_the_hand_derived_one():
    # DH with all angles zero: x = a2 + a3; the z axes of joints 2-4 point along -y, so y = -(d4 + d6); joint 5 hangs
    # d5 below the shoulder; tool0 z looks along -y.
    expected = [[1, 0, 0, -0.81725], [0, 0, -1, -0.19145], [0, 1, 0, -0.005491], [0, 0, 0, 1]]
    np.testing.assert_allclose(forward(np.zeros(6)), expected, atol=1e-12)
    # upright: q2 = -90 deg puts upper arm and forearm on the vertical: d1 - a2 - a3 = 0.906409 m high,
    # and the wrist link d5 points along -x
    upright = forward([0, -pi / 2, 0, 0, 0, 0])
    np.testing.assert_allclose(upright[:3, 3], [-0.09465, -0.19145, 0.906409], atol=1e-12)


@pytest.mark.parametrize("arm", ARMS.values(), ids=list(ARMS))
def test_forward_equals_the_dh_chain(arm):
    for q in random_joints(50):
        np.testing.assert_allclose(forward(q, arm), dh_chain(q, arm), atol=1e-12)


def dh_chain(q, arm):
    """base_T_tool0 the slow way: six DH frames one after the other."""
    pose = np.eye(4)
    lengths = zip((0.0, arm.a2, arm.a3, 0.0, 0.0, 0.0), (arm.d1, 0.0, 0.0, arm.d4, arm.d5, arm.d6), strict=True)
    for angle, alpha, (a, d) in zip(q, ALPHA, lengths, strict=True):
        c, s, ca, sa = cos(angle), sin(angle), cos(alpha), sin(alpha)
        pose = pose @ [[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0, sa, ca, d], [0, 0, 0, 1]]
    return pose


@pytest.mark.parametrize("arm", ARMS.values(), ids=list(ARMS))
def test_inverse_returns_to_the_pose_and_finds_the_joints(arm):
    counts = []
    for q in random_joints(300, seed=1):
        pose = forward(q, arm)
        solutions = inverse(pose, arm)
        counts.append(len(solutions))
        assert np.all((solutions > -pi) & (solutions <= pi))
        for solution in solutions:
            np.testing.assert_allclose(forward(solution, arm), pose, atol=1e-8)
        np.testing.assert_allclose(nearest(pose, q, arm), q, atol=1e-6)
    assert max(counts) == 8
    assert min(counts) >= 2


def test_nearest_counts_whole_turns_and_keeps_the_limits():
    q = np.array([0.3, -1.2, 1.5, -1.9, -1.5, 3.0])
    pose = forward(q)
    turned = q + [0, 0, 0, 0, 0, -2 * pi]
    np.testing.assert_allclose(nearest(pose, turned), turned, atol=1e-9)
    beyond = q + [0, 0, 0, 0, 0, 2 * pi]  # 9.28 rad is outside of +-2 pi, so the answer comes back inside
    assert np.all(np.abs(nearest(pose, beyond)) <= 2 * pi)


def test_unreachable_is_empty_or_named():
    far = forward(np.zeros(6))
    far[:3, 3] = [1.5, 0.0, 0.3]
    assert inverse(far).shape == (0, 6)
    with pytest.raises(Unreachable, match=r"ur5 cannot put tool0 at \(1\.500, 0\.000, 0\.300\).*keep the wrist within"):
        nearest(far, np.zeros(6))
    above_base = np.eye(4)
    above_base[:3, 3] = [0.0, 0.0, 0.6]  # wrist on the base axis, nearer than d4
    assert inverse(above_base).shape == (0, 6)
    with pytest.raises(ValueError, match="finite"):
        inverse(np.full((4, 4), np.nan))


def test_a_pose_that_is_not_rigid_has_no_solution():
    pose = forward([0.3, -1.2, 1.5, -1.9, -1.5, 0.0])
    pose[:3, :3] *= 1.01
    assert inverse(pose).shape == (0, 6)


@pytest.mark.parametrize("q5", [0.0, pi, 1e-12, 1e-8, 1e-6, -1e-5])
def test_wrist_singularity_keeps_joint_6(q5):
    q = np.array([0.3, -1.2, 1.5, -1.9, q5, 0.7])
    pose = forward(q)
    solution = nearest(pose, q)
    np.testing.assert_allclose(forward(solution), pose, atol=1e-8)
    np.testing.assert_allclose(solution, q, atol=1e-5)


@pytest.mark.parametrize("q3", [0.0, 1e-9, 1e-6, -1e-4])
def test_stretched_elbow_has_no_nan(q3):
    q = np.array([0.3, -1.2, q3, -1.9, -1.5, 0.7])
    solution = nearest(forward(q), q)
    np.testing.assert_allclose(forward(solution), forward(q), atol=1e-7)


@pytest.mark.parametrize("arm", [UR5, UR5E], ids=["ur5", "ur5e"])
@pytest.mark.parametrize("tcp_offset_m", [0.0, 0.17])
def test_jacobian_equals_finite_differences(arm, tcp_offset_m):
    def tcp(q):
        pose = forward(q, arm)
        return pose[:3, 3] + tcp_offset_m * pose[:3, 2], pose[:3, :3]

    h = 1e-6
    for q in random_joints(10, seed=2):
        numeric = np.zeros((6, 6))
        for joint in range(6):
            step = h * np.eye(6)[joint]
            (p1, r1), (p0, r0) = tcp(q + step), tcp(q - step)
            spin = (r1 - r0) @ tcp(q)[1].T / (2 * h)
            numeric[:, joint] = [*(p1 - p0) / (2 * h), spin[2, 1], spin[0, 2], spin[1, 0]]
        np.testing.assert_allclose(jacobian(q, arm, tcp_offset_m), numeric, atol=1e-7)
