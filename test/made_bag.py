"""Bags for tests: small, and a function of the place of each sample alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

from kovis_ros import bags
from kovis_ros.bags import Recording, Sample
from kovis_ros.method.config import Task, to_dict

AXES = ("x", "y", "z", "rz")
RECORDING = Recording("pick_mug", 3, "0.1.0", "name: pick_mug\naxes: [x, y, z, rz]\n", "5ce7e")


def sample(rollout: int, step: int, size: int = 32) -> Sample:
    """A sample that is a function of its place alone."""
    rng = np.random.default_rng([rollout, step])
    left, right = rng.integers(0, 255, (2, size, size), dtype=np.uint8)
    depth = rng.integers(0, 65535, (2, size, size), dtype=np.uint16)
    labels = rng.integers(0, 3, (2, size, size), dtype=np.uint8)
    K = np.array([[100.0 + rollout, 0.0, 15.5], [0.0, 101.0 + rollout, 15.25], [0.0, 0.0, 1.0]])
    displacement = rng.normal(0.0, 0.02, 4).astype(np.float32)
    direction = (displacement / np.linalg.norm(displacement)).astype(np.float32)
    stamp = bags.stamp(rollout, step)
    points = rng.random((2, 6, 3), np.float32)
    return Sample(
        rollout, step, stamp, left, right, depth, labels, K, 0.04 + 0.001 * rollout, direction, 0.25, displacement,
        points,
    )  # fmt: skip


def shard_samples(number: int, rollouts: int = 2, steps: int = 3) -> Iterator[Sample]:
    return (sample(number * rollouts + r, step) for r in range(rollouts) for step in range(steps))


def recording(task: Task) -> Recording:
    """RECORDING of a task's whole settings, as `kovis record` leaves it."""
    return RECORDING._replace(task=task.name, task_yaml=yaml.safe_dump(to_dict(task)))


def make_bag(folder: Path, order: tuple[int, ...] = (0, 1, 2), recording: Recording = RECORDING) -> Path:
    bags.begin(folder, recording)
    for number in order:
        bags.write_shard(bags.shard_path(folder, number), shard_samples(number), AXES)
    bags.finish(folder, recording)
    return folder
