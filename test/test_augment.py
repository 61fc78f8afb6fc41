"""Augmentation: the robot's path when all is off, labels that follow the shift, determinism."""

import dataclasses

import numpy as np
import pytest
import torch

from kovis_ros.method import images, textures
from kovis_ros.method.augment import Augmenter, Raw, area_weights, moved, plain, shifted_resample
from kovis_ros.method.config import AugmentConfig, SensorConfig


@pytest.fixture(scope="module")
def raw() -> Raw:
    g = torch.Generator().manual_seed(0)
    return Raw(
        torch.randint(0, 256, (4, 2, 128, 128), generator=g, dtype=torch.uint8),
        torch.randint(0, 3, (4, 2, 128, 128), generator=g, dtype=torch.uint8),
        torch.rand((4, 2, 64, 64), generator=g),
        torch.randint(0, 3, (4, 2, 64, 64), generator=g),
        torch.rand((4, 2, 32, 3), generator=g),
    )


IDEAL = SensorConfig(127.5, 0.0, 0.0, (1.0, 1.0), 0.0, 0.0, (0.0, 0.0))
OFF = AugmentConfig(**{field.name: 0.0 for field in dataclasses.fields(AugmentConfig)})


@pytest.mark.parametrize("size", [64, 128])
def test_with_everything_off_it_is_the_path_of_the_robot(raw: Raw, size: int) -> None:
    pair, depth, segmentation, landmarks = Augmenter(OFF, IDEAL, size, pool=2)(raw, torch.Generator().manual_seed(0))
    # grey is rounded to whole levels here: half a level of about 37 (deviation of the averaged noise)
    assert (pair - plain(raw, size)).abs().max() < 0.03
    assert torch.equal(depth, raw.depth) and torch.equal(segmentation, raw.segmentation)
    assert torch.equal(landmarks, raw.landmarks)


def test_the_sensor_is_part_of_it(raw: Raw) -> None:
    noisy = dataclasses.replace(IDEAL, noise=(40.0, 40.0))  # of 128 pixels: 20 levels of 64
    imagers = (IDEAL, noisy)
    clean, seen = (Augmenter(OFF, imager, 64, pool=2)(raw, torch.Generator().manual_seed(0))[0] for imager in imagers)
    # 20 levels, of about 37 (deviation of the averaged noise of the images), which normalising then counts in
    assert 0.3 < (seen - clean).std() < 0.7


def test_plain_is_images_prepare(raw: Raw) -> None:
    expected = images.prepare(raw.images[1], images.Crop(-0.5, -0.5, 128.0), 64)[:, 0]
    assert torch.allclose(plain(raw, 64)[1], expected, atol=1e-6)


def test_same_generator_same_images(raw: Raw) -> None:
    augmenter = Augmenter(AugmentConfig(), SensorConfig(), 64, pool=4)
    first, second = (augmenter(raw, torch.Generator().manual_seed(5))[0] for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, augmenter(raw, torch.Generator().manual_seed(6))[0])


def test_weights_are_those_of_images() -> None:
    shift = torch.tensor([0.0, 1.7, -2.5])
    for row, start in zip(area_weights(128, shift, 64), shift.tolist(), strict=True):
        assert np.allclose(row.numpy(), images.area_weights(128, start - 0.5, 128.0, 64), atol=1e-5)


def test_shift_moves_both_eyes_the_same_way() -> None:
    image = torch.zeros(1, 2, 128, 128)
    image[..., 40, 60] = 1.0
    # the box moves 4 px right and 2 down, so the point moves 2 cells left and 1 up: from (30, 20) to (28, 19)
    seen = shifted_resample(image, torch.tensor([[4.0, 2.0]]), 64)
    assert torch.nonzero(seen[0, 0]).tolist() == [[19, 28]] and torch.equal(seen[0, 0], seen[0, 1])


def test_labels_move_with_the_image() -> None:
    label = torch.zeros(1, 2, 64, 64)
    label[..., 20, 30] = 1.0
    assert torch.nonzero(moved(label, torch.tensor([[2, 1]]))[0, 0]).tolist() == [[19, 28]]


