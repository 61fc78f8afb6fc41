"""From camera image to network input and back: crops, averages, coordinates, refusals."""

import numpy as np
import pytest
import torch

from kovis_ros.method import images
from kovis_ros.method.images import Crop, ImageError

D435 = np.array([[425.0, 0.0, 423.5], [0.0, 425.0, 239.5], [0.0, 0.0, 1.0]])  # 848x480
WHOLE = Crop(-0.5, -0.5, 128.0)


def test_a_centred_square_of_848x480_sees_59_degrees() -> None:
    # 2 atan(240 / 425) = 58.9 deg, inside 53-63: the whole height
    crop = images.crop_for(D435, (480, 848), (53.0, 63.0))
    assert crop == pytest.approx((183.5, -0.5, 480.0))
    assert images.field_of_view(D435, crop.side) == pytest.approx(58.9, abs=0.05)


def test_a_wide_camera_is_cropped_to_the_trained_view() -> None:
    # f = 300 px: 63 deg are 2 x 300 x tan(31.5 deg) = 367.7 px
    K = np.array([[300.0, 0.0, 319.5], [0.0, 300.0, 239.5], [0.0, 0.0, 1.0]])
    crop = images.crop_for(K, (480, 640), (53.0, 63.0))
    assert crop.side == pytest.approx(367.68, abs=0.05) and crop.x == pytest.approx(319.5 - crop.side / 2)


def test_refused_cameras() -> None:
    with pytest.raises(ImageError, match=r"field of view .* below the trained 53-63 deg: choose"):
        images.crop_for(np.diag([2.0, 2.0, 1.0]) @ D435, (480, 848), (53.0, 63.0))
    with pytest.raises(ImageError, match="are no camera: check camera_info"):
        images.crop_for(np.zeros((3, 3)), (480, 848), (53.0, 63.0))


def test_refused_images() -> None:
    with pytest.raises(ImageError, match=r"left image is uint8 \(4, 4, 3\): give one grey channel"):
        images.check(np.ones((4, 4, 3), np.uint8), "left")
    with pytest.raises(ImageError, match="only 8x20"):
        images.check(np.full((20, 8), 99, np.uint8), "left")
    with pytest.raises(ImageError, match="is black .*lens cap"):
        images.check(np.full((64, 64), 3, np.uint8), "left")


def test_structure_tells_a_picture_from_noise_and_from_a_glow_on_a_covered_lens(rng: np.random.Generator) -> None:
    noise = rng.normal(16.0, 3.0, (128, 128))
    y, x = np.mgrid[:128, :128] / 128.0
    glow = 120.0 * np.exp(-4.0 * ((x - 0.3) ** 2 + (y - 0.5) ** 2))
    for covered in (noise, noise + glow, np.full((128, 128), 40.0)):
        assert images.structure(covered.astype(np.uint8)) < 1.5
    patches = np.kron(rng.integers(0, 60, (16, 16)), np.ones((8, 8)))
    large = np.kron(patches, np.ones((4, 4))) + rng.normal(16.0, 3.0, (512, 512))
    for seen in (patches + noise, large):
        assert images.structure(seen.astype(np.uint8)) > 2.0 * images.LEAST_STRUCTURE


def test_half_size_is_the_mean_of_four_pixels() -> None:
    image = torch.arange(256.0).reshape(16, 16)
    expected = image.reshape(8, 2, 8, 2).mean((1, 3))
    assert torch.allclose(images.resample(image, Crop(-0.5, -0.5, 16.0), 8), expected)


@pytest.mark.parametrize("crop", [Crop(3.2, -2.7, 20.4), Crop(-0.5, -0.5, 24.0), Crop(5.0, 5.0, 3.0)])
def test_weights_against_the_slow_obvious_way(crop: Crop) -> None:
    found = images.area_weights(24, crop.x, crop.side, 10)
    fine = 2000  # samples a bin
    for bin_index in range(10):
        places = crop.x + crop.side * (bin_index + (np.arange(fine) + 0.5) / fine) / 10
        pixels = np.clip(np.floor(places + 0.5), 0, 23).astype(int)
        assert np.abs(np.bincount(pixels, minlength=24) / fine - found[bin_index]).max() < 2e-3


def test_normalise_drops_exposure_and_gain() -> None:
    image = torch.rand(2, 32, 32) * 100.0
    found = images.normalise(image)
    assert found.mean().abs() < 1e-5 and found.std((-2, -1)).tolist() == pytest.approx([1.0, 1.0], abs=1e-4)
    assert torch.allclose(found, images.normalise(2.0 * image + 30.0), atol=1e-4)


def test_local_contrast_against_the_slow_obvious_way() -> None:
    image = torch.randn((1, 1, 24, 24), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    padded = np.pad(image[0, 0].numpy(), 8, mode="edge")
    off = np.array(
        [[padded[r, c] - padded[r - 4 : r + 5, c - 4 : c + 5].mean() for c in range(8, 32)] for r in range(8, 32)]
    )
    squares = np.pad(off, 4, mode="edge") ** 2
    spread = np.array([[squares[r : r + 9, c : c + 9].mean() for c in range(24)] for r in range(24)])
    found = images.local_contrast(image.float())[0, 0]
    np.testing.assert_allclose(found, off / np.sqrt(spread + images.FAINT**2), atol=1e-4)


def test_local_contrast_does_not_see_light_and_paint() -> None:
    """A dim half of an image looks as the bright half does; what is fainter than noise stays faint."""
    pattern = torch.randn((1, 1, 32, 32), generator=torch.Generator().manual_seed(1)).sign()
    bright, dim = (images.local_contrast(gain * pattern + 1.0) for gain in (1.0, 0.3))
    torch.testing.assert_close(bright, dim, rtol=0.1, atol=0.05)
    assert images.local_contrast(0.01 * pattern).abs().max() < 0.3
    assert images.local_contrast(torch.full((1, 1, 32, 32), 3.0)).abs().max() < 1e-2


def test_prepare_gives_one_channel() -> None:
    assert images.prepare(torch.rand(2, 128, 128) * 255, WHOLE, 64).shape == (2, 1, 64, 64)


def test_network_coordinates_span_the_crop() -> None:
    # centre of pixel (0, 0) of a 128 px crop is half a pixel inside: -1 + 1/128
    assert images.to_network([0.0, 127.5], WHOLE).tolist() == pytest.approx([-1.0 + 1.0 / 128.0, 1.0])
    assert images.to_pixels([0.0, 0.0], WHOLE).tolist() == pytest.approx([63.5, 63.5])
    points = np.random.default_rng(0).uniform(-1, 1, (5, 2))
    crop = Crop(183.5, -0.5, 480.0)
    assert np.allclose(images.to_network(images.to_pixels(points, crop), crop), points, atol=1e-6)


def test_a_dot_is_found_where_it_was_drawn() -> None:
    image = torch.zeros(128, 128)
    image[40, 90] = 1.0
    seen = images.resample(image, WHOLE, 64)
    row, column = divmod(int(seen.argmax()), 64)
    place = images.to_pixels([(2 * column + 1) / 64 - 1, (2 * row + 1) / 64 - 1], WHOLE)
    assert np.abs(place - [90, 40]).max() <= 0.5
