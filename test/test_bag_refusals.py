"""Bags: recordings that are interrupted, mixed, damaged or no good."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("rosbags")

from made_bag import AXES, RECORDING, make_bag, sample, shard_samples

from kovis_ros import bags
from kovis_ros.bags import BagError, Recording, Sample, messages
from kovis_ros.bags.identity import differing
from kovis_ros.method.config import load_task, to_dict


def test_kill_loses_one_shard(tmp_path: Path) -> None:
    """kill -9 while shard 1 is being written: shard 0 stays, and recording goes on to the same bag."""
    folder = tmp_path / "bag"
    code = f"""
import sys, time; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from kovis_ros import bags
from made_bag import *
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
from made_bag import *
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
        ({"scene_sha256": "d1ff3"}, "another scene"),
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


def test_a_setting_that_no_task_has_any_more_does_not_set_an_older_bag_apart() -> None:
    """Nor does the folder of a task, which is another one on another machine; another mesh does."""
    old, new = to_dict(load_task("pick_mug")), to_dict(load_task("pick_mug"))
    old["appearance"]["fog"] = old["weather"] = 1.0
    for task, folder in ((old, "/home/ann"), (new, "/home/bob")):
        task["target"]["mesh"] = f"{folder}/cup.obj"
    assert not differing(yaml.safe_dump(old), yaml.safe_dump(new))
    new["target"]["mesh"] = "/home/ann/jug.obj"
    assert differing(yaml.safe_dump(old), yaml.safe_dump(new)) == ["target.mesh 'cup.obj' -> 'jug.obj'"]


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


def test_a_bag_whose_folder_was_renamed_is_not_written_over(tmp_path: Path) -> None:
    make_bag(tmp_path / "bag")
    folder = (tmp_path / "bag").rename(tmp_path / "copy")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(BagError, match="copy holds bag_0000.mcap, no shard of its name: rename it back"):
        bags.begin(folder, RECORDING)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


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


def reword(bag: Path, **change: object) -> None:
    """Another value for a key of metadata.yaml, wherever it stands."""
    whole = yaml.safe_load((bag / "metadata.yaml").read_text())
    body = whole["rosbag2_bagfile_information"]
    for part in (body, body["custom_data"]):
        part.update({name: value for name, value in change.items() if name in part})
    (bag / "metadata.yaml").write_text(yaml.safe_dump(whole))


DAMAGE = {
    "missing": (lambda bag: shutil.rmtree(bag), "does not exist: record one"),
    "empty": (lambda bag: [p.unlink() for p in bag.iterdir()], "is no bag"),
    "no shard": (lambda bag: (bag / "bag_0001.mcap").unlink(), "lacks bag_0001.mcap"),
    "truncated": (lambda bag: truncate(bag / "bag_0002.mcap"), "bag_0002.mcap is truncated or no MCAP"),
    "zeroed": (lambda bag: flip(bag / "bag_0002.mcap"), "bag_0002.mcap is truncated or no MCAP"),
    "no bytes": (lambda bag: (bag / "bag_0000.mcap").write_bytes(b""), "bag_0000.mcap is truncated or no MCAP"),
    "text": (lambda bag: (bag / "bag_0000.mcap").write_text("hello"), "bag_0000.mcap is truncated or no MCAP"),
    "metadata": (lambda bag: (bag / "metadata.yaml").write_text("a: ["), "metadata.yaml is damaged"),
    "no utf-8": (lambda bag: (bag / "metadata.yaml").write_bytes(b"\xff\xfe\x00"), "metadata.yaml is damaged .Unicode"),
    "nested": (lambda bag: (bag / "metadata.yaml").write_text("[" * 3000), "metadata.yaml is damaged .Recursion"),
    "no shards": (lambda bag: reword(bag, relative_file_paths=[]), "metadata.yaml is damaged .*it lists no shard"),
    "no settings": (lambda bag: reword(bag, task_yaml="a: ["), "metadata.yaml is damaged or not of KOVIS .ParserError"),
    "no mapping": (lambda bag: reword(bag, task_yaml="7"), "metadata.yaml is damaged or not of KOVIS .*task_yaml is 7"),
    "other yaml": (lambda bag: (bag / "metadata.yaml").write_text("a: 1"), "metadata.yaml is damaged"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_one_clear_line(bag: Path, kind: str) -> None:
    damage, words = DAMAGE[kind]
    damage(bag)
    with pytest.raises(BagError, match=words) as caught:
        bags.info(bag)
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


def test_leftovers_of_others_are_swept(bag: Path) -> None:
    """A part folder that a killed recording left goes when the bag is finished again."""
    (bag / ".bag_0003.part").mkdir()
    os.utime(bag / ".bag_0003.part")
    bags.finish(bag, RECORDING)
    assert not list(bag.glob(".*"))
