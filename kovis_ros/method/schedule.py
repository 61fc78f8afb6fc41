"""How the learning rate, rho and the averaged weights go along a training run."""

from __future__ import annotations

import math

import torch
from torch import nn

WARM_UP = 0.05  # share of the run over which the learning rate rises


def learning_rate(progress: float, peak: float) -> float:
    """One cosine cycle: up over the first 5 % of the run, then down to 1 % of the peak; progress in [0, 1]."""
    if progress < WARM_UP:
        return peak * (0.05 + 0.95 * progress / WARM_UP)
    rest = (progress - WARM_UP) / (1.0 - WARM_UP)
    return peak * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(rest, 1.0))))


def rho(progress: float, start: float, final: float) -> float:
    """Keypoints start wide, so that the decoder sees them, and reach their final width half-way."""
    return start + (final - start) * min(1.0, 2.0 * progress)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, step: int, decay: float) -> None:
    """Move the averaged weights and statistics towards the network's; faster at the beginning."""
    weight = 1.0 - min(decay, (1.0 + step) / (10.0 + step))
    ours, theirs = average.state_dict(), network.state_dict()
    floats = [name for name, value in ours.items() if value.is_floating_point()]
    torch._foreach_lerp_([ours[name] for name in floats], [theirs[name] for name in floats], weight)
    for name in ours.keys() - set(floats):
        ours[name].copy_(theirs[name])
