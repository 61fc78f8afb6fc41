"""Bags: round trip, determinism, interruption, damage, and that others can read them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("rosbags")

from kovis_ros import bags
from kovis_ros.bags import BagError, Recording, Sample, messages
from kovis_ros.method.config import load_task, to_dict

AXES = ("x", "y", "z", "rz")
RECORDING = Recording("pick_mug", 3, "0.1.0", "name: pick_mug\naxes: [x, y, z, rz]\n")
TOPICS = {
    "/camera/camera/infra1/image_rect_raw", "/camera/camera/infra1/camera_info",
    "/camera/camera/infra2/image_rect_raw", "/camera/camera/infra2/camera_info",
    "/kovis/truth/left/depth", "/kovis/truth/left/segmentation",
    "/kovis/truth/right/depth", "/kovis/truth/right/segmentation", "/kovis/motion",
    "/kovis/truth/keypoints",
}  # fmt: skip


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


def make_bag(folder: Path, order: tuple[int, ...] = (0, 1, 2)) -> Path:
    bags.begin(folder, RECORDING)
    for number in order:
        bags.write_shard(bags.shard_path(folder, number), shard_samples(number), AXES)
    bags.finish(folder, RECORDING)
    return folder


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A finished bag of three shards, 18 samples."""
    return make_bag(tmp_path / "bag")


def test_round_trip(bag: Path) -> None:
    written = [s for number in range(3) for s in shard_samples(number)]
    read = list(bags.read_samples(bag))
    assert len(read) == len(written) == 18
    for old, new in zip(written, read, strict=True):
        for name, a, b in zip(Sample._fields, old, new, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-12, err_msg=name)
            assert np.asarray(b).dtype == np.asarray(a).dtype, name


def test_layout(bag: Path) -> None:
    """Three shards and metadata.yaml, nothing else; the metadata counts what is there."""
    assert sorted(p.name for p in bag.iterdir()) == ["bag_0000.mcap", "bag_0001.mcap", "bag_0002.mcap", "metadata.yaml"]
    body = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert body["relative_file_paths"] == ["bag_0000.mcap", "bag_0001.mcap", "bag_0002.mcap"]
    assert body["message_count"] == 18 * 10
    assert [f["message_count"] for f in body["files"]] == [60, 60, 60]
    assert {
        t["topic_metadata"]["name"]: t["message_count"] for t in body["topics_with_message_count"]
    } == dict.fromkeys(TOPICS, 18)
    # six roll-outs, one a second, the last step at 2/30 s
    assert body["duration"]["nanoseconds"] == 5 * 10**9 + 2 * 33_333_333
    assert body["custom_data"] == {
        "task": "pick_mug", "seed": "3", "version": "0.1.0", "task_yaml": RECORDING.task_yaml,
    }  # fmt: skip


def test_info(bag: Path) -> None:
    info = bags.info(bag)
    assert info.recording == RECORDING and info.samples == 18 and len(info.shards) == 3
    assert info.duration_s == pytest.approx(5.0667, abs=1e-4)
    assert info.size_bytes == sum(p.stat().st_size for p in bag.glob("*.mcap"))


def test_any_reader_opens_the_folder_and_each_shard(bag: Path) -> None:
    """Types come out of the bag itself: a reader that knows nothing of KOVIS gets our message too."""
    from rosbags.highlevel import AnyReader

    for path, count in [(bag, 18), (bag / "bag_0001.mcap", 6)]:
        with AnyReader([path]) as reader:
            assert {c.topic for c in reader.connections} == TOPICS
            wanted = [c for c in reader.connections if c.topic == "/kovis/motion"]
            truths = [reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages(wanted)]
        assert len(truths) == count
        assert list(truths[0].axes) == list(AXES) and truths[0].header.frame_id == "tool0"


