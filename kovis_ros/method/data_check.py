"""Is a recording fit to train on? Figures of its samples beside limits, each limit with its reason."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import motion, stereo_check
from kovis_ros.method.config import Task

Array = NDArray[np.float64]
SEEN = 0.005  # share of the image that counts as seen: 9x9 of 128x128 pixels, two cells of the keypoint maps across
VISIBLE = 0.90  # of the samples; the rest is guessed at, and the share of guesses is a floor of the error
LANDMARKS = 0.75  # of the samples with half of the landmarks in both images: depth along the camera's axis needs both
REACH = (
    0.12  # 95th percentile on an axis over the task's range: 0.24 to 0.54 in pick_mug, near 0 where lines are blocked
)
LEAN = 0.30  # by which the share on one side of the goal may differ from a half: the servo must learn both signs
CHANCE = 1.5  # over the root of the number of roll-outs: three standard deviations of that share by chance alone
AT_GOAL_M, NEAR_M, FAR_M = 1e-4, 0.005, 0.0115  # beyond FAR the speed label is above 0.9
AT_GOAL = (0.02, 0.40)  # share of samples at the goal: none and it never stops, too many and it guesses the goal
SHARE = 0.05  # least share near the goal, where precision is learned, and far away: 0.16 and 0.48 in pick_mug
LABEL = 1e-3  # difference between a label and the one that its displacement has, above float32 and CDR
DEVIATION = 4.0  # grey levels; an image with less is empty: lens cap, or a camera inside something
DEPTH_FIT = 0.80  # of the pixels; outlines, one pixel wide, do not fit
GREY_FIT = 0.70  # median correlation of both eyes; a pair of two moments or with swapped eyes is near 0
ROWS_PX = 0.5  # of landmarks between the eyes: more is no rectified pair


class Sample(stereo_check.StereoSample, Protocol):
    """One stereo pair with its label; see ``kovis_ros.bags.Sample``."""

    rollout: int
    direction: NDArray[np.float32]  # (d,)
    speed: float
    displacement: NDArray[np.float32]  # (d,) metres, rotation scaled


class Check(NamedTuple):
    """One figure beside its limits, both inclusive."""

    name: str
    value: float
    least: float
    most: float
    unit: str = "share"

    @property
    def ok(self) -> bool:
        """Within the limits; what could not be measured (NaN) is not."""
        return self.least <= self.value <= self.most


def check(samples: Sequence[Sample], task: Task) -> list[Check]:
    """Every check of samples recorded with a task."""
    displacement = np.array([sample.displacement for sample in samples], float)
    return [
        *visibility(samples),
        *coverage(displacement, task, len({sample.rollout for sample in samples})),
        *balance(displacement),
        labels(samples, task.servo.label_slope),
        *content(samples),
        *stereo(samples),
    ]


def visibility(samples: Sequence[Sample]) -> list[Check]:
    """Target and tool in both eyes, by area and by landmarks."""
    rows = []
    for kind, name in ((1, "target"), (2, "tool")):
        area = np.array([(sample.segmentation == kind).mean((1, 2)).min() for sample in samples])
        rows.append(Check(f"{name} visible in both eyes", float((area >= SEEN).mean()), VISIBLE, 1.0))
    for i, name in enumerate(("target", "tool")):
        both = np.array([(sample.keypoints[..., 2] > 0).all(0).reshape(2, -1)[i].mean() for sample in samples])
        rows.append(Check(f"{name}'s landmarks in both eyes", float((both >= 0.5).mean()), LANDMARKS, 1.0))
    return rows


def coverage(displacement: Array, task: Task, rollouts: int) -> list[Check]:
    """How far displacements (n, d) go along each axis, of the task's range, and whether to both sides."""
    scaled = np.radians(task.rollout.rotation_deg) * motion.ROTATION_SCALE
    least = max(0.5 - max(LEAN, CHANCE / rollouts**0.5), 0.0)
    rows = []
    for axis, values in zip(task.axes, displacement.T, strict=True):
        wanted = scaled if axis.startswith("r") else task.rollout.translation_m
        away = values[np.abs(values) > AT_GOAL_M]
        side = float(min((away > 0).mean(), (away < 0).mean())) if away.size else 0.0
        reach = float(np.percentile(np.abs(values), 95)) / max(wanted, 1e-9)
        rows.append(Check(f"coverage {axis}: reach", reach, REACH, 1.0, "of range"))
        rows.append(Check(f"coverage {axis}: rarer side", side, least, 0.5))
    return rows


def balance(displacement: Array) -> list[Check]:
    """Shares of samples at, near and far from the goal."""
    distance = np.linalg.norm(displacement, axis=1)
    at, near, far = distance <= AT_GOAL_M, distance <= NEAR_M, distance >= FAR_M
    return [
        Check("labels at the goal", float(at.mean()), *AT_GOAL),
        Check("labels within 5 mm of it", float((near & ~at).mean()), SHARE, 1.0),
        Check("labels further than 11.5 mm", float(far.mean()), SHARE, 1.0),
    ]


def labels(samples: Sequence[Sample], slope: float) -> Check:
    """Share of samples whose direction and speed are those of their displacement."""
    right = 0
    for sample in samples:
        direction, speed = motion.label(np.asarray(sample.displacement, float), slope)
        away = np.linalg.norm(sample.displacement) > AT_GOAL_M  # at the goal a direction is rounding
        off = np.abs(direction - sample.direction).max() if away else 0.0
        right += bool(off <= LABEL and abs(speed - sample.speed) <= LABEL)
    return Check("labels that fit their displacement", right / len(samples), 1.0, 1.0)


def content(samples: Sequence[Sample]) -> list[Check]:
    """Images without contrast, images that occur twice, and pairs of one image."""
    images = [image for sample in samples for image in (sample.left, sample.right)]
    empty = sum(float(image.std()) < DEVIATION for image in images)
    different = len({hashlib.sha1(image.tobytes()).digest() for image in images})
    return [
        Check("empty images", float(empty), 0.0, 0.0, "images"),
        Check("duplicate images", float(len(images) - different), 0.0, 0.0, "images"),
    ]


def stereo(samples: Sequence[Sample]) -> list[Check]:
    """Left and right fit each other."""
    found = np.array([stereo_check.match(sample) for sample in samples])
    depth, grey, rows = (column[np.isfinite(column)] for column in found.T)
    return [
        Check("depth fits the disparity", median(depth), DEPTH_FIT, 1.0),
        Check("grey values of both eyes", median(grey), GREY_FIT, 1.0, "correlation"),
        Check("rows of landmarks apart", float(rows.max()) if rows.size else np.nan, 0.0, ROWS_PX, "px"),
    ]


def median(values: Array) -> float:
    """NaN of none."""
    return float(np.median(values)) if values.size else float("nan")
