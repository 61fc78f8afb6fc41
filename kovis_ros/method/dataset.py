"""Samples as memory-mapped arrays: built once from a stream of samples, then read at random.

A cache is a folder of .npy files and one ``cache.json``; it is written under a temporary name and renamed when whole,
so a folder with the final name is always complete.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from kovis_ros.method import images
from kovis_ros.method.augment import Raw

IMAGE, MAP = 128, 64  # sizes of the stored images, and of stored depth and segmentation labels
VERSION = 3
SAMPLE_BYTES = 90_200


class DataError(ValueError):
    """Samples or a cache cannot be used; the message names the thing, the value and the remedy."""


class Sample(Protocol):
    """One stereo image of a roll-out, as ``kovis_ros.bags.Sample`` has it."""

    rollout: int
    left: NDArray[np.uint8]  # (H, W)
    right: NDArray[np.uint8]
    depth: NDArray[np.uint16]  # (2, H, W), 0.1 mm
    segmentation: NDArray[np.uint8]  # (2, H, W)
    K: NDArray[np.float64]  # (3, 3)
    direction: NDArray[np.float32]  # (d,)
    speed: float
    displacement: NDArray[np.float32]  # (d,) m
    keypoints: NDArray[np.float32]  # (2, L, 3) landmarks of target, then gripper: x, y in pixels, 1 where in the image


class Labels(NamedTuple):
    """Truth of the servo for B samples."""

    direction: torch.Tensor  # (B, d)
    speed: torch.Tensor  # (B,)
    displacement: torch.Tensor  # (B, d) m


def build_cache(
    samples: Iterable[Any],
    path: str | Path,
    field_of_view_deg: tuple[float, float] = (53.0, 63.0),
    about: dict[str, Any] | None = None,
    expected: int = 0,
) -> Cache:
    """Write ``samples`` (``Sample``) to the folder ``path`` and open it; an existing complete one is replaced.

    DataError when there are none, when they do not fit each other, or when the disk is full or too small for the
    ``expected`` number of samples.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(final.parent).free
    if free < expected * SAMPLE_BYTES:
        raise DataError(
            f"cache {final} needs {expected * SAMPLE_BYTES / 1e9:.1f} GB, {free / 1e9:.1f} GB are free: "
            "make room or give another --cache"
        )
    part = final.with_name(final.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        count = _write(samples, part, field_of_view_deg)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise DataError(f"cache {final} cannot be written ({error.strerror}): 90 kB a sample are needed") from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    (part / "cache.json").write_text(json.dumps({"version": VERSION, "count": count, "about": about or {}}))
    shutil.rmtree(final, ignore_errors=True)
    os.replace(part, final)
    return Cache.open(final)


def _write(samples: Iterable[Any], folder: Path, limits: tuple[float, float]) -> int:
    writers: dict[str, _Growing] = {}
    count = 0
    try:
        for sample in samples:
            count += 1
            for name, value in pack(sample, limits).items():
                if name not in writers:
                    writers[name] = _Growing(folder / f"{name}.npy", value)
                writers[name].append(value)
    finally:
        for writer in writers.values():
            writer.close()
    if not count:
        raise DataError("the bag holds no samples: record roll-outs first (kovis record)")
    return count


def pack(sample: Sample, limits: tuple[float, float]) -> dict[str, NDArray[Any]]:
    """What the cache stores of one sample, by name."""
    pair = np.stack([images.check(sample.left, "left"), images.check(sample.right, "right")])
    segmentation, depth = np.asarray(sample.segmentation), np.asarray(sample.depth)
    if segmentation.shape != pair.shape or depth.shape != pair.shape:
        raise DataError(
            f"roll-out {sample.rollout}: images {pair.shape}, segmentation {segmentation.shape} and depth "
            f"{depth.shape} differ: record the bag again"
        )
    crop = images.Crop(-0.5, -0.5, float(IMAGE))
    if pair.shape[1:] != (IMAGE, IMAGE):
        crop = images.crop_for(sample.K, (pair.shape[1], pair.shape[2]), limits)
        pair, segmentation, depth = _resize(pair, segmentation, depth, crop)
    labels = majority(segmentation)
    return {
        "images": pair,
        "mask": segmentation.astype(np.uint8),
        "segmentation": labels,
        "depth": block_depth(depth, segmentation, labels),
        "direction": np.asarray(sample.direction, np.float32),
        "speed": np.asarray(sample.speed, np.float32),
        "displacement": np.asarray(sample.displacement, np.float32),
        "landmarks": in_network(sample.keypoints, crop),
        "rollout": np.asarray(sample.rollout, np.int64),
    }


def _resize(
    pair: NDArray[np.uint8],
    segmentation: NDArray[np.uint8],
    depth: NDArray[np.uint16],
    crop: images.Crop,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint16]]:
    """The robot's crop at the size of the cache: images averaged, truth by the nearest pixel."""
    grey = images.resample(torch.from_numpy(pair), crop, IMAGE).round().clamp(0, 255).numpy().astype(np.uint8)
    place = (np.arange(IMAGE) + 0.5) * crop.side / IMAGE
    rows = np.clip(np.round(place + crop.y), 0, pair.shape[1] - 1).astype(int)
    columns = np.clip(np.round(place + crop.x), 0, pair.shape[2] - 1).astype(int)
    return grey, segmentation[:, rows][:, :, columns], depth[:, rows][:, :, columns]


