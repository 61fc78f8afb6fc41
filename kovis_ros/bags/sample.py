"""What a bag holds: one sample is one stereo pair with its truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

EPOCH_NS = 1_577_836_800 * 10**9  # 2020-01-01: virtual time, so a bag does not depend on when it was written
ROLLOUT_NS = 10**9
STEP_NS = 33_333_333  # one image of a 30 Hz camera
STEPS = 30  # that fit into a roll-out


class BagError(ValueError):
    """A bag is missing, damaged, foreign or cannot be written; the message names it and the remedy."""


class Sample(NamedTuple):
    """One stereo pair and the truth about it."""

    rollout: int  # >= 0
    step: int  # 0..29
    stamp_ns: int  # stamp(rollout, step)
    left: NDArray[np.uint8]  # (H, W) grey
    right: NDArray[np.uint8]  # (H, W)
    depth: NDArray[np.uint16]  # (2, H, W) left and right, 0.1 mm, 0 where nothing is seen
    segmentation: NDArray[np.uint8]  # (2, H, W): 0 background, table, distractors; 1 target; 2 gripper, held, arm
    K: NDArray[np.float64]  # (3, 3) pixels
    baseline_m: float
    direction: NDArray[np.float32]  # (d,) unit vector on the task's axes
    speed: float  # 0..1
    displacement: NDArray[np.float32]  # (d,) metres, rotations scaled 0.2 m/rad
    keypoints: NDArray[np.float32]  # (2, L, 3) landmarks of target, then tool: x, y in pixels, 1 where in the image


class Recording(NamedTuple):
    """What a whole bag was recorded with; two recordings into one folder must agree on it."""

    task: str
    seed: int
    version: str  # of kovis_ros
    task_yaml: str  # the task's full settings
    scene_sha256: str = ""  # of code and meshes of the scene, as ``kovis_sim.fingerprint`` has it


def stamp(rollout: int, step: int) -> int:
    """Virtual time in nanoseconds of a step (0..29) of a roll-out: a roll-out takes one second."""
    if rollout < 0 or not 0 <= step < STEPS:
        raise BagError(f"step {step} of roll-out {rollout} has no stamp: a roll-out is 0 or more, its steps are 0..29")
    return EPOCH_NS + rollout * ROLLOUT_NS + step * STEP_NS


def place(stamp_ns: int) -> tuple[int, int]:
    """(roll-out, step) of a stamp: the inverse of stamp()."""
    rollout, rest = divmod(stamp_ns - EPOCH_NS, ROLLOUT_NS)
    return int(rollout), int(rest // STEP_NS)
