"""Every term of Eq. 5-8 against numbers derived by hand."""

import math

import pytest
import torch
from torch import Tensor

from kovis_ros.method import losses
from kovis_ros.method.config import LossConfig, load_task
from kovis_ros.method.networks import Network


def points(*rows: tuple[float, float, float]) -> Tensor:
    """Keypoints (1, K, 3)."""
    return torch.tensor([rows])


def test_proximity_of_two_keypoints() -> None:
    # squared distance 0.05, gamma 20: exp(-1); confidences 0.5 and 0.8: 0.4 exp(-1)
    found = losses.proximity(points((0.0, 0.0, 0.5), (0.1, 0.2, 0.8)), 20.0)
    assert float(found) == pytest.approx(0.4 * math.exp(-1.0), rel=1e-3)


def test_proximity_sums_each_pair_once() -> None:
    # three in one place with confidence 1: 3 pairs of 1 each
    assert float(losses.proximity(points(*[(0.1, 0.1, 1.0)] * 3), 20.0)) == pytest.approx(3.0, rel=5e-3)


def test_proximity_pushes_apart() -> None:
    place = points((0.1, 0.1, 1.0), (0.15, 0.1, 1.0)).requires_grad_()
    losses.proximity(place, 20.0).backward()
    assert place.grad is not None and torch.isfinite(place.grad).all()
    assert place.grad[0, 0, 0] > 0 > place.grad[0, 1, 0]  # descent moves them apart


def test_background_sums_what_lies_on_background_cells() -> None:
    segmentation = torch.zeros(1, 4, 4, dtype=torch.int64)
    segmentation[0, :, 2:] = 1  # right half is target: cells of column 1 of the 2x2 map
    maps = torch.tensor([[[[0.1, 0.2], [0.3, 0.4]], [[1.0, 0.0], [0.0, 0.0]]]])
    assert float(losses.background(maps, segmentation)) == pytest.approx(0.1 + 0.3 + 1.0)


def test_a_cell_with_any_object_in_it_is_not_background() -> None:
    segmentation = torch.zeros(1, 4, 4, dtype=torch.int64)
    segmentation[0, 1, 1] = 2
    assert losses.background_cells(segmentation, 2)[0].tolist() == [[False, True], [True, True]]


def test_anchor_is_the_cross_entropy_of_the_share_on_the_own_object() -> None:
    # 2x2 map, target in cell (0, 0), gripper in (1, 1); first keypoint 70 % on the target, second 20 % on the gripper
    segmentation = torch.zeros(1, 2, 2, dtype=torch.int64)
    segmentation[0, 0, 0], segmentation[0, 1, 1] = 1, 2
    attention = torch.tensor([[[[0.7, 0.1], [0.1, 0.1]], [[0.6, 0.1], [0.1, 0.2]]]])
    assert float(losses.anchor(attention, segmentation)) == pytest.approx(
        -(math.log(0.7) + math.log(0.2)) / 2, rel=1e-4
    )


def test_anchor_leaves_out_an_object_that_is_not_seen() -> None:
    segmentation = torch.zeros(1, 2, 2, dtype=torch.int64)
    segmentation[0, 0, 0] = 1
    attention = torch.tensor([[[[0.7, 0.1], [0.1, 0.1]], [[0.6, 0.1], [0.1, 0.2]]]])
    assert float(losses.anchor(attention, segmentation)) == pytest.approx(-math.log(0.7), rel=1e-4)


def test_spread_is_the_variance_in_network_coordinates() -> None:
    # half the mass at x = -0.5, half at x = 0.5 of a map of one row: variance 0.25; all in one cell: 0
    attention = torch.tensor([[[[0.5, 0.5]], [[1.0, 0.0]]]])
    assert float(losses.spread(attention)) == pytest.approx(0.125)


def test_landmark_counts_cells_of_what_is_in_the_image() -> None:
    # three keypoints: two of the target's landmarks, one of the gripper's; a cell of a 4x4 map is 0.5 wide
    landmarks = torch.zeros(1, 2, 6, 3)
    landmarks[..., 2] = 1.0
    landmarks[:, :, 0, :2] = torch.tensor([0.5, 0.0])
    landmarks[:, :, 3, :2] = torch.tensor([-0.5, 0.5])
    keypoints = torch.zeros(1, 2, 3, 3)
    keypoints[:, :, 0, :2] = landmarks[:, :, 0, :2] + torch.tensor([1.5, 2.0])  # 3 and 4 cells: 5
    keypoints[:, :, 2, :2] = landmarks[:, :, 3, :2]
    rounding, chosen = math.sqrt(1e-3), losses.chosen(landmarks, 3)
    assert float(losses.landmark(keypoints, chosen, 4)) == pytest.approx((5.0 + 2.0 * rounding) / 3, rel=1e-3)
    chosen[:, :, 0, 2] = 0.0  # outside: it does not count
    assert float(losses.landmark(keypoints, chosen, 4)) == pytest.approx(rounding, rel=1e-3)


