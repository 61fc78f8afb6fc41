"""The infrared sensor: each effect against its number."""

import dataclasses

import numpy as np
import pytest
import torch

from kovis_ros.method import sensor
from kovis_ros.method.config import SensorConfig, load_task
from kovis_sim import evaluate
from kovis_sim.scene import Scene

IDEAL = SensorConfig(
    grey=100.0, exposure_error=0.0, eye_mismatch=0.0, corner=(1.0, 1.0), motion_px=0.0, defocus_px=0.0, noise=(0.0, 0.0)
)
FLAT = torch.full((64, 2, 128, 128), 40.0)


def seen(images: torch.Tensor = FLAT, **changes: object) -> torch.Tensor:
    """Images through an ideal sensor with some changes."""
    rng = torch.Generator().manual_seed(0)
    config = dataclasses.replace(IDEAL, **changes)  # type: ignore[arg-type]
    return sensor.expose(images, sensor.draw(config, len(images), rng), rng)


def test_exposure_settles_at_its_mean_within_its_error() -> None:
    assert torch.equal(seen(), torch.full_like(FLAT, 100.0))
    means = seen(exposure_error=0.3)[:, 0].mean((-2, -1))
    assert 70.0 <= means.min() < 78.0 and 122.0 < means.max() <= 130.0
    assert torch.equal(means, seen(exposure_error=0.3)[:, 1].mean((-2, -1)))  # the eyes expose together


def test_eyes_differ_in_gain() -> None:
    ratio = (seen(eye_mismatch=0.05)[:, 0] / seen(eye_mismatch=0.05)[:, 1]).mean((-2, -1))
    assert 0.90 < ratio.min() < 0.97 and 1.03 < ratio.max() < 1.11


def test_noise_has_its_deviation() -> None:
    deviation = seen(noise=(2.0, 2.0)).std((-2, -1))
    assert deviation.mean().item() == pytest.approx(np.sqrt(2.0**2 + 1.0 / 12.0), rel=0.02)  # and rounding's


def test_a_larger_image_is_of_the_same_sensor() -> None:
    """Averaged to 128 px, an image of 256 has the noise and the blur that are stated for 128."""
    stated = dataclasses.replace(IDEAL, noise=(2.0, 2.0), defocus_px=0.4)
    assert sensor.at(stated, 128) == stated
    large = sensor.at(stated, 256)
    rng = torch.Generator().manual_seed(0)
    flat = torch.full((16, 2, 256, 256), 40.0)
    noisy = sensor.expose(flat, sensor.draw(large, len(flat), rng), rng)
    averaged = torch.nn.functional.avg_pool2d(noisy, 2)
    assert averaged.std((-2, -1)).mean().item() == pytest.approx(2.0, rel=0.03)
    assert large.defocus_px == pytest.approx(0.8) and large.motion_px == 0.0  # 0.8 px of 256 are 0.4 of 128


def test_light_falls_off_to_the_corner() -> None:
    fall = sensor.falloff(128, torch.tensor(0.55))
    assert fall[64, 64].item() == pytest.approx(1.0, abs=1e-3)
    assert fall[0, 0].item() == pytest.approx(0.55, abs=0.01)
    # the middle of an edge is at tan 0.566: (1 + 0.32) ** (ln 0.55 / ln 1.64) = 0.715
    assert fall[64, 0].item() == pytest.approx(0.715, abs=0.01)


def test_an_image_is_darker_towards_its_corner() -> None:
    image = seen(corner=(0.55, 0.55))[0, 0]
    assert (image[0, 0] / image[64, 64]).item() == pytest.approx(0.55, abs=0.02)  # of whole levels
    assert image.mean().item() == pytest.approx(100.0, abs=0.5)


def test_movement_has_the_variance_of_its_box() -> None:
    # 0.6 px of movement: variance 0.03; 0.8 px of defocus: 0.64, together 0.67 = 2 w, capped at 2 / 3
    assert sensor.smear(torch.tensor(0.6), torch.tensor(0.0)).item() == pytest.approx(0.015)
    assert sensor.smear(torch.tensor(0.6), torch.tensor(0.8)).item() == pytest.approx(1.0 / 3.0)


def test_movement_and_blur_spread_a_point() -> None:
    """A weight of a quarter leaves half in place; the whole light is 64 pixels times a mean of 1.5."""
    point = torch.zeros(1, 2, 8, 8)
    point[..., 4, 4] = 100.0
    for x, y in ((0.25, 0.0), (0.0, 0.25)):
        exposure = sensor.Exposure(*(torch.full((1, 2, 1, 1), value) for value in (1.5, 1.0, x, y, 0.0)))
        image = sensor.expose(point, exposure, torch.Generator())[0, 0]
        line = image[4, 3:6] if x else image[3:6, 4]
        assert line.tolist() == [24.0, 48.0, 24.0] and image.sum() == 96.0


def test_bright_light_saturates_at_eight_bits() -> None:
    image = FLAT.clone()
    image[..., :8] = 4000.0
    out = seen(image)
    assert out.max() == 255.0 and out.min() >= 0.0 and torch.equal(out, out.round())


def test_the_cell_delivers_what_the_sensor_sees() -> None:
    """One camera a trial, new noise in each image, the same for the same seed; roll-outs stay as rendered."""
    scene = Scene(load_task("pick_mug"), seed=4, sensor=True)
    first, second = scene.stereo()[0], scene.stereo()[0]
    assert first.dtype == np.uint8 and not np.array_equal(first, second)
    assert abs(first.mean() - second.mean()) < 0.5
    scene.reset(4)
    assert np.array_equal(first, scene.stereo()[0])
    scene.close()


def test_the_evaluations_scene_has_a_sensor() -> None:
    scene = evaluate._scene(load_task("pick_mug"), "test", "test", 0)
    assert not np.array_equal(scene.stereo()[0], scene.stereo()[0])
    evaluate._scene.cache_clear()
    scene.close()
