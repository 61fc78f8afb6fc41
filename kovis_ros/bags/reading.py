"""Reading a bag back, sample by sample; damage ends in one clear line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from kovis_ros.bags import messages
from kovis_ros.bags.layout import DAMAGE, METADATA, STARTED, recorded, why
from kovis_ros.bags.sample import BagError, Recording, Sample, place, stamp


class Summary(NamedTuple):
    """What one shard's index says."""

    start_ns: int
    duration_ns: int
    counts: dict[str, int]  # messages by topic


class BagInfo(NamedTuple):
    """A bag at a glance."""

    recording: Recording
    samples: int
    shards: list[Path]  # in order
    size_bytes: int
    duration_s: float  # virtual: one second a roll-out
    counts: dict[str, int]  # messages by topic


def info(folder: Path) -> BagInfo:
    """What a finished bag holds, from metadata.yaml and the shards' indices; BagError when anything is amiss."""
    files = shard_files(folder)
    recording = recorded(folder)
    parts = [summary(path) for path in files]
    counts = {topic: sum(part.counts[topic] for part in parts) for topic in messages.TOPICS}
    if len(set(counts.values())) != 1:
        raise BagError(f"bag {folder} has incomplete samples ({counts}): record it again")
    end = max(part.start_ns + part.duration_ns for part in parts)
    duration = (end - min(part.start_ns for part in parts)) / 1e9
    size = sum(path.stat().st_size for path in files)
    return BagInfo(recording, counts["/kovis/motion"], files, size, duration, counts)


def read_samples(folder: Path) -> Iterator[Sample]:
    """Every sample of a finished bag, ordered by stamp, at constant memory."""
    for path in shard_files(folder):
        yield from read_shard(path)


def read_shard(path: Path) -> Iterator[Sample]:
    """Every sample of one shard, ordered by stamp."""
    with opened(path) as reader:
        yield from stretch(reader, path)


def read_evenly(folder: Path, count: int) -> Iterator[Sample]:
    """About ``count`` samples of a finished bag in whole roll-outs, spread evenly; all of a bag that has no more."""
    parts = {path: summary(path) for path in shard_files(folder)}
    spans = {
        path: (place(part.start_ns)[0], place(part.start_ns + part.duration_ns)[0]) for path, part in parts.items()
    }
    rollouts = [(path, number) for path, (first, last) in spans.items() for number in range(first, last + 1)]
    samples = sum(part.counts["/kovis/motion"] for part in parts.values())
    wanted = max(1, math.ceil(len(rollouts) * min(1.0, count / max(samples, 1))))
    chosen = [rollouts[i * len(rollouts) // wanted] for i in range(wanted)]
    for path, group in groupby(chosen, key=itemgetter(0)):
        with opened(path) as reader:
            for _, number in group:
                yield from stretch(reader, path, stamp(number, 0), stamp(number + 1, 0))


def stretch(reader: Any, path: Path, start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[Sample]:
    """Samples of an open shard from a stamp to before another; BagError when one of them is incomplete."""
    wanted = [connection for connection in reader.connections if connection.topic in messages.TOPICS]
    for stamp_ns, group in groupby(reader.messages(wanted, start_ns, stop_ns), key=itemgetter(1)):
        raw = {connection.topic: data for connection, _, data in group}
        if missing := messages.TOPICS.keys() - raw.keys():
            raise BagError(f"shard {path} lacks {', '.join(sorted(missing))} at {stamp_ns}: record it again")
        yield messages.from_messages(stamp_ns, raw)


def summary(path: Path) -> Summary:
    """Times and counts of one shard from its index; BagError when it is truncated, foreign or lacks a topic."""
    with opened(path) as reader:
        counts = {connection.topic: int(connection.msgcount) for connection in reader.connections}
        if missing := messages.TOPICS.keys() - counts.keys():
            raise BagError(f"shard {path} lacks {', '.join(sorted(missing))}: it is no recording of KOVIS")
        return Summary(int(reader.start_time), max(int(reader.duration) - 1, 0), counts)


def shard_files(folder: Path) -> list[Path]:
    """The shards that metadata.yaml lists; BagError when the bag or one of them is missing or metadata is damaged."""
    folder = Path(folder)
    if not folder.is_dir():
        raise BagError(f"bag {folder} does not exist: record one with `kovis record TASK --out {folder}`")
    if not (folder / METADATA).is_file():
        state = "unfinished" if (folder / STARTED).is_file() else "no bag"
        raise BagError(
            f"bag {folder} is {state} (no {METADATA}): run `kovis record` with the same --out to complete it"
        )
    try:
        listed = yaml.safe_load((folder / METADATA).read_text())["rosbag2_bagfile_information"]["relative_file_paths"]
        files = [folder / Path(name).name for name in listed]
        if not files:
            raise ValueError("it lists no shard")
    except DAMAGE as error:
        raise BagError(
            f"{folder / METADATA} is damaged ({why(error)}): run `kovis record` with the same --out"
        ) from error
    if missing := [path.name for path in files if not path.is_file()]:
        raise BagError(
            f"bag {folder} lacks {', '.join(missing)}: run `kovis record` with the same --out to complete it"
        )
    return files


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A rosbags reader of one shard; whatever damage does to it ends as BagError."""
    messages.typestore()  # says what to install
    from rosbags.rosbag2 import Reader

    try:
        with Reader(path) as reader:
            yield reader
    except (BagError, GeneratorExit):
        raise
    except Exception as error:  # damaged bytes surface as anything: struct, zstd, index and assertion errors
        reason = str(error) or type(error).__name__
        raise BagError(f"shard {path} is truncated or no MCAP ({reason}): delete it and record again") from error


def shard_samples(path: Path) -> int:
    """Samples in a shard, 0 when it does not exist; BagError when it is damaged."""
    return summary(path).counts["/kovis/motion"] if path.exists() else 0
