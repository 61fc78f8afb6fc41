"""The simulated camera's faults, by what leaves it."""

from __future__ import annotations

import numpy as np
import pytest

from kovis_sim.camera_faults import FAULTS, CameraFaults, Pair

PERIOD_NS = 33_000_000


@pytest.fixture
def camera(rng):
    return CameraFaults(rng)


def shot(rng, number):
    left, right = rng.integers(30, 200, (2, 32, 32), np.uint8)
    return Pair(number * PERIOD_NS, left, right)


def broken(camera, rng, fault, count=3):
    """The last good pair, and the shots and what was sent for them under a fault."""
    good = shot(rng, 1)
    assert camera.send(good) == [good]
    camera.set(fault)
    shots = [shot(rng, 2 + i) for i in range(count)]
    return good, shots, [camera.send(each) for each in shots]


def test_frozen_pairs_keep_the_pixels_and_only_one_of_them_the_stamp(camera, rng):
    good, shots, sent = broken(camera, rng, "frozen_old")
    assert all(pairs == [good] for pairs in sent)
    camera.set("frozen_new")
    (pair,) = camera.send(shots[0])
    assert pair.stamp_ns == shots[0].stamp_ns and pair.left is good.left and pair.right is good.right


def test_dropped_black_swapped_and_future(camera, rng):
    _, _, sent = broken(camera, rng, "dropped")
    assert sent == [[], [], []]
    _, _, sent = broken(CameraFaults(rng), rng, "black")
    darkest = [pair.left for pairs in sent for pair in pairs]
    assert max(image.max() for image in darkest) < 30 and not np.array_equal(darkest[0], darkest[1])
    _, shots, sent = broken(CameraFaults(rng), rng, "swapped")
    assert sent[0][0].left is shots[0].right and sent[0][0].right is shots[0].left
    _, shots, sent = broken(CameraFaults(rng), rng, "future")
    assert sent[0][0].stamp_ns - shots[0].stamp_ns == 1_000_000_000


@pytest.mark.parametrize(("fault", "eye"), [("left_black", "left"), ("right_black", "right"), ("left_frozen", "left")])
def test_one_eye_fails_beside_one_that_sees(camera, rng, fault, eye):
    good, shots, sent = broken(camera, rng, fault)
    other = {"left": "right", "right": "left"}[eye]
    for (pair,), each in zip(sent, shots, strict=True):
        assert getattr(pair, other) is getattr(each, other) and pair.stamp_ns == each.stamp_ns
        assert getattr(pair, eye).max() < 30 if "black" in fault else pair.left is good.left


def test_delayed_pairs_come_half_a_second_late_with_their_own_stamp(camera, rng):
    _, shots, sent = broken(camera, rng, "delayed", 20)
    first = next(i for i, pairs in enumerate(sent) if pairs)
    assert first == 16 and sent[first] == [shots[0]]  # 16 periods of 33 ms are the first to reach 500 ms
    assert all(len(pairs) == 1 for pairs in sent[first:])


def test_an_unknown_fault_names_the_known_ones(camera):
    with pytest.raises(ValueError, match=f"'lens' is unknown: choose from {', '.join(FAULTS)}"):
        camera.set("lens")
    camera.set("dropped")
    camera.set("none")
    pair = Pair(0, np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8))
    assert camera.send(pair) == [pair]
