"""Eq. 2-4 against numbers derived by hand."""

import math

import pytest
import torch

from kovis_ros.method.keypoints import attention, cell_centres, centroids, confidences, gaussian_maps, keypoints


def peaked(row: int, column: int, size: int = 32, height: float = 50.0) -> torch.Tensor:
    """Logits (1, 1, size, size) with one high cell."""
    logits = torch.zeros(1, 1, size, size)
    logits[0, 0, row, column] = height
    return logits


def test_cell_centres_span_the_map() -> None:
    # 4 cells across [-1, 1] are 0.5 wide: centres at -0.75, -0.25, 0.25, 0.75
    assert cell_centres(4).tolist() == [-0.75, -0.25, 0.25, 0.75]


def test_centroid_of_one_cell_is_its_centre_as_x_right_y_down() -> None:
    # row 0, column 31 of 32: x = 63/32 - 1 = 0.96875, y = 1/32 - 1 = -0.96875
    assert centroids(attention(peaked(0, 31)))[0, 0].tolist() == pytest.approx([0.96875, -0.96875])


def test_centroid_of_two_cells_is_weighted_by_the_softmax() -> None:
    # logits log 3 and 0 on a 1x2 map: weights 3/4 and 1/4, centres -1/2 and 1/2, so x = -1/4
    logits = torch.tensor([[[[math.log(3.0), 0.0]]]])
    assert centroids(attention(logits))[0, 0].tolist() == pytest.approx([-0.25, 0.0])


def test_equal_logits_give_the_middle() -> None:
    assert centroids(attention(torch.zeros(2, 3, 8, 8))).abs().max() < 1e-6


def test_confidence_is_the_sigmoid_of_the_largest_logit() -> None:
    # sigma(log 3) = 3 / 4
    logits = torch.full((1, 1, 4, 4), -9.0)
    logits[0, 0, 2, 1] = math.log(3.0)
    assert float(confidences(logits)) == pytest.approx(0.75)


def test_gaussian_fades_to_exp_minus_rho_one_cell_away() -> None:
    points = torch.tensor([[[cell_centres(32)[10], cell_centres(32)[20], 0.8]]])
    maps = gaussian_maps(points, 32, 2.5)
    assert float(maps[0, 0, 20, 10]) == pytest.approx(0.8)
    assert float(maps[0, 0, 20, 11]) == pytest.approx(0.8 * math.exp(-2.5), rel=1e-4)
    assert float(maps[0, 0, 21, 11]) == pytest.approx(0.8 * math.exp(-5.0), rel=1e-4)  # squared distance 2


def test_everything_against_the_slow_obvious_way() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3.0 * torch.randn((2, 3, 6, 8), generator=generator)
    found = keypoints(logits)
    for b in range(2):
        for k in range(3):
            weights = logits[b, k].exp() / logits[b, k].exp().sum()
            x = sum(float(weights[r, c]) * ((2 * c + 1) / 8 - 1) for r in range(6) for c in range(8))
            y = sum(float(weights[r, c]) * ((2 * r + 1) / 6 - 1) for r in range(6) for c in range(8))
            alpha = 1.0 / (1.0 + math.exp(-float(logits[b, k].max())))
            assert found[b, k].tolist() == pytest.approx([x, y, alpha], abs=1e-5)


def test_half_precision_logits_are_reduced_in_fp32() -> None:
    logits = peaked(3, 4).bfloat16()
    assert keypoints(logits).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert attention(logits).dtype == torch.float32


def test_gradient_reaches_every_logit() -> None:
    logits = torch.zeros(1, 1, 4, 4, requires_grad=True)
    centroids(attention(logits))[..., 0].sum().backward()
    assert logits.grad is not None and (logits.grad != 0).all()
