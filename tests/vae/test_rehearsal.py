"""Components that are as they have to be pass, and nothing is left of the trial.

What does not pass is in `tests/commands/test_bad_components.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vae.components import registry
from vae.components.component import check_component
from vae.configuration import Configuration
from vae.errors import BadInput
from vae.rehearsal import CHECKS, Setting, try_components

NETS = """
import torch
from torch import nn

from vae.distributions import DiagonalNormal


class Frozen(nn.Module):
    def __init__(self, shape, hidden_dim, latent_dim):
        super().__init__()
        self.features = nn.Linear(28 * 28, 5).requires_grad_(False)
        self.heads = nn.Linear(5, 2 * latent_dim)

    def forward(self, x):
        return DiagonalNormal(*self.heads(self.features(x.flatten(1))).chunk(2, -1))


class Counted(Frozen):
    made = 0

    def __init__(self, *given, failing: bool = False):
        if Counted.made:
            raise RuntimeError("made twice")
        Counted.made += 1
        super().__init__(*given)


class Normed(nn.Sequential):
    def __init__(self, shape, hidden_dim, latent_dim):
        super().__init__(
            nn.Linear(latent_dim, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 28 * 28),
            nn.Unflatten(-1, shape),
        )
"""


def using(folder: Path, kind: str, name: str, **fields: object) -> Configuration:
    (folder / "nets.py").write_text(NETS)
    component = check_component(kind, f"nets.py:{name}", folder)
    digests = {kind: component.digest}
    named = {kind: component.value, "dataset": "mnist5k", "latent_dim": 3, **fields}
    return Configuration(digests=digests, **named)


@pytest.mark.parametrize(("kind", "name"), [("encoder", "Frozen"), ("decoder", "Normed")])
def test_good_components_pass(tmp_path: Path, kind: str, name: str) -> None:
    try_components([using(tmp_path, kind, name)])


def test_the_global_random_numbers_are_as_before(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    try_components([using(tmp_path, "decoder", "Normed")])
    assert torch.equal(torch.rand(4), expected)


def test_each_is_tried_once_with_its_sizes(tmp_path: Path) -> None:
    first, again = (using(tmp_path, "encoder", "Counted", lr=lr) for lr in (0.1, 0.01))
    try_components([first, again])
    with pytest.raises(BadInput, match="made twice"):
        try_components([using(tmp_path, "encoder", "Counted", latent_dim=4)])


@pytest.mark.parametrize("kind", CHECKS)
def test_what_ships_is_what_is_asked_of_the_users_own(kind: str) -> None:
    setting = Setting.of(Configuration(dataset="mnist5k", hidden_dim=8, latent_dim=3))
    for name in registry.KINDS[kind]:
        component = check_component(kind, name)
        if kind == "transform":
            setting = Setting.of(Configuration(dataset="mnist5k", transform=name))
        CHECKS[kind](component, setting)


def test_every_kind_but_data_is_tried() -> None:
    """Data sets are called when their digest is computed."""
    assert CHECKS.keys() == registry.KINDS.keys() - {"dataset"}
