"""The trained servo as the robot uses it: images to keypoints to motion."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from kovis_ros.method import checkpoint, images
from kovis_ros.method.config import Task
from kovis_ros.method.images import Float, ImageError, StereoKeypoints
from kovis_ros.method.motion import Motion
from kovis_ros.method.networks import Network
from kovis_ros.method.networks.layers import ConvBlock

CheckpointError = checkpoint.CheckpointError
ALIKE = (  # of two tasks whose servos can be exchanged: otherwise a motion means something else, or is a wrong guess
    "axes", "tcp_offset_m", "servo.label_slope", "camera.eye_m", "camera.look_at_m", "camera.baseline_range_m",
)  # fmt: skip
GOAL = ("goal.position_m", "goal.rpy_deg", "symmetry", "held.position_m", "held.rpy_deg")  # where a motion leads
ROWS_APART = 2.0 / 128  # network coordinates: a pixel of 128; that of a good keypoint is 0.3 of it
COMMON = np.linspace(-3.0, 3.0, 25)[:, None] * ROWS_APART  # that all keypoints together may be apart
__all__ = ["CheckpointError", "ImageError", "PolicyError", "ServoPolicy"]


class PolicyError(ValueError):
    """The network's numbers cannot be used; the message names them and the remedy."""


class View(NamedTuple):
    """What the networks make of a left image (Fig. 7 of the paper)."""

    keypoints: Float  # (K, 3) network coordinates and confidence
    maps: Float  # (H', W') the strongest of the keypoint maps of Eq. 4
    depth_m: Float  # (2 H', 2 W') predicted
    segmentation: NDArray[np.uint8]  # (2 H', 2 W') predicted class