def test_ros_reads_the_same_messages() -> None:
    """rclpy deserialises what rosbags serialised."""
    pytest.importorskip("rclpy")
    from rclpy.serialization import deserialize_message
    from sensor_msgs.msg import CameraInfo, Image

    from kovis_msgs.msg import Motion
    from kovis_ros import conversions

    one = sample(4, 2)
    raw = messages.to_messages(one, AXES)
    left = deserialize_message(raw["/camera/camera/infra1/image_rect_raw"], Image)
    np.testing.assert_array_equal(conversions.image_to_array(left), one.left)
    assert left.header.frame_id == "camera_infra1_optical_frame"
    assert conversions.stamp_from_msg(left.header.stamp) == one.stamp_ns
    depth = deserialize_message(raw["/kovis/truth/right/depth"], Image)
    np.testing.assert_array_equal(conversions.image_to_array(depth, "16UC1"), one.depth[1])
    infos = [deserialize_message(raw[f"/camera/camera/infra{i}/camera_info"], CameraInfo) for i in (1, 2)]
    K, baseline = conversions.camera_from_infos(*infos)
    np.testing.assert_array_equal(K, one.K)
    assert baseline == pytest.approx(one.baseline_m)
    assert infos[1].header.frame_id == "camera_infra1_optical_frame"
    motion = deserialize_message(raw["/kovis/motion"], Motion)
    np.testing.assert_array_equal(motion.displacement, one.displacement)
    assert motion.estimated_error == pytest.approx(float(np.linalg.norm(one.displacement)))


def test_same_bytes_whatever_the_order(bag: Path, tmp_path: Path) -> None:
    """Shards written by other workers in another order, and later: the same files."""
    again = make_bag(tmp_path / "other" / "bag", order=(2, 0, 1))
    for path in bag.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_kill_loses_one_shard(tmp_path: Path) -> None:
    """kill -9 while shard 1 is being written: shard 0 stays, and recording goes on to the same bag."""
    folder = tmp_path / "bag"
    code = f"""
import sys, time; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from kovis_ros import bags
from test_bags import *
folder = Path({str(folder)!r})
bags.begin(folder, RECORDING)
bags.write_shard(bags.shard_path(folder, 0), shard_samples(0), AXES)
def slow():
    for s in shard_samples(1):
        yield s
        print("written", flush=True)
        time.sleep(30)
bags.write_shard(bags.shard_path(folder, 1), slow(), AXES)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert bags.shards(folder) == [bags.shard_path(folder, 0)]
    with pytest.raises(BagError, match="is unfinished"):
        next(bags.read_samples(folder))
    bags.begin(folder, RECORDING)
    for number in (1, 2):
        bags.write_shard(bags.shard_path(folder, number), shard_samples(number), AXES)
    bags.finish(folder, RECORDING)
    whole = make_bag(tmp_path / "whole" / "bag")
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in whole.iterdir())
    for path in whole.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_error_in_the_samples_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[Sample]:
        yield sample(0, 0)
        raise RuntimeError("physics exploded")

    bags.begin(tmp_path / "bag", RECORDING)
    with pytest.raises(RuntimeError, match="exploded"):
        bags.write_shard(bags.shard_path(tmp_path / "bag", 0), broken(), AXES)
    assert [p.name for p in (tmp_path / "bag").iterdir()] == ["recording.yaml"]


def test_full_disk_is_one_line(tmp_path: Path) -> None:
    """A file size limit stands in for a full disk."""
    code = f"""
import resource, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from kovis_ros import bags
from test_bags import *
folder = Path({str(tmp_path / "bag")!r})
bags.begin(folder, RECORDING)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    bags.write_shard(bags.shard_path(folder, 0), shard_samples(0, rollouts=40), AXES)
except bags.BagError as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "cannot be written (File too large): check space" in answer.stdout, answer.stderr
    assert [p.name for p in (tmp_path / "bag").iterdir()] == ["recording.yaml"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": "insert_peg"}, "task 'pick_mug', not 'insert_peg': give another --out"),
        ({"seed": 4}, "seed 3, not 4"),
        ({"version": "0.2.0"}, "version '0.1.0', not '0.2.0'"),
        ({"task_yaml": "name: pick_mug\naxes: [x]\n"}, r"other settings \(axes \['x', 'y', 'z', 'rz'\] -> \['x'\]\)"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_another_recording_is_not_mixed_in(tmp_path: Path, change: dict, words: str, finished: bool) -> None:
    folder = tmp_path / "bag"
    make_bag(folder)
    if not finished:
        bags.begin(folder, RECORDING)
    before = sorted(p.name for p in folder.iterdir())
    with pytest.raises(BagError, match=words):
        bags.begin(folder, RECORDING._replace(**change))
    assert sorted(p.name for p in folder.iterdir()) == before


def changed(**sections: dict[str, object]) -> Recording:
    """RECORDING of pick_mug as it ships, with some settings changed."""
    task = to_dict(load_task("pick_mug"))
    for name, change in sections.items():
        task[name] = {**task[name], **change} if isinstance(task[name], dict) else change
    return RECORDING._replace(task_yaml=yaml.safe_dump(task))


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"servo": {"converged_speed": 0.11}, "training": {"epochs": 3}, "model": {"keypoints": 8}}, ""),
        ({"sensor": {"defocus_px": 9.0}}, ""),
        ({"success": {"hold_s": 2.0}, "completion": [], "rollout": {"start_distance_m": [0.0, 0.1]}}, ""),
        ({"servo": {"label_slope": 100.0}}, "servo.label_slope 200.0 -> 100.0"),
        ({"rollout": {"tilt_deg": 9.0}}, "rollout.tilt_deg"),
        ({"camera": {"size_px": 96}}, "camera.size_px 128 -> 96"),
    ],
)
def test_only_settings_that_reach_the_messages_count(tmp_path: Path, sections: dict, told: str) -> None:
    """Tuning the loop or the training leaves 35 000 samples of use."""
    folder = tmp_path / "bag"
    bags.begin(folder, changed())
    bags.write_shard(bags.shard_path(folder, 0), shard_samples(0), AXES)
    bags.finish(folder, changed())
    if not told:
        bags.begin(folder, changed(**sections))
        return
    with pytest.raises(BagError, match=told):
        bags.begin(folder, changed(**sections))


