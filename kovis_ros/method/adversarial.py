"""Adversarial examples (Adex, Section III-C): images changed a little where the losses are most sensitive.

A mini-batch is attacked whole or not at all, by one of three ways drawn at random with random strength and number of
iterations. References: FGSM, Goodfellow et al. 2015; iterative FGSM and least-likely class, Kurakin et al. 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from kovis_ros.method import losses
from kovis_ros.method.config import AdversarialConfig, LossConfig
from kovis_ros.method.losses import Batch
from kovis_ros.method.networks import Network

Objective = Callable[[Tensor], Tensor]  # images (B, 2, S, S) -> what an attack raises


class Adversary:
    """Replaces batches by adversarial ones; BatchNorm statistics and gradients of the weights stay as they are.

    slope: of the label, 1/m. With half of the batches attacked a step costs 1.53 times as much (one core with AMX,
    bf16), with all of them it would 2.05 times; `kovis bench` measures it.
    """

    def __init__(self, config: AdversarialConfig, loss: LossConfig, slope: float) -> None:
        self.config, self.loss, self.slope = config, loss, slope

    def __call__(self, network: Network, batch: Batch, rng: Generator) -> Batch:
        """The batch itself, or with images moved by at most ``config.strength``; random by ``rng``."""
        chance, kind, strength, iterations = torch.rand(4, generator=rng, device=rng.device).tolist()
        if chance >= self.config.probability:
            return batch
        low, high = self.config.strength
        epsilon = low + (high - low) * strength
        fewest, most = self.config.iterations
        count = 1 if kind < 1.0 / 3.0 else fewest + int(iterations * (most - fewest + 1))
        if kind < 2.0 / 3.0:
            return self.on_total(network, batch, epsilon, count)
        return self.on_segmentation(network, batch, epsilon)

    def on_total(self, network: Network, batch: Batch, epsilon: float, iterations: int) -> Batch:
        """FGSM on the total loss, iterative with more than one iteration."""
        with frozen(network):
            images = ascend(self.total(network, batch), batch.images, epsilon, iterations)
        return batch._replace(images=images)

    def on_segmentation(self, network: Network, batch: Batch, epsilon: float) -> Batch:
        """FGSM towards the least likely class of each pixel."""
        with frozen(network, both_eyes=True):
            images = ascend(least_likely(network, batch.images), batch.images, epsilon, 1)
        return batch._replace(images=images)

    def extra_s(self, network: Network, batch: Batch, clock: Callable[[Callable[[], object]], float]) -> float:
        """Expected seconds that the attacks add to a step; ``clock`` times each way once."""
        fewest, most = self.config.iterations
        epsilon = self.config.strength[1]
        once, *several = (
            clock(partial(self.on_total, network, batch, epsilon, count)) for count in (1, *range(fewest, most + 1))
        )
        other = clock(partial(self.on_segmentation, network, batch, epsilon))
        return self.config.probability * (once + sum(several) / len(several) + other) / 3.0

    def total(self, network: Network, batch: Batch) -> Objective:
        """The total loss of Eq. 8 of a batch, as a function of its images."""
        scale = (network.depth_mean, network.depth_deviation)

        def objective(images: Tensor) -> Tensor:
            parts = losses.terms(network(images), batch, self.loss, self.slope, scale)
            return losses.total(parts, self.loss)

        return objective


def ascend(objective: Objective, images: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Iterative FGSM: ``iterations`` steps of epsilon / iterations along the gradient's sign; one step is FGSM.

    images (B, 2, S, S) and epsilon in standard deviations of an image; no pixel moves by more than epsilon.
    """
    moved = images.detach()
    for _ in range(iterations):
        moved = moved.requires_grad_()
        (gradient,) = torch.autograd.grad(objective(moved), moved)
        moved = (moved + epsilon / iterations * gradient.sign()).detach()
    return images + (moved - images).clamp(-epsilon, epsilon)


def least_likely(network: Network, images: Tensor) -> Objective:
    """Minus the cross-entropy of the segmentation with the class that each pixel is least likely to have now."""
    with torch.no_grad():
        unlikely = network(images).reconstruction.segmentation.argmin(1)

    def objective(changed: Tensor) -> Tensor:
        return -F.cross_entropy(network(changed).reconstruction.segmentation, unlikely)

    return objective


@contextmanager
def frozen(network: Network, both_eyes: bool = False) -> Iterator[None]:
    """Evaluation mode, so that running statistics stay, and no gradient for any weight.

    One eye of each pair is decoded, the one that the training step decodes: the other would cost a fifth of a pass. An
    attack on the segmentation needs both, or it would leave the other eye as it is.
    """
    training, wanted = network.training, [weight.requires_grad for weight in network.parameters()]
    network.eval().requires_grad_(False)
    network.training = not both_eyes  # of no layer, see ``Network.forward``
    try:
        yield
    finally:
        network.train(training)
        for weight, need in zip(network.parameters(), wanted, strict=True):
            weight.requires_grad_(need)
