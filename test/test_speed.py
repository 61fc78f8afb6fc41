"""Figures of speed: the paper's sizes, and each figure beside its reference."""

from __future__ import annotations

import pytest
import small
import synthetic
import torch

from kovis_ros.cli import bench
from kovis_ros.method import speed
from kovis_ros.method.dataset import build_cache
from kovis_ros.method.networks.paper import PaperNetwork


def test_the_reference_has_the_papers_sizes() -> None:
    """About 0.5 M parameters in the encoder and 1 M in all; maps of 32x32, pictures of 64x64 (Section III and IV)."""
    network = PaperNetwork(10, 4)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    assert 0.5e6 < counts["encoder"] < 0.6e6 and 0.9e6 < sum(counts.values()) < 1.1e6
    output = network(torch.randn(2, 2, 64, 64))
    assert output.maps.shape == (4, 10, 32, 32) and output.keypoints.shape == (2, 2, 10, 3)
    assert output.reconstruction.depth.shape == (4, 64, 64)
    assert output.reconstruction.segmentation.shape == (4, 3, 64, 64) and output.prediction.direction.shape == (2, 4)


def test_training_is_timed_beside_the_reference(tmp_path, monkeypatch) -> None:
    cache = build_cache(synthetic.samples(20), tmp_path / "cache")
    task = small.task(batch=2)
    found = speed.training(task, cache, tmp_path, rounds=3)
    assert found.ours > found.paper > 0.0 and 0.0 < found.wait_share < 1.0


@pytest.mark.parametrize(
    "amx, ratio, met", [(True, 5.9, False), (True, 6.1, True), (False, 1.9, False), (False, 2.1, True)]
)
def test_bars_depend_on_the_processor(amx: bool, ratio: float, met: bool) -> None:
    rows = bench.training(speed.TrainingSpeed(10.0 * ratio, 10.0, 0.04, "bf16-mixed"), amx)
    assert [row.met for row in rows] == [met, True] and rows[0].ratio == pytest.approx(ratio)
    assert bench.training(speed.TrainingSpeed(70.0, 10.0, 0.06, "32-true"), amx)[1].met is False


def test_recording_is_beside_the_authors_generator(monkeypatch) -> None:
    monkeypatch.setattr("kovis_sim.speed.generation", lambda task, size, rollouts: {128: 46.0, 64: 156.0}[size])
    large, small_ = bench.generation(small.task(), 10)
    assert large.ratio == pytest.approx(46.0 / 15.6) and large.met is False
    assert small_.ratio == pytest.approx(10.0) and small_.met is True
