"""The last stage of training: the servo alone, with images weighed as if displacements were spread evenly."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small  # noqa: E402
import synthetic  # noqa: E402

from kovis_ros.method.augment import Augmenter  # noqa: E402
from kovis_ros.method.dataset import build_cache  # noqa: E402
from kovis_ros.method.finish import even, finish, look  # noqa: E402
from kovis_ros.method.networks import Network  # noqa: E402


def test_weights_by_hand() -> None:
    # at the goal 0; at 5 mm a half squared, at 10 and 20 mm one; over 1 + 200/m times the distance
    wanted = 200.0 * torch.tensor([[0.0, 0.0], [0.003, 0.004], [0.010, 0.0], [0.0, 0.020]])
    assert even(wanted, 200.0).tolist() == pytest.approx([0.0, 0.25 / 2.0, 1.0 / 3.0, 1.0 / 5.0])


def test_only_the_servo_changes_for_the_better_and_the_same_every_time(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    task, cache = small.task(), build_cache(synthetic.samples(60), tmp_path / "cache")
    augmenter = Augmenter(task.training.augment, task.sensor, task.model.image_size)
    slope, index = task.servo.label_slope, np.arange(len(cache))
    first = Network(task).eval().requires_grad_(False)
    before, second = copy.deepcopy(first), copy.deepcopy(first)
    for network in (first, second):
        finish(network, cache, index, augmenter, slope, seed=3)
    changed = {name for name, value in first.state_dict().items() if not torch.equal(value, before.state_dict()[name])}
    assert changed and all(name.startswith(("servo.layers", "servo.head")) for name in changed)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    heard: list[int] = []
    points, displacement = look(first, cache, index, augmenter, 3, heard.append)
    assert sum(heard) == len(cache)
    weight = even(slope * displacement, slope)
    old, new = ((weight * (n.servo(points).vector - slope * displacement).norm(dim=1)).sum() for n in (before, first))
    assert float(new) < 0.9 * float(old)
    assert not any(parameter.requires_grad for parameter in first.parameters())