def test_a_setting_that_came_later_does_not_set_an_older_bag_apart(tmp_path: Path) -> None:
    task = to_dict(load_task("pick_mug"))
    del task["held"]["rotation_range_deg"]
    folder = tmp_path / "bag"
    bags.begin(folder, RECORDING._replace(task_yaml=yaml.safe_dump(task)))
    bags.write_shard(bags.shard_path(folder, 0), shard_samples(0), AXES)
    bags.begin(folder, changed())
    with pytest.raises(BagError, match=r"held.rotation_range_deg \[2.0, 2.0, 2.0\] -> \[0.0, 0.0, 0.0\]"):
        bags.begin(folder, changed(held={"rotation_range_deg": [0.0, 0.0, 0.0]}))


def test_a_recording_that_fails_before_its_first_shard_leaves_nothing(tmp_path: Path) -> None:
    def attempt(folder: Path, shards: int) -> None:
        with bags.begun(folder):
            bags.begin(folder, RECORDING)
            for number in range(shards):
                bags.write_shard(bags.shard_path(folder, number), shard_samples(number), AXES)
            raise RuntimeError("mesh is missing")

    for folder, shards, left in [("new", 0, None), ("there", 0, []), ("some", 1, ["recording.yaml", "some_0000.mcap"])]:
        (tmp_path / "there").mkdir(exist_ok=True)
        with pytest.raises(RuntimeError, match="mesh is missing"):
            attempt(tmp_path / folder, shards)
        found = sorted(p.name for p in (tmp_path / folder).iterdir()) if (tmp_path / folder).exists() else None
        assert found == left


