"""Adversarial examples: each attack raises what it attacks, stays in its bound and leaves no trace in the network."""

import dataclasses
from collections.abc import Callable

import pytest
import small
import torch
from torch import Tensor

from kovis_ros.method.adversarial import Adversary, ascend, frozen, least_likely
from kovis_ros.method.config import AdversarialConfig
from kovis_ros.method.losses import Batch
from kovis_ros.method.networks import Network

TASK = small.task()
ALWAYS = AdversarialConfig(probability=1.0)


@pytest.fixture(scope="module")
def network() -> Network:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return Network(TASK)


@pytest.fixture(scope="module")
def batch() -> Batch:
    g = torch.Generator().manual_seed(0)
    displacement = 0.02 * torch.randn((6, 4), generator=g)
    length = displacement.norm(dim=-1)
    return Batch(
        torch.randn((6, 2, 64, 64), generator=g),
        0.1 + 0.2 * torch.rand((6, 2, 64, 64), generator=g),
        torch.randint(0, 3, (6, 2, 64, 64), generator=g),
        displacement / length[:, None],
        1.0 - torch.exp(-200.0 * length),
        displacement,
        torch.rand((6, 2, 32, 3), generator=g),
    )


def adversary(config: AdversarialConfig = ALWAYS) -> Adversary:
    return Adversary(config, TASK.training.loss, 200.0)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("iterations", [1, 3])
def test_fgsm_raises_the_total_loss_within_its_bound(
    network: Network, batch: Batch, iterations: int, mixed: bool
) -> None:
    """The loss in fp32, also when the attack is made in bf16."""
    with frozen(network):
        objective = adversary().total(network, batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            moved = ascend(objective, batch.images, 0.05, iterations)
        assert moved.dtype == torch.float32
        assert objective(moved) > objective(batch.images)
    assert (moved - batch.images).abs().max() <= 0.05 + 1e-6
    assert (moved - batch.images).abs().max() > 0.049  # and uses it


def test_iterations_raise_it_further(network: Network, batch: Batch) -> None:
    with frozen(network):
        objective = adversary().total(network, batch)
        one, five = (objective(ascend(objective, batch.images, 0.2, count)) for count in (1, 5))
    assert five > one


@pytest.mark.parametrize("mixed", [False, True])
def test_least_likely_lowers_its_own_cross_entropy(network: Network, batch: Batch, mixed: bool) -> None:
    with frozen(network, both_eyes=True):
        objective = least_likely(network, batch.images)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            moved = ascend(objective, batch.images, 0.05, 1)
        assert objective(moved) > objective(batch.images)
    assert (moved - batch.images).abs().max() <= 0.05 + 1e-6
    assert ((moved - batch.images).abs().amax((2, 3)) > 0.049).all()  # of both eyes


def state(network: Network) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


ATTACKS: dict[str, Callable[[Network, Batch], Batch]] = {
    "FGSM": lambda network, batch: adversary().on_total(network, batch, 0.05, 1),
    "iterative FGSM": lambda network, batch: adversary().on_total(network, batch, 0.05, 3),
    "least likely": lambda network, batch: adversary().on_segmentation(network, batch, 0.05),
}


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_leaves_statistics_gradients_and_mode(
    network: Network, batch: Batch, attack: Callable[[Network, Batch], Batch], mixed: bool
) -> None:
    """Gradients that a step before has summed up stay as they are; one without stays without."""
    rng = torch.Generator().manual_seed(0)
    network.train().zero_grad()
    first, *others = network.parameters()
    for weight in others:
        weight.grad = torch.randn(weight.shape, generator=rng)
    before, gradients = state(network), [weight.grad.clone() for weight in others]
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        assert not torch.equal(attack(network, batch).images, batch.images)
    assert all(module.training for module in network.modules())
    assert all(weight.requires_grad for weight in network.parameters())
    assert first.grad is None
    assert all(torch.equal(weight.grad, old) for weight, old in zip(others, gradients, strict=True))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    network.zero_grad()


def test_all_three_ways_are_drawn(network: Network, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each a third of the time; several iterations are those of the settings."""
    drawn = []
    monkeypatch.setattr(Adversary, "on_total", lambda self, network, batch, epsilon, count: drawn.append(count))
    monkeypatch.setattr(Adversary, "on_segmentation", lambda self, network, batch, epsilon: drawn.append(0))
    rng = torch.Generator().manual_seed(0)
    chosen = adversary(dataclasses.replace(ALWAYS, iterations=(4, 6)))
    for _ in range(300):
        chosen(network, batch, rng)
    assert set(drawn) == {0, 1, 4, 5, 6}
    assert 75 <= drawn.count(0) <= 125 and 75 <= drawn.count(1) <= 125  # 100 expected, deviation 8.2


def test_an_attack_decodes_what_the_step_decodes(network: Network, batch: Batch) -> None:
    """One eye of each pair for the total loss; both for the segmentation, whose attack knows no other way to an eye."""
    decoded = network.train()(batch.images).decoded
    with frozen(network):
        assert torch.equal(network(batch.images).decoded, decoded) and len(decoded) == 6
        assert not any(module.training for module in network.modules() if module is not network)
    with frozen(network, both_eyes=True):
        assert len(network(batch.images).decoded) == 12


def test_the_draw_decides_and_repeats(network: Network, batch: Batch) -> None:
    never = adversary(dataclasses.replace(ALWAYS, probability=0.0))
    assert never(network, batch, torch.Generator().manual_seed(0)) is batch
    first, second, third = (adversary()(network, batch, torch.Generator().manual_seed(n)).images for n in (1, 1, 2))
    assert torch.equal(first, second) and not torch.equal(first, third)
    half = adversary(dataclasses.replace(ALWAYS, probability=0.5))
    rng = torch.Generator().manual_seed(0)
    attacked = sum(half(network, batch, rng) is not batch for _ in range(40))
    assert 10 <= attacked <= 30  # 20 expected, deviation 3.2


def test_a_run_with_adex_costs_little_more_than_twice(network: Network, batch: Batch) -> None:
    """Passes of the network counted, not seconds: an attacked batch costs 1 to 3 forward and backward passes more."""
    passes = 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    handle = network.encoder.register_forward_hook(count)
    half = adversary(dataclasses.replace(ALWAYS, probability=0.6))
    rng = torch.Generator().manual_seed(3)
    for _ in range(60):
        half(network, batch, rng)
    handle.remove()
    assert passes / 60 <= 1.2