class ServoPolicy:
    """Keypoints of a stereo pair, and the motion that follows from these keypoints alone."""

    def __init__(self, task: Task, network: Network, device: str | torch.device = "cpu") -> None:
        self.task = task
        self.device = torch.device(device)
        self.trained = network  # as it came from training
        self.network = folded(network).to(self.device)

    @classmethod
    def load(cls, name: str | Path, device: str = "cpu", threads: int | None = 1) -> ServoPolicy:
        """Policy by shipped name or path; ``threads`` sets torch's number of threads for the whole process.

        One thread is the default: a pair takes 15 ms at 64x64 (one AVX512 core, fp32), a second thread gains little,
        and two that wait for each other on busy cores take a hundred times as long. None leaves torch as it is.

        CheckpointError when the file cannot be used.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        file = checkpoint.load(name)
        return cls(file.task, file.network, device)

    def expect(self, task: Task) -> None:
        """CheckpointError when the policy was trained for another task, or for settings that its motion depends on.

        Sizes, recipe, ranges of looks and mount, loop and trial may differ: they make a motion no other one.
        """
        if self.task.name != task.name:
            raise CheckpointError(
                f"checkpoint is of task {self.task.name!r}, not {task.name!r}: give one of {task.name!r}"
            )
        if other := differing(self.task, task, (*ALIKE, *GOAL)):
            raise CheckpointError(
                f"checkpoint was trained for other settings of {task.name!r} ({', '.join(other[:3])}): "
                "give one that was trained for these, or the settings that it was trained for"
            )

    def expect_like(self, task: Task) -> None:
        """CheckpointError when the policy, whatever it was trained for, cannot be tried on a task.

        Its images must be seen from the same place and its motion must mean the same; sizes come with the weights.
        """
        if other := differing(self.task, task, ALIKE):
            raise CheckpointError(
                f"checkpoint is of task {self.task.name!r}, which differs from {task.name!r} ({', '.join(other[:3])}): "
                "give one of a task that has the same"
            )

    @torch.inference_mode()
    def keypoints(self, left: ArrayLike, right: ArrayLike, K: ArrayLike) -> StereoKeypoints:
        """Keypoints of a rectified pair (H, W) uint8 of any size with intrinsics K (3, 3).

        ImageError when an image or K cannot be used, PolicyError when the network gives NaN.
        """
        prepared, crop, size = self._prepare(left, right, K)
        found = self.network.find(prepared)[0].cpu().numpy()
        if not np.isfinite(found).all():
            raise PolicyError(
                f"keypoints hold {int((~np.isfinite(found)).sum())} numbers that are not finite: "
                "the checkpoint is damaged, fetch or train it again"
            )
        left_points, right_points = (in_pixels(points, crop) for points in found)
        return StereoKeypoints(left_points, right_points, size, crop)

    def _prepare(self, left: ArrayLike, right: ArrayLike, K: ArrayLike) -> tuple[Tensor, images.Crop, tuple[int, int]]:
        """Network input (1, 2, S, S), the crop it shows, and the size (H, W) of the camera image."""
        pair = [images.check(left, "left"), images.check(right, "right")]
        if pair[0].shape != pair[1].shape:
            raise ImageError(f"left image is {pair[0].shape} and right {pair[1].shape}: give a pair of one camera mode")
        size = (pair[0].shape[0], pair[0].shape[1])
        crop = images.crop_for(K, size, self.task.camera.field_of_view_deg)
        grey = torch.from_numpy(np.stack(pair)).to(self.device)
        return images.prepare(grey, crop, self.task.model.image_size)[:, 0][None], crop, size

    @torch.inference_mode()
    def reconstruct(self, left: ArrayLike, right: ArrayLike, K: ArrayLike) -> View:
        """Keypoints and reconstruction of the left image of a pair; arguments and errors as ``keypoints``."""
        output = self.network(self._prepare(left, right, K)[0])
        depth = self.network.depth_metres(output.reconstruction.depth[0])
        classes = output.reconstruction.segmentation[0].argmax(0)
        return View(
            output.keypoints[0, 0].cpu().numpy(),
            output.maps[0].amax(0).cpu().numpy(),
            depth.cpu().numpy(),
            classes.to(torch.uint8).cpu().numpy(),
        )

    @torch.inference_mode()
    def motion(self, keypoints: StereoKeypoints) -> Motion:
        """Motion towards the goal; PolicyError when K differs from the trained one or a number is not finite.

        Its confidence is the mean over the keypoints of their own, relative to its median in training, times
        ``agreement``; at most 1.
        """
        pair = np.stack([in_network(np.asarray(eye, np.float32), keypoints.crop) for eye in keypoints[:2]])
        expected = (2, self.task.model.keypoints, 3)
        if pair.shape != expected or not np.isfinite(pair).all():
            raise PolicyError(
                f"keypoints {pair.shape} with {int((~np.isfinite(pair)).sum())} numbers that are not "
                f"finite: {expected} finite ones of task {self.task.name!r} are needed"
            )
        prediction = self.network.servo(torch.from_numpy(pair)[None].to(self.device))
        direction = prediction.direction[0].cpu().numpy().astype(np.float32)
        if not np.isfinite(direction).all():
            raise PolicyError("direction is not finite: the checkpoint is damaged, fetch or train it again")
        confidence = float((pair[..., 2] * agreement(pair)).mean()) / max(float(self.network.usual_confidence), 1e-6)
        return Motion(direction, float(prediction.speed[0]), min(1.0, confidence))


def agreement(pair: Float) -> Float:
    """exp(-(dy / ROWS_APART)^2), (K,), of keypoints (2, K, 3) in network coordinates: 1 where both eyes see one row.

    What both eyes of a rectified pair see is in the same row. A keypoint that lost its landmark is sure of itself
    all the same, but not in the same row (docs/architecture.md). What all of them are apart together is left out, by
    the one of ``COMMON`` with which most agree: that is the look of the picture, or an imager that was knocked.
    """
    apart = pair[0, :, 1] - pair[1, :, 1]
    rows = np.exp(-(((apart - COMMON) / ROWS_APART) ** 2))
    return np.asarray(rows[rows.sum(1).argmax()], np.float32)


def differing(old: Task, new: Task, names: Sequence[str]) -> list[str]:
    """Which of the settings with these dotted names differ, as ``name old -> new``."""
    values = {name: (attrgetter(name)(old), attrgetter(name)(new)) for name in names}
    return [f"{name} {before} -> {now}" for name, (before, now) in values.items() if before != now]


def in_pixels(points: Float, crop: images.Crop) -> Float:
    """Keypoints (K, 3) with places in network coordinates to pixels of the camera image."""
    return np.concatenate([images.to_pixels(points[:, :2], crop), points[:, 2:]], 1).astype(np.float32)


def in_network(points: Float, crop: images.Crop) -> Float:
    """Keypoints (K, 3) with places in pixels to network coordinates."""
    return np.concatenate([images.to_network(points[..., :2], crop), points[..., 2:]], -1).astype(np.float32)


def folded(network: Network) -> Network:
    """A copy in evaluation mode whose BatchNorms are folded into their convolutions."""
    result = copy.deepcopy(network).eval().requires_grad_(False)
    for block in [module for module in result.modules() if isinstance(module, ConvBlock)]:
        convolution, norm = block[0], block[1]
        assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        block[0] = fuse_conv_bn_eval(convolution, norm)
        block[1] = nn.Identity()
    return result
