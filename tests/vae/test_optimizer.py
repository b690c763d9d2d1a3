from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import nn

from vae import optimizer as module
from vae.optimizer import FusedAdam, Optimizer, adam, adamw, fused_kernel, set_learning_rate, sgd

OPTIONS: dict[str, Any] = {"betas": (0.8, 0.99), "eps": 1e-4}

ADAMS = [
    (adamw, torch.optim.AdamW, "_fused_adamw_"),
    (adam, torch.optim.Adam, "_fused_adam_"),
]
both_adams = pytest.mark.parametrize(("ours", "torchs", "kernel"), ADAMS, ids=["adamw", "adam"])


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 33), nn.ReLU(), nn.Linear(33, 3))


def train(model: nn.Module, optimizer: Optimizer, n_steps: int, rates: bool = False) -> None:
    source = torch.Generator().manual_seed(0)
    for step in range(n_steps):
        if rates:
            set_learning_rate(optimizer, 0.1 / (1 + step))
        optimizer.zero_grad()
        model(torch.randn(7, 5, generator=source)).square().sum().backward()
        optimizer.step()


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@both_adams
@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["defaults", "options"])
@pytest.mark.parametrize("rates", [False, True], ids=["constant", "moving"])
def test_every_bit_is_that_of_torch_s_own(
    ours: Callable[..., Optimizer],
    torchs: Callable[..., Any],
    kernel: str,
    options: dict[str, Any],
    rates: bool,
) -> None:
    mine, theirs = network(), network()
    optimizer = ours(mine.parameters(), 1e-2, 0.1, **options)
    assert isinstance(optimizer, FusedAdam), "this torch has another kernel: see fused_kernel"
    train(mine, optimizer, 20, rates)
    own = torchs(theirs.parameters(), lr=1e-2, weight_decay=0.1, fused=True, **options)
    train(theirs, own, 20, rates)
    assert same(mine, theirs)


@both_adams
def test_a_torch_without_the_private_kernel_gives_the_same_bits_by_its_public_class(
    ours: Callable[..., Optimizer],
    torchs: type,
    kernel: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    private, public = network(), network()
    train(private, ours(private.parameters(), 1e-2, 0.1, **OPTIONS), 5)
    monkeypatch.setattr(module, "fused_kernel", lambda name: None)
    optimizer = ours(public.parameters(), 1e-2, 0.1, **OPTIONS)
    assert isinstance(optimizer, torchs)
    train(public, optimizer, 5)
    assert same(private, public)


def test_a_kernel_that_is_not_there_or_is_another_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert fused_kernel("_fused_no_such_") is None

    def takes_other_arguments(parameters: list[torch.Tensor], *, learning_rate: float) -> None: ...

    def does_nothing(*lists: Any, **settings: Any) -> None: ...

    for name, kernel in (("_one_", takes_other_arguments), ("_other_", does_nothing)):
        monkeypatch.setattr(torch, name, kernel, raising=False)
        assert fused_kernel(name) is None


@both_adams
def test_parameters_without_a_gradient_stay_and_their_steps_are_not_counted(
    ours: Callable[..., Optimizer], torchs: Callable[..., Any], kernel: str
) -> None:
    """Frozen in some steps, so that a count of its own matters; as torch's own does it."""
    mine, theirs = network(), network()
    optimizers = (
        (mine, ours(mine.parameters(), 1e-2, 0.1)),
        (theirs, torchs(theirs.parameters(), lr=1e-2, weight_decay=0.1, fused=True)),
    )
    for model, optimizer in optimizers:
        for frozen in (False, True, False, True, True, False):
            first = cast(nn.Linear, model[0])
            first.requires_grad_(not frozen)
            before = first.weight.clone()
            train(model, optimizer, 1)
            assert torch.equal(first.weight, before) == frozen
    assert same(mine, theirs)


def test_a_step_without_any_gradient_moves_nothing() -> None:
    model = network()
    before = [p.clone() for p in model.parameters()]
    adamw(model.parameters(), 1e-2, 0.1).step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before, strict=True))


def test_sgd_is_torch_s_own() -> None:
    mine, theirs = network(), network()
    train(mine, sgd(mine.parameters(), 1e-3, 0.1, momentum=0.9, nesterov=True), 10)
    own = torch.optim.SGD(
        theirs.parameters(), lr=1e-3, weight_decay=0.1, momentum=0.9, nesterov=True
    )
    train(theirs, own, 10)
    for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("make", [adamw, adam, sgd])
def test_going_on_from_a_state_changes_no_bit(make: Callable[..., Optimizer]) -> None:
    undisturbed, resumed = network(), network()
    optimizer = make(undisturbed.parameters(), 1e-2, 0.1)
    train(undisturbed, optimizer, 3)
    resumed.load_state_dict(undisturbed.state_dict())
    other = make(resumed.parameters(), 1e-2, 0.1)
    other.load_state_dict(optimizer.state_dict())
    train(undisturbed, optimizer, 3)
    train(resumed, other, 3)
    assert same(undisturbed, resumed)


def test_a_state_of_other_networks_is_refused() -> None:
    small = adamw(nn.Linear(2, 2).parameters(), 1e-2, 0.0)
    with pytest.raises((ValueError, RuntimeError)):
        adamw(network().parameters(), 1e-2, 0.0).load_state_dict(small.state_dict())
