"""How learning rate, rho and averaged weights go along a run."""

from __future__ import annotations

import pytest
import torch

from kovis_ros.method import schedule


def test_schedules() -> None:
    assert schedule.learning_rate(0.05, 1e-3) == pytest.approx(1e-3)
    assert schedule.learning_rate(1.0, 1e-3) == pytest.approx(1e-5)
    assert [schedule.rho(p, 1.0, 2.5) for p in (0.0, 0.25, 0.5, 1.0)] == [1.0, 1.75, 2.5, 2.5]


def test_average_follows() -> None:
    ours, theirs = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    ours.weight.data.fill_(0.0)
    theirs.weight.data.fill_(1.0)
    schedule.follow(ours, theirs, 0, 0.998)  # decay min(0.998, 1/10) = 0.1
    assert float(ours.weight.detach()) == pytest.approx(0.9)