def test_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BagError, match="is not empty and no bag of KOVIS"):
        bags.begin(tmp_path, RECORDING)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 4] = bytes(len(data) // 4)
    path.write_bytes(data)


DAMAGE = {
    "missing": (lambda bag: shutil.rmtree(bag), "does not exist: record one"),
    "empty": (lambda bag: [p.unlink() for p in bag.iterdir()], "is no bag"),
    "no shard": (lambda bag: (bag / "bag_0001.mcap").unlink(), "lacks bag_0001.mcap"),
    "truncated": (lambda bag: truncate(bag / "bag_0002.mcap"), "bag_0002.mcap is truncated or no MCAP"),
    "zeroed": (lambda bag: flip(bag / "bag_0002.mcap"), "bag_0002.mcap is truncated or no MCAP"),
    "no bytes": (lambda bag: (bag / "bag_0000.mcap").write_bytes(b""), "bag_0000.mcap is truncated or no MCAP"),
    "text": (lambda bag: (bag / "bag_0000.mcap").write_text("hello"), "bag_0000.mcap is truncated or no MCAP"),
    "metadata": (lambda bag: (bag / "metadata.yaml").write_text("a: ["), "metadata.yaml is damaged"),
    "other yaml": (lambda bag: (bag / "metadata.yaml").write_text("a: 1"), "metadata.yaml is damaged"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_one_clear_line(bag: Path, kind: str) -> None:
    damage, words = DAMAGE[kind]
    damage(bag)
    with pytest.raises(BagError, match=words) as caught:
        list(bags.read_samples(bag))
    assert "\n" not in str(caught.value)


def test_foreign_bag_is_refused(tmp_path: Path) -> None:
    """A bag of somebody else's robot."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    store = messages.typestore()
    with Writer(tmp_path / "theirs", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        text = store.types["std_msgs/msg/String"]("hello")
        writer.write(connection, 1, store.serialize_cdr(text, "std_msgs/msg/String"))
    with pytest.raises(BagError, match="not of KOVIS"):
        bags.info(tmp_path / "theirs")
    with pytest.raises(BagError, match="lacks .*/kovis/motion"):
        list(bags.read_samples(tmp_path / "theirs"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"right": np.zeros((32, 31), np.uint8)}, r"right of a sample is uint8 \(32, 31\)"),
        ({"depth": np.zeros((2, 32, 32), np.float32)}, "depth of a sample is float32"),
        ({"segmentation": np.zeros((32, 32), np.uint8)}, "segmentation of a sample"),
        ({"direction": np.zeros(3, np.float32)}, "give a finite number for each of"),
        ({"displacement": np.full(4, np.nan, np.float32)}, "give a finite number"),
        ({"stamp_ns": 5}, "has stamp 5: use bags.stamp"),
        ({"step": 30}, "its steps are 0..29"),
    ],
)
def test_bad_samples_are_refused(tmp_path: Path, change: dict, words: str) -> None:
    with pytest.raises(BagError, match=words):
        bags.write_shard(bags.shard_path(tmp_path, 0), [sample(1, 1)._replace(**change)], AXES)
    assert not list(tmp_path.iterdir())


def test_order_and_emptiness(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="write in its order"):
        bags.write_shard(bags.shard_path(tmp_path, 0), [sample(1, 1), sample(1, 0)], AXES)
    with pytest.raises(BagError, match="has no samples"):
        bags.write_shard(bags.shard_path(tmp_path, 0), [], AXES)
    with pytest.raises(BagError, match="has no shards"):
        bags.finish(tmp_path, RECORDING)


@pytest.mark.parametrize("place", [(0, 0), (7, 29), (34_999, 4)])
def test_stamp_names_its_place(place: tuple[int, int]) -> None:
    from kovis_ros.bags.sample import place as place_of

    assert place_of(bags.stamp(*place)) == place


def test_memory_is_flat(tmp_path: Path) -> None:
    """300 MB of images go through in well under 100 MB more than a few do."""
    code = f"""
import resource, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from kovis_ros import bags
from test_bags import *
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
def run(number, rollouts):
    one = sample(0, 0, 128)
    places = ((number * 100 + r, s) for r in range(rollouts) for s in range(25))
    same = (one._replace(rollout=r, step=s, stamp_ns=bags.stamp(r, s)) for r, s in places)
    path = bags.shard_path(Path({str(tmp_path)!r}), number)
    bags.write_shard(path, same, AXES)
    return sum(1 for _ in bags.read_shard(path))
run(0, 4); before = peak(); n = run(1, 92); print(n, peak() - before)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    count, growth_mb = map(int, answer.stdout.split())
    assert count == 2300 and growth_mb < 60, answer.stderr


@pytest.mark.slow
def test_speed(tmp_path: Path) -> None:
    """At most 2 ms to write a 128x128 sample, and 1000 a second to read, in processor time, of a whole shard."""
    many = [sample(r, s, 128) for r in range(100) for s in range(5)]
    path = bags.shard_path(tmp_path, 0)
    written, read = [], []
    for _ in range(6):  # the best of them: what else runs on the processor is not measured
        began = time.process_time()
        count = bags.write_shard(path, many, AXES)
        between = time.process_time()
        assert sum(1 for _ in bags.read_shard(path)) == count
        written.append((between - began) / count)
        read.append((time.process_time() - between) / count)
    print(f"write {1e3 * min(written):.2f} ms a sample, read {1 / min(read):.0f} samples/s")
    assert min(written) < 2e-3
    assert min(read) < 1e-3


def test_leftovers_of_others_are_swept(bag: Path) -> None:
    """A part folder that a killed recording left goes when the bag is finished again."""
    (bag / ".bag_0003.part").mkdir()
    os.utime(bag / ".bag_0003.part")
    bags.finish(bag, RECORDING)
    assert not list(bag.glob(".*"))
