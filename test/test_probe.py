"""The precision that a run is given, with rates and gradients as on one processor or another."""

from __future__ import annotations

import itertools

import pytest
import small
import torch

from kovis_ros.method import probe
from kovis_ros.method.probe import FULL, MIXED

RIGHT, WRONG = [torch.tensor([[[[1.0, 2.0]]]])], [torch.tensor([[[[2.0, -1.0]]]])]


@pytest.mark.parametrize(
    ("mixed_s", "gradients", "chosen"),
    [(0.5, RIGHT, MIXED), (2.0, RIGHT, FULL), (0.5, WRONG, FULL), (0.5, [torch.full((1, 1, 1, 2), torch.nan)], FULL)],
    ids=["bf16 is faster", "bf16 is emulated", "its gradients are wrong", "its gradients are no numbers"],
)
def test_the_faster_precision_that_is_right_is_chosen(
    mixed_s: float, gradients: list[torch.Tensor], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Best of the rounds: one that was held up, as the first is, does not count."""
    delays = itertools.chain([5.0, 5.0], itertools.repeat(0.0))

    def step(network: object, images: object, precision: str) -> tuple[float, list[torch.Tensor]]:
        held_up = next(delays)
        return (mixed_s + held_up, gradients) if precision == MIXED else (1.0 + held_up, RIGHT)

    monkeypatch.setattr(probe, "step", step)
    found = probe.probe(small.task(), torch.device("cpu"))
    assert found.precision == chosen
    assert found.rates == {FULL: probe.PAIRS / 1.0, MIXED: probe.PAIRS / mixed_s}
