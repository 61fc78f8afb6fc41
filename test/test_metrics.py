"""Figures of trials and of keypoints, by hand."""

import pytest
import torch

from kovis_ros.method import metrics


def test_wilson_and_spread() -> None:
    # 10 of 10: centre (1 + 1.92/10) / 1.384, low end 0.722; 0 of 10 mirrors it
    assert metrics.wilson(10, 10) == pytest.approx((0.722, 1.0), abs=1e-3)
    assert metrics.wilson(0, 10) == pytest.approx((0.0, 0.278), abs=1e-3)
    assert metrics.wilson(0, 0) == (0.0, 1.0)
    assert metrics.spread(range(11)) == {"median": 5.0, "p90": 9.0}


def test_health_is_weighted_by_confidence_and_leaves_dead_ones_out() -> None:
    segmentation = torch.zeros(1, 64, 64, dtype=torch.int64)
    segmentation[:, :, 32:] = 1
    keypoints = torch.tensor([[[0.5, 0.0, 0.9], [-0.5, 0.0, 0.3], [-0.5, 0.0, 0.0]]])
    assert float(metrics.background_share(keypoints, segmentation, 32)) == pytest.approx(0.25)
    assert metrics.dead(keypoints).tolist() == [False, False, True]
    moved = keypoints.clone()
    moved[0, :, 0] += torch.tensor([0.02, 0.0, 1.0])  # shares of the side: 0.01 weighted 0.9 of 1.2
    assert metrics.jitter(keypoints, moved) == pytest.approx(0.0075, rel=1e-4)
