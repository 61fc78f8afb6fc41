"""Training roll-outs: from the goal outwards along a straight line, each image with its own camera and look."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from kovis_ros import __version__, bags
from kovis_ros.method import disk, geometry, motion
from kovis_ros.method.config import Task, from_dict, to_dict
from kovis_ros.method.parsing import ConfigWarning
from kovis_sim import mesh_check, scene_check
from kovis_sim import workers as processes
from kovis_sim.fingerprint import scene_sha256
from kovis_sim.scene import Scene

Array = NDArray[np.float64]
SHARD = 100  # roll-outs
BYTES_PER_PIXEL = 3.0  # of a sample on disk, for both eyes and truth: 2.7 at 128x128 with zstd, 1.9 at 192x192
CHECKS = 14  # places along the line where contact is looked for


def rollout(scene: Scene, seed: int, index: int) -> Iterator[bags.Sample]:
    """Samples of roll-out ``index``: the first at the goal, the rest ever further out until something would touch."""
    scene.rng = np.random.default_rng([seed, index])
    scene.place_target()
    ranges, slope = scene.task.rollout, scene.task.servo.label_slope
    line = free_line(scene, end_displacement(scene))
    fractions = np.sort(scene.rng.random(ranges.steps - 1) ** ranges.near_power)
    for step, fraction in enumerate([0.0, *fractions]):
        scene.put(scene.world_T_goal @ geometry.exp(fraction * line))
        scene.new_camera()
        scene.new_look()
        left, right = scene.stereo()
        truth = scene.truth()
        direction, speed = motion.label(truth.displacement, slope)
        yield bags.Sample(
            index, step, bags.stamp(index, step), left, right, truth.depth, truth.segmentation, scene.K,
            scene.baseline_m, np.float32(direction), float(np.float32(speed)), np.float32(truth.displacement),
            truth.keypoints,
        )  # fmt: skip


def end_displacement(scene: Scene) -> Array:
    """Displacement (6,) from the goal of a roll-out's far end: any direction, distance and angle uniform."""
    ranges, rng = scene.task.rollout, scene.rng
    commanded = motion.axis_indices(scene.task.axes)
    move = rng.normal(size=3) * [i in commanded for i in range(3)]
    reach = ranges.translation_m * rng.random()
    move *= reach / max(float(np.linalg.norm(move)), 1e-9)
    limit, tilt = np.radians(ranges.rotation_deg), np.radians(ranges.tilt_deg)
    turn = [rng.uniform(-limit, limit) if i in commanded else rng.uniform(-tilt, tilt) for i in (3, 4, 5)]
    return np.concatenate([move, turn])


def free_line(scene: Scene, displacement: Array) -> Array:
    """The part of a displacement (6,) from the goal along which nothing touches and the arm can reach."""
    free = 0.0
    for fraction in np.linspace(0.0, 1.0, CHECKS + 1)[1:]:
        if not scene.free(scene.world_T_goal @ geometry.exp(fraction * displacement)):
            break
        free = float(fraction)
    return free * displacement


def record(
    task: Task,
    rollouts: int,
    seed: int,
    out: Path,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Record roll-outs into the bag ``out``, or go on where an interrupted recording stopped; the number of samples.

    The same messages for the same seed, whatever the number of workers (0: one a core). ``progress`` hears the
    roll-outs done and the whole number. BagError for a foreign folder, a bag that holds more roll-outs, or a disk too
    small for what is missing, ConfigError for a task that cannot be: all before anything is written.
    """
    out = Path(out)
    mesh_check.check(task)
    settings = yaml.safe_dump(to_dict(task), sort_keys=False)
    recording = bags.Recording(task.name, seed, __version__, settings, scene_sha256(task))
    bags.expect(out, recording)
    held = kept(out)
    refuse_fewer(out, sum(held.values()) // task.rollout.steps, rollouts)
    missing = lacking(out, held, rollouts, task.rollout.steps)
    done = rollouts - sum(map(len, missing.values()))
    check_disk(out, (rollouts - done) * task.rollout.steps * sample_bytes(task))
    if missing:  # a task that cannot be is told before anything is written
        scene_check.check(task)
    bags.begin(out, recording)
    if progress:
        progress(done, rollouts)
    for recorded in processes.made(partial(_shard, to_dict(task), seed, out, missing), list(missing), workers):
        done += recorded
        if progress:
            progress(done, rollouts)
    bags.finish(out, recording)
    return rollouts * task.rollout.steps


def kept(out: Path) -> dict[Path, int]:
    """Samples of each shard of a bag; 0 of a damaged one, which is recorded again."""
    return {shard: _whole(shard) for shard in bags.shards(out)}


def lacking(out: Path, held: Mapping[Path, int], rollouts: int, steps: int) -> dict[int, range]:
    """The roll-outs of each shard that a bag lacks, by the shard's number; ``held``: what it has, see ``kept``."""
    ranges = {n: range(n * SHARD, min((n + 1) * SHARD, rollouts)) for n in range((rollouts + SHARD - 1) // SHARD)}
    return {n: r for n, r in ranges.items() if held.get(bags.shard_path(out, n), 0) < len(r) * steps}


def refuse_fewer(out: Path, held: int, rollouts: int) -> None:
    """BagError when a bag holds more roll-outs than are asked for: recording adds to it and takes nothing away."""
    if held > rollouts:
        raise bags.BagError(
            f"bag {out} holds {held} roll-outs, more than the {rollouts} asked for: "
            f"ask for {held} or more, or give another folder"
        )


def _whole(shard: Path) -> int:
    try:
        return bags.shard_samples(shard)
    except bags.BagError:
        return 0


def sample_bytes(task: Task) -> float:
    """Of one sample in a bag, about."""
    return BYTES_PER_PIXEL * task.camera.size_px**2


def check_disk(out: Path, wanted: float) -> None:
    """BagError when the disk cannot hold that many more bytes."""
    free = disk.free_bytes(out)
    if free < wanted:
        raise bags.BagError(
            f"the disk of {out} has {free / 1e9:.1f} GB free and the bag needs about {wanted / 1e9:.1f} GB more: "
            "free some or record fewer roll-outs"
        )


def _shard(task: dict[str, object], seed: int, out: Path, missing: dict[int, range], number: int) -> int:
    """One worker's job: the roll-outs of one shard; their number."""
    scene = _scene(yaml.safe_dump(task))
    samples = chain.from_iterable(rollout(scene, seed, index) for index in missing[number])
    bags.write_shard(bags.shard_path(out, number), samples, scene.task.axes)
    return len(missing[number])


@lru_cache(maxsize=1)
def _scene(task: str) -> Scene:
    """The worker's scene, set up once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConfigWarning)  # whoever read the settings was told
        known = from_dict(yaml.safe_load(task))
    return Scene(known)
