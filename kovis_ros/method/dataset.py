"""Samples as memory-mapped arrays: built once from a stream of samples, then read at random.

A cache is a folder of .npy files and one ``cache.json``; it is written under a temporary name and renamed when whole,
so a folder with the final name is always complete.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from kovis_ros.method import disk
from kovis_ros.method.augment import Raw
from kovis_ros.method.packing import DataError, pack

VERSION = 3
PICTURES = ("images", "mask", "segmentation", "depth")  # all of a sample but a kilobyte


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
    side: int = 128,
) -> Cache:
    """Write ``samples`` (``Sample``) to the folder ``path`` and open it; an existing complete one is replaced.

    side: of the stored images, ``packing.stored_px``.

    DataError when there are none, when they do not fit each other, or when the disk is full or too small for the
    ``expected`` number of samples.
    """
    final = Path(path)
    begun = time.perf_counter()
    part = unfinished(final)
    shutil.rmtree(part, ignore_errors=True)
    free = disk.free_bytes(final)
    needed = expected * sample_bytes(side)
    if free < needed:
        raise DataError(
            f"cache {final} needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free: "
            "make room or give another --cache"
        )
    part.mkdir(parents=True)
    try:
        count = _write(samples, part, field_of_view_deg, side)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        needs = f"{sample_bytes(side) / 1e3:.0f} kB"
        raise DataError(f"cache {final} cannot be written ({error.strerror}): {needs} a sample are needed") from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    head = {"version": VERSION, "count": count, "about": about or {}, "seconds": time.perf_counter() - begun}
    (part / "cache.json").write_text(json.dumps(head))
    shutil.rmtree(final, ignore_errors=True)
    os.replace(part, final)
    return Cache.open(final)


def sample_bytes(side: int) -> int:
    """Of one sample in a cache: images and mask of both eyes, depth and classes at half the size, labels."""
    return 2 * (2 * side**2 + 3 * (side // 2) ** 2) + 88


def unfinished(path: Path) -> Path:
    """Where the cache ``path`` is written until it is whole."""
    return path.with_name(path.name + ".part")


def _write(samples: Iterable[Any], folder: Path, limits: tuple[float, float], side: int) -> int:
    writers: dict[str, _Growing] = {}
    count = 0
    try:
        for sample in samples:
            count += 1
            for name, value in pack(sample, limits, side).items():
                if name not in writers:
                    writers[name] = _Growing(folder / f"{name}.npy", value)
                writers[name].append(value)
    finally:
        for writer in writers.values():
            writer.close()
    if not count:
        raise DataError("the bag holds no samples: record roll-outs first (kovis record)")
    return count


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

    def __init__(
        self, path: Path, count: int, about: dict[str, Any], arrays: dict[str, NDArray[Any]], seconds: float = 0.0
    ) -> None:
        """``seconds``: that it took to build, NaN where an older version did."""
        self.path, self.count, self.about, self.arrays, self.seconds = path, count, about, arrays, seconds

    @classmethod
    def open(cls, path: str | Path) -> Cache:
        """Map the arrays; DataError when the folder is missing, foreign or cut short."""
        folder = Path(path)
        try:
            head = json.loads((folder / "cache.json").read_text())
            names = (*PICTURES, "landmarks", *Labels._fields, "rollout")
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
        except (OSError, ValueError) as error:
            raise DataError(f"cache {folder} cannot be opened ({error}): delete the folder and train again") from error
        if head.get("version") != VERSION or any(len(array) != head["count"] for array in arrays.values()):
            raise DataError(f"cache {folder} is of another version or cut short: delete the folder and train again")
        return cls(folder, head["count"], head["about"], arrays, head.get("seconds", float("nan")))

    def __len__(self) -> int:
        return self.count

    @property
    def axes(self) -> int:
        """Number of commanded axes d of the labels."""
        return int(self.arrays["direction"].shape[1])

    def announce(self, index: NDArray[np.int64]) -> None:
        """Let the system read samples ``index`` (B,) into memory meanwhile.

        From a cold disk a step else waits for one page after the other: 76 samples/s in place of 111.
        """
        for name in PICTURES if hasattr(os, "posix_fadvise") else ():
            array = self.arrays[name]
            size = array[0].nbytes
            with suppress(OSError), (self.path / f"{name}.npy").open("rb") as file:  # a hint, no more
                start = os.fstat(file.fileno()).st_size - array.nbytes  # behind the header
                for place in index.tolist():
                    os.posix_fadvise(file.fileno(), start + place * size, size, os.POSIX_FADV_WILLNEED)

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
