"""Weights to begin a training run with: those of a checkpoint, also of another task, more keypoints or another image.

Keypoints take the first landmarks of target and of tool, in an order of which every beginning is well spread (see
``losses.chosen``), so those that are kept find what they found before. Decoder and servo miss the others' channels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from kovis_ros.method import checkpoint
from kovis_ros.method.checkpoint import CheckpointError
from kovis_ros.method.config import ModelConfig, Task
from kovis_ros.method.networks import Network
from kovis_ros.method.networks.servo import FEATURES

SERVO_INPUTS = ("servo.standardise.mean", "servo.standardise.square", "servo.layers.0.weight")


def weights(path: Path, task: Task, kind: type[Network]) -> dict[str, Tensor]:
    """What a network ``kind`` of a task takes over from a checkpoint: all but figures of the data it was trained on.

    Of another task, or other axes, the servo is left out: its axes and landmarks mean something else there.
    CheckpointError when its networks have other sizes, but for more keypoints and another image (see ``alike``).
    """
    found = checkpoint.load(path)
    had, wanted = found.task.model.keypoints, task.model.keypoints
    if not alike(found.task.model, task.model) or had < wanted or type(found.network) is not kind:
        raise CheckpointError(
            f"checkpoint {path} has networks of other sizes: give one of the same model settings, "
            "or with more keypoints"
        )
    state = found.network.state_dict()
    if had > wanted:
        state = pruned(state, had, wanted)
    own = ("depth_mean", "depth_deviation", *(() if same_servo(found.task, task) else ("servo.",)))
    return {name: value for name, value in state.items() if not name.startswith(own)}


def alike(one: ModelConfig, other: ModelConfig) -> bool:
    """Do the layers of two networks have the same sizes, but for keypoints? A larger image has larger maps."""
    same = dataclasses.replace(one, keypoints=other.keypoints, image_size=other.image_size, map_size=other.map_size)
    return same == other and one.image_size // one.map_size == other.image_size // other.map_size


def same_servo(one: Task, other: Task) -> bool:
    """Does the servo of one task mean the same in the other?"""
    return one.name == other.name and one.axes == other.axes


def kept(had: int, wanted: int) -> list[int]:
    """Which of ``had`` keypoints ``wanted`` ones are: the first of the target's, then the first of the tool's."""
    target = (wanted + 1) // 2
    tool = (had + 1) // 2
    return [*range(target), *range(tool, tool + wanted - target)]


def pruned(state: Mapping[str, Tensor], had: int, wanted: int) -> dict[str, Tensor]:
    """State of a ``Network`` of ``wanted`` keypoints out of that of one of ``had``; everything else is kept."""
    keep = kept(had, wanted)
    inputs = [FEATURES * point + i for point in keep for i in range(FEATURES)]
    width = len(state["decoder.squeeze.0.0.weight"])
    result = dict(state)
    for name, value in state.items():
        if name.startswith("encoder.head."):
            result[name] = value[keep]
        elif name.startswith(("decoder.blocks.", "decoder.squeeze.")) and value.ndim == 4:
            before = 0 if name.split(".")[2] == "0" else width  # what a block gets from the one below comes first
            channels = [*range(before), *(before + k for k in keep), *range(before + had, value.shape[1])]
            result[name] = value[:, channels]
        elif name in SERVO_INPUTS:
            result[name] = value[..., inputs]
    return result
