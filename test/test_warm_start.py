"""What a run takes over from weights with more keypoints, or for images of another size."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import small
import torch

from kovis_ros.method import checkpoint, warm_start
from kovis_ros.method.checkpoint import CheckpointError
from kovis_ros.method.keypoints import gaussian_maps
from kovis_ros.method.networks import Network
from kovis_ros.method.warm_start import kept, pruned


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A checkpoint, untrained."""
    torch.manual_seed(0)
    path, task = tmp_path / "start.safetensors", small.task()
    checkpoint.save(path, task, Network(task))
    return path


def test_a_run_can_start_from_a_checkpoint_with_more_keypoints(start: Path) -> None:
    """Those that are kept, the first of the target's and of the tool's, are found where they were."""
    more = checkpoint.load(start).network.eval()
    task = small.task()
    task = dataclasses.replace(task, model=dataclasses.replace(task.model, keypoints=3))
    fewer = Network(task)
    state = pruned(more.state_dict(), 4, 3)
    fewer.load_state_dict(state)
    images = torch.randn(2, 2, 64, 64)
    assert torch.allclose(fewer.eval().find(images), more.find(images)[:, :, [0, 1, 2]], atol=1e-5)
    assert kept(16, 10) == [0, 1, 2, 3, 4, 8, 9, 10, 11, 12] and kept(4, 3) == [0, 1, 2]
    points = more.find(images)
    points[:, :, 3] = 0.0
    maps = gaussian_maps(points.flatten(0, 1), more.map_size, 2.5)  # a keypoint without confidence has an empty map
    for theirs, ours in zip(more.decoder(maps), fewer.decoder(maps[:, :3]), strict=True):
        assert torch.allclose(theirs, ours, atol=1e-5)


def test_a_run_can_start_from_a_checkpoint_of_images_of_another_size(start: Path) -> None:
    task = small.task()
    larger = dataclasses.replace(task, model=dataclasses.replace(task.model, image_size=96, map_size=48))
    taken = warm_start.weights(start, larger, Network)
    assert not Network(larger).load_state_dict(taken, strict=False).unexpected_keys
    assert torch.equal(
        taken["encoder.stem.0.weight"], checkpoint.load(start).network.state_dict()["encoder.stem.0.weight"]
    )
    finer = dataclasses.replace(task, model=dataclasses.replace(task.model, image_size=128))
    with pytest.raises(CheckpointError, match="networks of other sizes"):
        warm_start.weights(start, finer, Network)
