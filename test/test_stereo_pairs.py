"""Pairing of left and right images by their numbers."""

from __future__ import annotations

from collections import Counter

import numpy as np

from kovis_ros.drivers.stereo_pairs import Frame, FramePairs

IMAGE = np.zeros((4, 4), np.uint8)


def frame(side, number, camera_ms=None):
    return Frame(side, number, 1000.0 + 33.3 * number if camera_ms is None else camera_ms, "hardware_clock", 0, IMAGE)


def feed(frames):
    """(number left, number right) of the pairs that come out, and the counts."""
    dropped = Counter()
    pairs = FramePairs(dropped)
    made = [pair for one in frames if (pair := pairs.add(one)) is not None]
    return [(left.number, right.number) for left, right in made if (left.side, right.side) == (0, 1)], dropped


def test_images_of_one_number_make_a_pair_in_any_order():
    made, dropped = feed([frame(0, 1), frame(1, 1), frame(1, 2), frame(0, 2), frame(0, 3), frame(0, 4), frame(1, 3)])
    assert made == [(1, 1), (2, 2), (3, 3)] and not dropped


def test_a_lost_side_never_gives_a_mixed_pair():
    """The library's own pairing gives (3, 2) here: the hole is filled with the image before."""
    made, dropped = feed([frame(s, n) for n in range(1, 6) for s in (0, 1) if (s, n) != (1, 3)])
    assert made == [(1, 1), (2, 2), (4, 4), (5, 5)] and dropped == {"unmatched": 1}


def test_what_was_lost_on_both_sides_is_counted_by_the_gap():
    made, dropped = feed([frame(s, n) for n in (1, 2, 5, 6) for s in (0, 1)])
    assert len(made) == 4 and dropped == {"lost": 2}


def test_equal_numbers_of_different_moments_are_refused():
    made, dropped = feed([frame(0, 7, 1000.0), frame(1, 7, 1033.3), frame(0, 7, 1033.3)])
    assert made == [(7, 7)] and dropped == {"mixed": 1}


def test_repeated_images_are_refused_and_a_new_count_is_not():
    made, dropped = feed([frame(s, n) for n in (5, 5, 6) for s in (0, 1)])
    assert made == [(5, 5), (6, 6)] and dropped == {"repeated": 2}
    made, dropped = feed([frame(s, n, 1000.0 + i) for i, n in enumerate((90, 91, 0, 1)) for s in (0, 1)])
    assert made == [(90, 90), (91, 91), (0, 0), (1, 1)] and not dropped


def test_one_side_alone_is_not_kept_for_ever():
    dropped = Counter()
    pairs = FramePairs(dropped, depth=6)
    assert not any(pairs.add(frame(0, n)) for n in range(100))
    assert len(pairs.waiting[0]) == 6 and dropped == {"unmatched": 94}
