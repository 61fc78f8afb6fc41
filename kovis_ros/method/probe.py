"""Which precision trains fastest on this processor: bf16 without hardware for it is far slower than fp32."""

from __future__ import annotations

import time
from typing import NamedTuple

import torch
from torch import Tensor

from kovis_ros.method.config import Task
from kovis_ros.method.networks import Network

FULL, MIXED = "32-true", "bf16-mixed"  # the names that lightning.fabric uses
PAIRS, ROUNDS = 16, 5
AGREEMENT = 0.5  # least cosine between the gradients of a weight; rounding alone leaves more than 0.9


class Probe(NamedTuple):
    """Stereo pairs per second of each precision, and the faster one."""

    precision: str
    rates: dict[str, float]


def probe(task: Task, device: torch.device) -> Probe:
    """Time forward and backward of a small batch in each precision, turn about; a few seconds.

    bf16 is passed over when its gradients are not those of fp32: some kernels of some libraries are wrong.
    """
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        return Probe(FULL, {})
    torch.manual_seed(0)
    network = Network(task).to(device)
    images = torch.randn(PAIRS, 2, task.model.image_size, task.model.image_size).to(device)
    best, gradients = {FULL: float("inf"), MIXED: float("inf")}, {}
    for _ in range(ROUNDS):
        for precision in best:
            seconds, gradients[precision] = step(network, images, precision)
            best[precision] = min(best[precision], seconds)
    faithful = agreement(gradients[FULL], gradients[MIXED]) > AGREEMENT
    rates = {precision: PAIRS / seconds for precision, seconds in best.items()}
    return Probe(MIXED if faithful and rates[MIXED] > rates[FULL] else FULL, rates)


def step(network: Network, images: Tensor, precision: str) -> tuple[float, list[Tensor]]:
    """Seconds of one forward and backward, and the gradients of the convolutions."""
    network.zero_grad()
    start = time.perf_counter()
    with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == MIXED):
        output = network(images)
    (output.reconstruction.segmentation.square().mean() + output.keypoints.square().mean()).backward()
    if images.device.type == "cuda":
        torch.cuda.synchronize(images.device)
    seconds = time.perf_counter() - start
    weights = [*network.encoder.parameters(), *network.decoder.parameters()]
    return seconds, [weight.grad.clone() for weight in weights if weight.grad is not None and weight.ndim == 4]


def agreement(first: list[Tensor], second: list[Tensor]) -> float:
    """Lowest cosine between the gradients of one weight in the two precisions; -1 when one is not finite."""
    pairs = zip((g.flatten() for g in first), (g.flatten() for g in second), strict=True)
    return min(float(torch.nan_to_num(torch.cosine_similarity(a, b, 0), nan=-1.0)) for a, b in pairs)