def in_network(points: NDArray[np.float32], crop: images.Crop) -> NDArray[np.float32]:
    """Landmarks (2, L, 3) in network coordinates; what the crop cuts off counts as not in the image."""
    place = images.to_network(points[..., :2], crop)
    inside = (points[..., 2] > 0.0) & np.all(np.abs(place) < 1.0, axis=-1)
    return np.asarray(np.concatenate([place, inside[..., None]], -1), np.float32)


def blocks(image: NDArray[Any]) -> NDArray[Any]:
    """(2, 128, 128) as (2, 64, 64, 4): the four pixels of each cell."""
    cells: NDArray[Any] = image.reshape(2, MAP, 2, MAP, 2).transpose(0, 1, 3, 2, 4).reshape(2, MAP, MAP, 4)
    return cells


def majority(segmentation: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The class (2, 64, 64) that most pixels of each cell have; the higher one when they are equal."""
    votes = np.stack([(blocks(segmentation) == kind).sum(-1) for kind in (2, 1, 0)])
    return np.asarray(2 - votes.argmax(0), np.uint8)


def block_depth(
    depth: NDArray[np.uint16], segmentation: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> NDArray[np.uint16]:
    """Mean depth (2, 64, 64) of the pixels that have the class of their cell; 0 where none is known."""
    values = blocks(depth).astype(np.float64)
    use = (blocks(segmentation) == labels[..., None]) & (values > 0)
    return np.asarray(((values * use).sum(-1) / np.maximum(use.sum(-1), 1)).round(), np.uint16)


class _Growing:
    """A .npy file whose first axis grows; numpy pads its header so that the count can be rewritten in place."""

    def __init__(self, path: Path, first: NDArray[Any]) -> None:
        self.file, self.shape, self.dtype, self.count = path.open("wb"), first.shape, first.dtype, 0
        self._header()

    def _header(self) -> None:
        description = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.count, *self.shape)}
        self.file.seek(0)
        np.lib.format.write_array_header_1_0(self.file, description)  # type: ignore[no-untyped-call]

    def append(self, value: NDArray[Any]) -> None:
        """Add one item of the first one's shape."""
        if value.shape != self.shape:
            raise DataError(f"samples of shape {value.shape} and {self.shape} in one bag: record it again")
        self.file.write(np.ascontiguousarray(value, self.dtype).tobytes())
        self.count += 1

    def close(self) -> None:
        """Write the final count."""
        self._header()
        self.file.close()


class Cache:
    """Random access to the samples of a folder made by ``build_cache``."""

    def __init__(self, path: Path, count: int, about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.path, self.count, self.about, self.arrays = path, count, about, arrays

    @classmethod
    def open(cls, path: str | Path) -> Cache:
        """Map the arrays; DataError when the folder is missing, foreign or cut short."""
        folder = Path(path)
        try:
            head = json.loads((folder / "cache.json").read_text())
            names = ("images", "mask", "segmentation", "depth", "landmarks", *Labels._fields, "rollout")
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
        except (OSError, ValueError) as error:
            raise DataError(f"cache {folder} cannot be opened ({error}): delete the folder and train again") from error
        if head.get("version") != VERSION or any(len(array) != head["count"] for array in arrays.values()):
            raise DataError(f"cache {folder} is of another version or cut short: delete the folder and train again")
        return cls(folder, head["count"], head["about"], arrays)

    def __len__(self) -> int:
        return self.count

    @property
    def axes(self) -> int:
        """Number of commanded axes d of the labels."""
        return int(self.arrays["direction"].shape[1])

    def raw(self, index: NDArray[np.int64], device: str | torch.device = "cpu") -> Raw:
        """Images and their truth of samples ``index`` (B,)."""
        take = {
            name: torch.from_numpy(self.arrays[name][index]).to(device, non_blocking=True)
            for name in ("images", "mask", "segmentation", "landmarks")
        }
        depth = torch.from_numpy(self.arrays["depth"][index].astype(np.float32)).to(device) * 1e-4
        return Raw(take["images"], take["mask"], depth, take["segmentation"].long(), take["landmarks"])

    def labels(self, index: NDArray[np.int64], device: str | torch.device = "cpu") -> Labels:
        """Truth of the servo of samples ``index`` (B,)."""
        return Labels(*(torch.from_numpy(self.arrays[name][index]).to(device) for name in Labels._fields))

    def split(self, share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Indices for training and validation, split by whole roll-outs; at least one roll-out on each side."""
        rollouts = np.unique(self.arrays["rollout"])
        if len(rollouts) < 2:
            raise DataError(f"{len(rollouts)} roll-out in {self.path}: at least 2 are needed, to train and to validate")
        shuffled = np.random.default_rng(seed).permutation(rollouts)
        held = shuffled[: min(max(1, round(share * len(rollouts))), len(rollouts) - 1)]
        validation = np.isin(self.arrays["rollout"], held)
        return np.flatnonzero(~validation), np.flatnonzero(validation)

    def depth_statistics(self, index: NDArray[np.int64]) -> tuple[float, float]:
        """Mean and deviation in metres of target and gripper over samples ``index``."""
        depth = self.arrays["depth"][index].astype(np.float64) * 1e-4
        values = depth[(self.arrays["segmentation"][index] > 0) & (depth > 0.0)]
        if not values.size:
            raise DataError(f"neither target nor gripper is to be seen in {self.path}: check the scene's cameras")
        return float(values.mean()), max(float(values.std()), 1e-3)
