from __future__ import annotations

import pytest
import torch
from torch import nn

from vae.optimizer import AdamW


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 33), nn.ReLU(), nn.Linear(33, 3))


def train(model: nn.Module, optimizer: AdamW | torch.optim.AdamW, n_steps: int) -> None:
    source = torch.Generator().manual_seed(0)
    for _ in range(n_steps):
        optimizer.zero_grad()
        model(torch.randn(7, 5, generator=source)).square().sum().backward()
        optimizer.step()


def test_every_bit_is_that_of_torch_s_own() -> None:
    ours, torchs = network(), network()
    train(ours, AdamW(ours.parameters(), lr=1e-2, weight_decay=0.1), 20)
    own = torch.optim.AdamW(torchs.parameters(), lr=1e-2, weight_decay=0.1, fused=True)
    train(torchs, own, 20)
    for one, other in zip(ours.parameters(), torchs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_going_on_from_a_state_changes_no_bit() -> None:
    undisturbed, resumed = network(), network()
    optimizer = AdamW(undisturbed.parameters(), lr=1e-2, weight_decay=0.1)
    train(undisturbed, optimizer, 3)
    resumed.load_state_dict(undisturbed.state_dict())
    other = AdamW(resumed.parameters(), lr=1e-2, weight_decay=0.1)
    other.load_state_dict(optimizer.state_dict())
    train(undisturbed, optimizer, 3)
    train(resumed, other, 3)
    for one, copy in zip(undisturbed.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, copy)


def test_a_state_of_other_networks_is_refused() -> None:
    small = AdamW(nn.Linear(2, 2).parameters(), lr=1e-2, weight_decay=0.0)
    with pytest.raises((ValueError, RuntimeError)):
        AdamW(network().parameters(), 1e-2, 0.0).load_state_dict(small.state_dict())
