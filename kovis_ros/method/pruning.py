"""Weights of a network with fewer keypoints, cut out of one that has more: a beginning for its training.

Keypoints take the first landmarks of target and of tool, in an order of which every beginning is well spread (see
``losses.chosen``), so those that are kept find what they found before. Decoder and servo miss the others' channels.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from kovis_ros.method.networks.servo import FEATURES

SERVO_INPUTS = ("servo.standardise.mean", "servo.standardise.square", "servo.layers.0.weight")


def kept(had: int, wanted: int) -> list[int]:
    """Which of ``had`` keypoints ``wanted`` ones are: the first of the target's, then the first of the tool's."""
    target = (wanted + 1) // 2
    tool = (had + 1) // 2
    return [*range(target), *range(tool, tool + wanted - target)]


def pruned(weights: Mapping[str, Tensor], had: int, wanted: int) -> dict[str, Tensor]:
    """State of a ``Network`` of ``wanted`` keypoints out of that of one of ``had``; everything else is kept."""
    keep = kept(had, wanted)
    inputs = [FEATURES * point + i for point in keep for i in range(FEATURES)]
    width = len(weights["decoder.squeeze.0.0.weight"])
    result = dict(weights)
    for name, value in weights.items():
        if name.startswith("encoder.head."):
            result[name] = value[keep]
        elif name.startswith(("decoder.blocks.", "decoder.squeeze.")) and value.ndim == 4:
            before = 0 if name.split(".")[2] == "0" else width  # what a block gets from the one below comes first
            channels = [*range(before), *(before + k for k in keep), *range(before + had, value.shape[1])]
            result[name] = value[:, channels]
        elif name in SERVO_INPUTS:
            result[name] = value[..., inputs]
    return result
