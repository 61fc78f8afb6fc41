"""Writing a bag shard by shard: a kill loses at most the shard that was being written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

import yaml

from kovis_ros.bags import identity, messages
from kovis_ros.bags.layout import METADATA, STARTED, recorded, replace, shard_path, shards
from kovis_ros.bags.reading import summary
from kovis_ros.bags.sample import BagError, Recording, Sample, stamp

VERSION: Literal[9] = 9  # of the rosbag2 metadata: Jazzy and newer
LEVEL = 1  # of zstd; its usual 3 takes 0.9 ms more of processor time a sample, mostly for fresh memory


def expect(folder: Path, recording: Recording) -> None:
    """BagError when a folder holds roll-outs recorded with other settings, under another name, or is no bag."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    written, ours = recorded(folder), shards(folder)
    strangers = sorted(path.name for path in folder.glob("*.mcap") if path not in ours)
    if strangers:
        raise BagError(f"{folder} holds {strangers[0]}, no shard of its name: rename it back, or give another --out")
    if ours and (other := foreign(written, recording)):
        raise BagError(f"{folder} holds roll-outs with {other}: give another --out, or delete it")


def begin(folder: Path, recording: Recording) -> None:
    """Make the bag's folder, or take up the one that an interrupted recording left.

    BagError when it holds roll-outs recorded with other settings, or files that are no bag.
    """
    expect(folder, recording)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace(folder / STARTED, yaml.safe_dump(recording._asdict(), sort_keys=False))
        (folder / METADATA).unlink(missing_ok=True)
    except OSError as error:
        raise BagError(f"bag {folder} cannot be made ({error.strerror}): check the path and its permissions") from error


def foreign(old: Recording, new: Recording) -> str:
    """What sets two recordings apart so that their roll-outs cannot share a bag; empty when nothing does."""
    for name in ("task", "seed", "version"):
        if getattr(old, name) != getattr(new, name):
            return f"{name} {getattr(old, name)!r}, not {getattr(new, name)!r}"
    changed = identity.differing(old.task_yaml, new.task_yaml)
    if changed:
        return f"other settings ({', '.join(changed[:3])})"
    return "" if old.scene_sha256 == new.scene_sha256 else "another scene (the code or the meshes that make it)"


@contextmanager
def begun(folder: Path) -> Iterator[None]:
    """Around a recording: one that ends in an error before its first shard is whole leaves no folder behind."""
    there = folder.is_dir()
    try:
        yield
    except BaseException:
        if folder.is_dir() and not shards(folder) and (not there or (folder / STARTED).is_file()):
            sweep(folder)
            (folder / STARTED).unlink(missing_ok=True)
            if not there:
                with suppress(OSError):
                    folder.rmdir()
        raise


def sweep(folder: Path) -> None:
    """Remove what interrupted writing left."""
    for leftover in folder.glob(".*.part"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def write_shard(path: Path, samples: Iterable[Sample], axes: Sequence[str]) -> int:
    """Write samples, in order of their stamps, to one shard; it appears under its name when it is whole.

    path: from shard_path(). axes: the task's commanded axes. Returns the number of samples. The same samples give
    the same bytes. BagError for samples out of shape or order, or a full disk; nothing is left behind then.
    """
    messages.typestore()  # says what to install
    scratch = path.with_name(f".{path.stem}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir()
        count = fill(scratch / path.stem, samples, axes)
        written = scratch / path.stem / path.name
        with written.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(written, path)
    except OSError as error:
        raise BagError(f"shard {path} cannot be written ({error.strerror}): check space and permissions") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return count


def fill(folder: Path, samples: Iterable[Sample], axes: Sequence[str]) -> int:
    """Write a one-file bag into the new `folder`; returns the number of samples, BagError when there are none."""
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    writer = Writer(folder, version=VERSION, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    count, previous = 0, -1
    with writer:
        storage: Any = writer.storage
        storage.compressor = partial(storage.compressor, level=LEVEL)
        connections = {
            topic: writer.add_connection(
                topic, msgtype, typestore=messages.typestore(), offered_qos_profiles=[camera_qos()]
            )
            for topic, msgtype in messages.TOPICS.items()
        }
        for sample in samples:
            if sample.stamp_ns != stamp(sample.rollout, sample.step) or sample.stamp_ns <= previous:
                raise BagError(
                    f"sample {sample.rollout}/{sample.step} has stamp {sample.stamp_ns}: use bags.stamp(rollout, step) "
                    "and write in its order"
                )
            for topic, data in messages.to_messages(sample, axes).items():
                writer.write(connections[topic], sample.stamp_ns, data)
            count, previous = count + 1, sample.stamp_ns
        if not count:
            raise BagError(f"{folder.name} has no samples: a shard holds at least one")
    return count


def finish(folder: Path, recording: Recording) -> Path:
    """Write metadata.yaml, which makes the shards in `folder` one bag; returns its path.

    Leftovers of interrupted shards are removed. BagError when there is no shard or one is damaged.
    """
    found = shards(folder)
    if not found:
        raise BagError(f"{folder} has no shards ({shard_path(folder, 0).name}, ...): record some first")
    text = yaml.safe_dump(metadata(found, recording), sort_keys=False, allow_unicode=True)
    sweep(folder)
    try:
        replace(folder / METADATA, text)
        (folder / STARTED).unlink(missing_ok=True)
    except OSError as error:
        raise BagError(f"{folder / METADATA} cannot be written ({error.strerror}): check the disk") from error
    return folder / METADATA


def metadata(found: Sequence[Path], recording: Recording) -> dict[str, Any]:
    """The rosbag2 metadata of a bag of several files, as rosbag2 itself writes it."""
    files = [summary(path) for path in found]
    start = min(file.start_ns for file in files)
    duration = max(file.start_ns + file.duration_ns for file in files) - start
    counts = {topic: sum(file.counts.get(topic, 0) for file in files) for topic in messages.TOPICS}
    body = {
        "version": VERSION,
        "storage_identifier": "mcap",
        "duration": {"nanoseconds": duration},
        "starting_time": {"nanoseconds_since_epoch": start},
        "message_count": sum(counts.values()),
        "topics_with_message_count": [
            {"topic_metadata": topic_metadata(topic), "message_count": count} for topic, count in counts.items()
        ],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [path.name for path in found],
        "files": [
            {
                "path": path.name,
                "starting_time": {"nanoseconds_since_epoch": file.start_ns},
                "duration": {"nanoseconds": file.duration_ns},
                "message_count": sum(file.counts.values()),
            }
            for path, file in zip(found, files, strict=True)
        ],
        "custom_data": {name: str(value) for name, value in recording._asdict().items()},
        "ros_distro": "rosbags",
    }
    return {"rosbag2_bagfile_information": body}


def topic_metadata(topic: str) -> dict[str, Any]:
    """Type, hash and quality of service of a topic."""
    from rosbags.rosbag2.metadata import dump_qos_v9

    return {
        "name": topic,
        "type": messages.TOPICS[topic],
        "serialization_format": "cdr",
        "offered_qos_profiles": [dict(profile) for profile in dump_qos_v9([camera_qos()])],
        "type_description_hash": messages.typestore().hash_rihs01(messages.TOPICS[topic]),
    }


def camera_qos() -> Any:
    """Best effort, keep the last: what a camera offers, and what a playing bag will offer."""
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    forever = QosTime(9223372036, 854775807)
    return Qos(
        QosHistory.KEEP_LAST, 1, QosReliability.BEST_EFFORT, QosDurability.VOLATILE, forever, forever,
        QosLiveliness.AUTOMATIC, forever, False,
    )  # fmt: skip