def test_landmarks_move_with_the_image(raw: Raw) -> None:
    """A bright spot on a landmark is still there after the shift: within a cell of the network's image."""
    image = torch.zeros_like(raw.images)
    image[..., 40, 60] = 255
    # pixel (60, 40) of 128 is (2 * 60 + 1) / 128 - 1, (2 * 40 + 1) / 128 - 1 in network coordinates
    place = torch.tensor([121.0 / 128.0 - 1.0, 81.0 / 128.0 - 1.0, 1.0]).expand(4, 2, 32, 3)
    case = raw._replace(images=image, landmarks=place)
    config = dataclasses.replace(OFF, shift_px=3.0)
    seen, _, _, landmarks = Augmenter(config, IDEAL, 128, pool=2)(case, torch.Generator().manual_seed(1))
    pixels = (landmarks[:, 0, 0, :2] + 1.0) * 64.0 - 0.5
    brightest = seen[:, 0].flatten(1).argmax(1)
    assert (pixels[:, 0] - brightest % 128).abs().max() <= 1.0 and (pixels[:, 1] - brightest // 128).abs().max() <= 1.0
    assert (pixels - torch.tensor([60.0, 40.0])).abs().max() > 1.0  # and it did move


def test_background_alone_is_replaced(raw: Raw) -> None:
    config = dataclasses.replace(OFF, background=1.0)
    image = raw.images.float()
    painted = Augmenter(config, IDEAL, 64, pool=8).paint(image, raw.mask, torch.Generator().manual_seed(0))
    objects = raw.mask > 0
    assert torch.equal(painted[objects], image[objects])
    assert (painted[~objects] - image[~objects]).abs().mean() > 5.0


def test_hollows_are_darker(raw: Raw) -> None:
    """The target alone, from its nearest point on, most at its deepest."""
    before = raw.images.float().clamp_min(1.0)
    config = dataclasses.replace(OFF, hollow=1.0, hollow_strength=0.9)
    after = Augmenter(config, IDEAL, 128, pool=8).deepen(before, raw, torch.Generator().manual_seed(0))
    kept = after / before
    depth = torch.nn.functional.interpolate(raw.depth, before.shape[-2:])
    for image in range(len(before)):
        target = (raw.mask[image, 0] == 1) & (depth[image, 0] > 0.0)
        assert (kept[image, 0][~target] == 1.0).all()
        order = depth[image, 0][target].argsort()
        assert kept[image, 0][target][order[0]] == 1.0
        assert (kept[image, 0][target][order].diff() <= 1e-6).all() and kept[image, 0][target].min() > 0.09
    assert kept.amin() < 0.8


def test_occlusions_hide_a_small_part_of_everything(raw: Raw) -> None:
    before = raw.images.float()
    augmenter = Augmenter(dataclasses.replace(OFF, occlusion=1.0), IDEAL, 128, pool=8)
    after = augmenter.paint(before, raw.mask, torch.Generator().manual_seed(0))
    hidden = after != before
    assert 0.0 < hidden.float().mean() and (hidden.float().mean((1, 2, 3)) < 0.21).all()
    assert all((hidden & (raw.mask == kind)).any() for kind in (0, 1, 2))
    assert all(len(image[where].unique()) == 1 for image, where in zip(after, hidden, strict=True) if where.any())


def test_shadows_darken_patches(raw: Raw) -> None:
    config = dataclasses.replace(OFF, shadow=1.0, shadow_strength=0.5)
    before = raw.images.float()
    after = Augmenter(config, IDEAL, 128, pool=8).paint(before, raw.mask, torch.Generator().manual_seed(0))
    assert (after <= before).all() and (after >= 0.5 * before).all()
    dark = (after < before).float().mean((1, 2, 3))
    assert (dark > 0.05).all() and (dark < 0.95).all()


def test_textures_fill_the_range() -> None:
    drawn = textures.pool(np.random.default_rng(0), 12, 64)
    assert drawn.shape == (12, 64, 64) and drawn.dtype == np.uint8
    assert all(image.min() == 0 and image.max() >= 254 for image in drawn)
    assert np.array_equal(drawn, textures.pool(np.random.default_rng(0), 12, 64))
