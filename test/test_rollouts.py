"""Recording: the same messages for the same seed, whatever the number of workers; resumable; refuses a full disk."""

import dataclasses
import shutil

import numpy as np
import pytest

from kovis_ros import bags
from kovis_ros.method import motion
from kovis_ros.method.config import ConfigError, load_task
from kovis_sim import robot, rollouts
from kovis_sim.scene import Scene


@pytest.fixture(scope="module")
def task():
    return load_task("pick_mug")


def same(a, b):
    return all(np.allclose(x, y, rtol=0, atol=1e-12) for x, y in zip(a, b, strict=True))


def test_a_rollout_starts_at_the_goal_and_its_labels_are_true(task):
    scene = Scene(task)
    for index in range(4):
        samples = list(rollouts.rollout(scene, 1, index))
        assert [s.step for s in samples] == list(range(task.rollout.steps))
        distances = [np.linalg.norm(s.displacement) for s in samples]
        assert distances[0] < 1e-9 and distances == sorted(distances) and distances[-1] > 0.0005
        for s in samples[1:]:
            direction, speed = motion.label(s.displacement)
            np.testing.assert_allclose(s.direction, direction, atol=1e-4)
            assert s.speed == pytest.approx(speed, abs=1e-6)
    scene.close()


def test_every_image_of_a_rollout_has_its_own_camera_and_look(task):
    """Mount, view, baseline, light and paint, as in the paper; the target stays where it is."""
    scene, seen, targets = Scene(task), [], set()
    for sample in rollouts.rollout(scene, 1, 0):
        camera, look = scene.camera, scene.look
        mount = tuple(camera.tool0_T_centre.round(9).flat)
        seen.append((mount, sample.K[0, 0], sample.baseline_m, look.light.direction, look.target, look.gripper))
        targets.add(scene.world_T_target.tobytes())
    assert [len(set(values)) for values in zip(*seen, strict=True)] == [task.rollout.steps] * 6 and len(targets) == 1
    scene.close()


def test_workers_and_interruptions_do_not_change_the_messages(task, tmp_path, monkeypatch):
    monkeypatch.setattr(rollouts, "SHARD", 3)
    out = tmp_path / "bag"
    rollouts.record(task, 8, 5, out, workers=2)
    first = list(bags.read_samples(out))
    shards = bags.shards(out)
    kept = {path: path.stat().st_mtime_ns for path in (shards[0], shards[2])}
    shards[1].unlink()  # a shard that is missing is all that is recorded again
    rollouts.record(task, 8, 5, out, workers=1)
    again = list(bags.read_samples(out))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    scene = Scene(task)
    alone = [sample for index in range(8) for sample in rollouts.rollout(scene, 5, index)]
    scene.close()
    assert len(first) == len(again) == len(alone) == 40
    assert all(same(a, b) and same(a, c) for a, b, c in zip(first, again, alone, strict=False))


@pytest.mark.slow
def test_a_longer_recording_completes_the_last_shard(task, tmp_path):
    out = tmp_path / "bag"
    rollouts.record(task, 2, 5, out, workers=1)
    rollouts.record(task, 4, 5, out, workers=1)
    assert [(s.rollout, s.step) for s in bags.read_samples(out)] == [(i, k) for i in range(4) for k in range(5)]


def test_fewer_rollouts_than_the_bag_holds_are_refused(task, tmp_path, monkeypatch):
    """Also when the recording was interrupted; another task is told first."""
    monkeypatch.setattr(rollouts, "SHARD", 1)
    out = tmp_path / "bag"
    rollouts.record(task, 3, 5, out, workers=1)
    before = {path: path.read_bytes() for path in out.iterdir()}
    line = r"bag .*bag holds 3 roll-outs, more than the 2 asked for: ask for 3 or more, or give another folder"
    with pytest.raises(bags.BagError, match=line):
        rollouts.record(task, 2, 5, out, workers=1)
    with pytest.raises(bags.BagError, match="holds roll-outs with seed 5, not 6"):
        rollouts.record(task, 2, 6, out, workers=1)
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert rollouts.record(task, 3, 5, out, workers=1) == 15 == bags.info(out).samples


def room(monkeypatch, free):
    """Every disk has so many bytes free."""
    usage = dataclasses.make_dataclass("Usage", ["free"])(free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


def test_a_disk_too_small_is_found_before_the_work(task, tmp_path, monkeypatch):
    room(monkeypatch, 10**6)
    with pytest.raises(bags.BagError, match=r"0\.0 GB free and the bag needs about 0\.2 GB more"):
        rollouts.record(task, 1000, 0, tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


def test_a_recording_that_goes_on_needs_room_for_the_rest_alone(task, tmp_path, monkeypatch):
    """Three of four roll-outs are there; the fourth is five samples of 3 bytes for each of 128 x 128 pixels."""
    monkeypatch.setattr(rollouts, "SHARD", 1)
    out = tmp_path / "bag"
    rollouts.record(task, 3, 5, out, workers=1)
    room(monkeypatch, 5 * 49_152 - 1)
    with pytest.raises(bags.BagError, match="needs about 0.0 GB more: free some"):
        rollouts.record(task, 4, 5, out, workers=1)
    room(monkeypatch, 5 * 49_152)
    rollouts.record(task, 4, 5, out, workers=1)
    assert bags.info(out).samples == 20
    room(monkeypatch, 0)
    rollouts.record(task, 4, 5, out, workers=1)  # nothing is missing


def test_a_task_that_can_no_longer_be_leaves_its_bag_whole(task, tmp_path):
    out, mesh = tmp_path / "bag", tmp_path / "mug.obj"
    shutil.copy(robot.ASSETS / task.target.mesh, mesh)
    mine = dataclasses.replace(task, target=dataclasses.replace(task.target, mesh=str(mesh)))
    rollouts.record(mine, 1, 5, out, workers=1)
    mesh.unlink()
    with pytest.raises(ConfigError, match="target.mesh .*mug.obj' is no file"):
        rollouts.record(mine, 2, 5, out, workers=1)
    assert bags.info(out).samples == 5
