"""Shapes, sizes and precision of the networks."""

import dataclasses

import pytest
import torch

from kovis_ros.method.config import ModelConfig, Task, load_task
from kovis_ros.method.networks import Network
from kovis_ros.method.networks.layers import Pointwise
from kovis_ros.method.networks.servo import Servo, Standardise, stereo_features


def task(**model: object) -> Task:
    """pick_mug with other sizes."""
    known = load_task("pick_mug")
    return dataclasses.replace(known, model=dataclasses.replace(known.model, **model))  # type: ignore[arg-type]


@pytest.mark.parametrize(("image_size", "keypoints"), [(64, 10), (128, 5), (64, 16)])
def test_shapes(image_size: int, keypoints: int) -> None:
    torch.set_num_threads(1)
    output = Network(task(image_size=image_size, keypoints=keypoints)).eval()(torch.randn(2, 2, image_size, image_size))
    assert output.keypoints.shape == (2, 2, keypoints, 3)
    assert output.maps.shape == output.attention.shape == (4, keypoints, 32, 32)
    assert output.reconstruction.depth.shape == (4, 64, 64)
    assert output.reconstruction.segmentation.shape == (4, 3, 64, 64)
    assert output.prediction.direction.shape == (2, 4) and output.prediction.speed.shape == (2,)


def test_with_local_contrast_a_brighter_patch_moves_the_logits_less() -> None:
    pairs = torch.randn((1, 1, 128, 128), generator=torch.Generator().manual_seed(0)).sign()
    lit = pairs.clone()
    lit[..., 32:96, 32:96] *= 2.0
    torch.manual_seed(0)
    encoder = Network(task(local_contrast=True)).encoder.eval()
    with torch.inference_mode():
        seen = encoder(pairs)
        encoder.stem[0].weight[:, : encoder.fold**2] = 0.0  # what comes from the image itself
        moved = (encoder(lit) - encoder(pairs)).abs().max()
    assert seen.shape == (1, 10, 32, 32) and moved < 0.2 * encoder(pairs).std()


def test_the_encoder_has_the_papers_half_million_parameters() -> None:
    network = Network(task(**dataclasses.asdict(ModelConfig())))
    assert sum(p.numel() for p in network.encoder.parameters()) == pytest.approx(0.5e6, rel=0.1)
    assert sum(p.numel() for p in network.parameters()) < 1e6


def test_left_and_right_are_encoded_one_by_one() -> None:
    network = Network(task()).eval()
    size = network.map_size * network.encoder.fold
    pair = torch.randn(1, 2, size, size)
    with torch.inference_mode():
        both, swapped = network.find(pair), network.find(pair.flip(1))
    assert torch.allclose(both.flip(1), swapped, atol=1e-5)


def test_direction_is_a_unit_vector_and_speed_the_labels_law() -> None:
    torch.manual_seed(0)
    prediction = Servo(task(keypoints=10).model, 4).eval()(torch.rand(5, 2, 10, 3))
    length = prediction.vector.norm(dim=-1)
    assert prediction.direction.norm(dim=-1).tolist() == pytest.approx([1.0] * 5, abs=1e-3)
    assert torch.allclose(prediction.speed, 1.0 - torch.exp(-length), atol=1e-4)


def test_servo_stays_in_fp32_under_autocast() -> None:
    servo, points = Servo(task(keypoints=10).model, 4).eval(), torch.rand(3, 2, 10, 3)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = servo(points)
    assert mixed.vector.dtype == torch.float32 and torch.equal(mixed.vector, servo(points).vector)


def test_features_are_place_disparity_and_confidence() -> None:
    # left (0.5, 0.1, 0.9), right (0.3, 0.1, 0.7): place (0.4, 0.1), disparity (0.2, 0), point (0.4, 0.1, 1) / 0.2
    points = torch.tensor([[[[0.5, 0.1, 0.9]], [[0.3, 0.1, 0.7]]]])
    assert stereo_features(points)[0].tolist() == pytest.approx([0.4, 0.1, 0.2, 0.0, 0.9, 0.7, 2.0, 0.5, 5.0])


def test_a_pointwise_layer_is_a_1x1_convolution() -> None:
    layer, x = Pointwise(6, 4, 1), torch.randn(3, 6, 5, 7)
    assert torch.allclose(layer(x), torch.nn.functional.conv2d(x, layer.weight, layer.bias), atol=1e-5)


def test_in_training_one_eye_of_each_pair_is_decoded() -> None:
    network = Network(task())
    size = network.map_size * network.encoder.fold
    output = network.train()(torch.randn(3, 2, size, size))
    assert output.decoded.tolist() == [0, 3, 4]  # left of the first pair, right of the second, left of the third
    assert output.reconstruction.depth.shape[0] == 3


def test_standardise_finds_mean_and_deviation() -> None:
    layer, g = Standardise(2), torch.Generator().manual_seed(0)
    for _ in range(400):
        layer(torch.tensor([3.0, -1.0]) + torch.tensor([0.1, 5.0]) * torch.randn((64, 2), generator=g))
    scaled = layer.eval()(torch.tensor([[3.1, 4.0]]))
    assert scaled[0].tolist() == pytest.approx([1.0, 1.0], abs=0.1)
