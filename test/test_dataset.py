"""The cache: round trip, atomic building, damage, split by roll-out."""

import itertools
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import synthetic

from kovis_ros.method import dataset, packing
from kovis_ros.method.dataset import Cache, build_cache
from kovis_ros.method.packing import DataError


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return build_cache(synthetic.samples(20), tmp_path_factory.mktemp("data") / "cache", about={"seed": 0})


def test_round_trip(cache: Cache) -> None:
    first = list(synthetic.samples(20))[13]
    again = Cache.open(cache.path)
    raw, labels = again.raw(np.array([13])), again.labels(np.array([13]))
    assert len(again) == 20 and again.axes == 4 and again.about == {"seed": 0}
    assert np.array_equal(raw.images[0].numpy(), np.stack([first.left, first.right]))
    assert np.array_equal(raw.mask[0].numpy(), first.segmentation)
    assert labels.displacement[0].numpy() == pytest.approx(first.displacement)
    assert float(labels.speed[0]) == pytest.approx(first.speed)


def test_samples_are_fetched_ahead(cache: Cache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[bytes] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda file, start, size, how: asked.append(os.pread(file, size, start)))
    cache.announce(np.array([3, 17]))
    assert asked == [cache.arrays[name][i].tobytes() for name in dataset.PICTURES for i in (3, 17)]
    Cache(tmp_path / "gone", 20, {}, cache.arrays).announce(np.array([3]))  # the arrays are open, that is enough


def test_the_time_that_building_took_is_kept(tmp_path: Path) -> None:
    built = build_cache(synthetic.samples(5), tmp_path / "cache")
    assert 0.0 < Cache.open(built.path).seconds < 60.0
    head = json.loads((built.path / "cache.json").read_text())
    del head["seconds"]
    (built.path / "cache.json").write_text(json.dumps(head))
    assert np.isnan(Cache.open(built.path).seconds)  # an older version's


def test_labels_are_the_majority_of_each_block() -> None:
    segmentation = np.zeros((2, 128, 128), np.uint8)
    segmentation[0, :2, :2] = [[1, 1], [1, 0]]
    segmentation[0, :2, 2:4] = [[2, 0], [0, 0]]
    segmentation[1, :2, :2] = [[1, 2], [1, 2]]  # two votes each: the higher class
    assert packing.majority(segmentation)[:, 0, :2].tolist() == [[1, 0], [2, 0]]


def test_depth_is_the_mean_of_the_pixels_of_the_class() -> None:
    segmentation, depth = np.zeros((2, 128, 128), np.uint8), np.full((2, 128, 128), 9000, np.uint16)
    segmentation[0, :2, :2] = [[1, 1], [1, 0]]
    depth[0, :2, :2] = [[1000, 1300], [0, 9000]]  # 0 is unknown
    labels = packing.majority(segmentation)
    assert packing.block_depth(depth, segmentation, labels)[0, 0, :2].tolist() == [1150, 9000]


@pytest.mark.parametrize("side", [128, 192])
def test_a_larger_image_is_cropped_as_on_the_robot(side: int) -> None:
    K = np.array([[425.0, 0.0, 423.5], [0.0, 425.0, 239.5], [0.0, 0.0, 1.0]])
    sample = synthetic.sample(np.random.default_rng(0))
    grow = [
        np.pad(a.repeat(3, -1).repeat(3, -2), [(0, 0)] * (a.ndim - 2) + [(48, 48), (232, 232)])
        for a in (sample.left, sample.right, sample.depth, sample.segmentation)
    ]
    packed = packing.pack(
        sample._replace(left=grow[0], right=grow[1], depth=grow[2], segmentation=grow[3], K=K), (53.0, 63.0), side
    )
    assert packed["images"].shape == packed["mask"].shape == (2, side, side)
    assert packed["depth"].shape == packed["segmentation"].shape == (2, side // 2, side // 2)
    assert sum(value.nbytes for value in packed.values()) == pytest.approx(dataset.sample_bytes(side), rel=0.01)
    # the 384 px picture fills 0.8 of the 480 px crop, so the share of object pixels falls to 0.64
    assert (packed["mask"] > 0).mean() == pytest.approx(0.64 * (sample.segmentation > 0).mean(), rel=0.05)


def test_split_keeps_rollouts_whole(cache: Cache) -> None:
    train, validation = cache.split(0.25, 0)
    rollout = cache.arrays["rollout"]
    assert len(train) + len(validation) == 20 and len(validation) == 5
    assert not set(rollout[train]) & set(rollout[validation])
    assert np.array_equal(validation, cache.split(0.25, 0)[1])


def test_depth_statistics_are_those_of_the_objects(cache: Cache) -> None:
    mean, deviation = cache.depth_statistics(np.arange(20))
    assert 0.165 < mean < 0.25 and 0.001 < deviation < 0.05


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    def broken():
        yield from itertools.islice(synthetic.samples(5), 2)
        raise RuntimeError("bag ends")

    with pytest.raises(RuntimeError, match="bag ends"):
        build_cache(broken(), tmp_path / "cache")
    assert not list(tmp_path.iterdir())


def test_what_an_interrupted_build_left_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fills the disk until it is removed, and is no reason to refuse the build that goes on."""
    left = tmp_path / "deep" / "cache.part"

    def usage(_: Path) -> Any:
        return SimpleNamespace(free=0 if left.exists() else 10 * dataset.sample_bytes(128))

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(DataError, match=r"GB are free: make room"):
        build_cache(synthetic.samples(11), tmp_path / "deep" / "cache", expected=11)
    assert not list(tmp_path.iterdir())
    left.mkdir(parents=True)
    assert len(build_cache(synthetic.samples(10), tmp_path / "deep" / "cache", expected=10)) == 10


def test_bad_input(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no samples: record"):
        build_cache([], tmp_path / "empty")
    with pytest.raises(DataError, match="GB are free: make room"):
        build_cache(synthetic.samples(1), tmp_path / "big", expected=10**12)
    with pytest.raises(DataError, match="cannot be opened.*delete the folder"):
        Cache.open(tmp_path / "missing")
    one = build_cache(synthetic.samples(5), tmp_path / "one")
    with pytest.raises(DataError, match="1 roll-out .*at least 2"):
        one.split(0.1, 0)
    head = json.loads((one.path / "cache.json").read_text())
    (one.path / "cache.json").write_text(json.dumps({**head, "count": 6}))
    with pytest.raises(DataError, match="cut short: delete"):
        Cache.open(one.path)
    (one.path / "images.npy").write_bytes((one.path / "images.npy").read_bytes()[:1000])
    with pytest.raises(DataError, match="cannot be opened"):
        Cache.open(one.path)