def test_disparity_counts_what_the_eyes_do_not_share() -> None:
    # a cell of a 4x4 map is 0.5 wide: both eyes 3 cells off is no error, the right one alone is off by 2 cells
    landmarks = torch.zeros(1, 2, 2, 3)
    landmarks[..., 2] = 1.0
    keypoints = landmarks.clone()
    keypoints[:, :, 0, 0] += 1.5
    keypoints[:, 1, 1, 0] -= 1.0
    keypoints[:, 1, 1, 1] += 0.7  # along the other axis there is no disparity
    rounding = math.sqrt(1e-3)
    assert float(losses.disparity(keypoints, landmarks, 4)) == pytest.approx((rounding + 2.0) / 2, rel=1e-3)
    landmarks[:, 0, 1, 2] = 0.0  # seen by one eye alone: it does not count
    assert float(losses.disparity(keypoints, landmarks, 4)) == pytest.approx(rounding, rel=1e-3)


def test_depth_counts_known_depth_of_objects_only() -> None:
    prediction = torch.tensor([[[1.0, 9.0], [2.0, 9.0]]])
    target = torch.tensor([[[0.0, 0.0], [0.0, math.nan]]])
    segmentation = torch.tensor([[[1, 0], [2, 1]]])
    assert float(losses.depth(prediction, target, segmentation)) == pytest.approx((1.0 + 4.0) / 2)


def test_hardest_is_the_mean_of_the_largest_errors() -> None:
    # the largest half of (4, 1, 3, 2) is 4 and 3, of (0, 0, 8, 0) it is 8 and 0: means 3.5 and 4
    assert float(losses.hardest(torch.tensor([[4.0, 1.0, 3.0, 2.0], [0.0, 0.0, 8.0, 0.0]]), 0.5)) == pytest.approx(3.75)


def test_direction_is_scaled_by_the_speed() -> None:
    # 60 degrees apart: 1 - cos = 0.5, at speed 0.4: 0.2; second one is right
    u = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    label = torch.tensor([[0.5, math.sqrt(0.75)], [0.0, 1.0]])
    assert float(losses.direction(u, label, torch.tensor([0.4, 1.0]))) == pytest.approx(0.1)


def test_speed_is_binary_cross_entropy() -> None:
    # label 1 at 0.8: -log 0.8; label 0.5 at 0.5: log 2
    found = losses.speed(torch.tensor([0.8, 0.5]), torch.tensor([1.0, 0.5]))
    assert float(found) == pytest.approx((-math.log(0.8) + math.log(2.0)) / 2, rel=1e-5)


def test_speed_has_a_floor_that_a_perfect_prediction_reaches() -> None:
    label = torch.tensor([0.1, 0.5, 0.9])
    entropy = [-(b * math.log(b) + (1 - b) * math.log(1 - b)) for b in label.tolist()]
    assert float(losses.speed_floor(label)) == pytest.approx(sum(entropy) / 3, rel=1e-5)
    assert losses.speed(torch.tensor([0.2, 0.5, 0.9]), label) > losses.speed_floor(label)


def test_floor_of_uniform_steps_is_what_the_paper_sits_on() -> None:
    # distances uniform in 0-85 mm (5 steps of up to 17 mm): mean entropy of 1 - exp(-200 d) is small, 0.35 for
    # log-uniform ones; here only the order: nearer data has the higher floor
    far = 1.0 - torch.exp(-200.0 * torch.linspace(0.0, 0.085, 1001))
    near = 1.0 - torch.exp(-200.0 * torch.linspace(0.0, 0.010, 1001))
    assert losses.speed_floor(far) < losses.speed_floor(near)


def test_displacement_is_relative_to_the_distance() -> None:
    # |v - v*| = 0.4 with |v*| = 4, rounded by 0.3: (sqrt(0.16 + 0.09) - 0.3) / 5
    found = losses.displacement(torch.tensor([[3.6, 0.0]]), torch.tensor([[4.0, 0.0]]))
    assert float(found) == pytest.approx(0.04, rel=1e-3)


def make_batch(size: int = 64, axes: int = 4) -> losses.Batch:
    """Two random stereo pairs with truth."""
    g = torch.Generator().manual_seed(0)
    displacement = 0.02 * torch.randn((2, axes), generator=g)
    length = displacement.norm(dim=-1)
    return losses.Batch(
        torch.randn((2, 2, size, size), generator=g),
        torch.rand((2, 2, 64, 64), generator=g),
        torch.randint(0, 3, (2, 2, 64, 64), generator=g),
        displacement / length[:, None],
        1.0 - torch.exp(-200.0 * length),
        displacement,
        torch.rand((2, 2, 32, 3), generator=g),
    )


def test_total_is_the_weighted_sum_and_every_weight_has_a_term() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = Network(load_task("pick_mug")).eval()
    config, batch = LossConfig(), make_batch(network.map_size * network.encoder.fold)
    parts = losses.terms(network(batch.images), batch, config, 200.0, (torch.tensor(0.2), torch.tensor(0.05)))
    assert set(parts) == {name for name in LossConfig.__dataclass_fields__ if name not in ("gamma", "hardest")}
    expected = sum(getattr(config, name) * float(value.detach()) for name, value in parts.items())
    assert float(losses.total(parts, config).detach()) == pytest.approx(expected, rel=1e-5)
