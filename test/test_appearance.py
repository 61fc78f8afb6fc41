"""Looks: what evaluation sees is of other kinds than what training sees."""

import dataclasses

import numpy as np
import pytest

from kovis_ros.method import textures
from kovis_ros.method.config import AppearanceConfig
from kovis_sim import appearance

CONFIG = AppearanceConfig()


def elevations_deg(split):
    rng = np.random.default_rng(0)
    plain = dataclasses.replace(CONFIG, background_probability=0.0, texture_probability=0.0)
    directions = [appearance.draw(plain, rng, split).light.direction for _ in range(400)]
    return np.degrees(np.arcsin([d[2] for d in directions]))


def test_lights_of_evaluation_stand_lower_or_higher_than_any_of_training():
    low, high = CONFIG.light_elevation_deg
    train, test = elevations_deg("train"), elevations_deg("test")
    assert train.min() >= low and train.max() <= high and np.ptp(train) > 0.95 * (high - low)
    assert not np.any((test > low) & (test < high))
    assert low - 10.0 <= test.min() < low - 9.0 and high + 9.0 < test.max() <= high + 10.0
    assert 0.4 < np.mean(test < low) < 0.6


def test_kinds_of_patterns_are_not_shared():
    """Neither with the roll-outs' family nor with the textures that training images are painted with."""
    held_out = {kind.__name__ for kind in appearance.TEST}
    assert not held_out & {kind.__name__ for kind in appearance.TRAIN}
    assert not held_out & {kind.__name__ for kind in textures.KINDS}


@pytest.mark.parametrize("split", ["train", "test"])
def test_patterns_are_many_and_the_same_every_time(split):
    first = [appearance.pattern(split, number) for number in range(12)]
    appearance.pattern.cache_clear()
    again = [appearance.pattern(split, number) for number in range(12)]
    np.testing.assert_array_equal(first, again)
    assert all(np.ptp(image) == 255 for image in first)
    assert len({image.tobytes() for image in first}) == len(first)
    skin = appearance.skin(split, 3)
    assert skin.shape == (128, 128) and skin.max() > 240 and 0.1 < np.ptp(skin) / 255.0 < 0.95


def test_draws_reach_all_patterns():
    rng = np.random.default_rng(1)
    worn = [appearance.draw(CONFIG, rng, "train").target.texture for _ in range(300)]
    assert max(worn) > 0.95 * appearance.PATTERNS and len(set(worn)) > 120
