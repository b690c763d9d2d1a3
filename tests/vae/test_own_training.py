"""The user's own objective, schedule and optimizer: tried before a sweep, and trained with."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.vae.test_training import numbers, small, splits, start
from vae.configuration import Configuration
from vae.errors import BadInput
from vae.rehearsal import try_components
from vae.resolution import check_named
from vae.training import fit

OWN = '''
import torch
from vae.objectives import Elbo

class TwiceTheKL:
    """The ELBO with β twice as large, written anew."""
    def __init__(self, *, times: float = 2.0):
        self.times = times
    def noise_shape(self, n_images, latent_dim):
        return n_images, latent_dim
    def terms(self, model, x, noise, beta):
        reconstruction, kl = model.elbo_terms(x, noise)
        return reconstruction, kl, reconstruction + self.times * beta * kl

def halves(progress, *, after: float = 0.5):
    return 0.5 if progress >= after else 1.0

class Momentum(torch.optim.SGD):
    def __init__(self, parameters, lr, weight_decay, *, momentum: float = 0.9):
        super().__init__(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)

class NoTerms:
    def noise_shape(self, n_images, latent_dim):
        return n_images, latent_dim

class Summed(TwiceTheKL):
    def terms(self, model, x, noise, beta):
        return tuple(term.sum() for term in model.elbo_terms(x, noise))

class Blind(TwiceTheKL):
    def terms(self, model, x, noise, beta):
        return tuple(term.detach() for term in model.elbo_terms(x, noise))

def negative(progress):
    return progress - 0.5

def explodes(parameters, lr, weight_decay):
    return torch.optim.SGD(parameters, lr=float("inf"))

def none(parameters, lr, weight_decay):
    return None
'''


def own(folder: Path, names: dict[str, str], **fields: Any) -> Configuration:
    """A small configuration with components out of a file in `folder`."""
    (folder / "own.py").write_text(textwrap.dedent(OWN))
    components = {kind: check_named(kind, f"own.py:{name}", folder) for kind, name in names.items()}
    values = {kind: component.value for kind, component in components.items()}
    digests = {kind: component.digest for kind, component in components.items()}
    return small(**values, digests=digests, **fields)


def test_a_third_objective_is_one_class(tmp_path: Path) -> None:
    configuration = own(tmp_path, {"objective": "TwiceTheKL"}, beta=1.5)
    try_components([configuration])
    mine, theirs = (list(fit(start(c), splits(), 4)) for c in (configuration, small(beta=3.0)))
    kls = [[m.train.kl for m in history] for history in (mine, theirs)]
    assert kls[0] == pytest.approx(kls[1], rel=1e-4)
    assert mine[-1].train.loss(1.5) == pytest.approx(theirs[-1].train.loss(3.0), rel=1e-5)
    assert mine[-1].val.loss(1.5) > mine[-1].val.reconstruction + 1.5 * mine[-1].val.kl


def test_a_schedule_and_an_optimizer_of_one_s_own(tmp_path: Path) -> None:
    names = {"lr_schedule": "halves", "optimizer": "Momentum"}
    configuration = own(tmp_path, names, lr=1e-4, lr_schedule__after=0.75, loss="bce")
    try_components([configuration])
    history = list(fit(start(configuration), splits(), 4))
    assert [m.scheduled["lr"] for m in history] == [1e-4, 1e-4, 1e-4, 0.5e-4]
    again = list(fit(start(configuration), splits(), 4))
    assert [numbers(m) for m in history] == [numbers(m) for m in again]


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("objective", "NoTerms", "has no method 'terms'"),
        ("objective", "Summed", "gives a reconstruction of shape (), and should be (4,)"),
        ("objective", "Blind", "without a gradient"),
        ("lr_schedule", "negative", "gives -0.5 after 0 of 10 epochs"),
        ("beta_schedule", "negative", "gives -0.5 after 0 of 10 epochs"),
        ("optimizer", "explodes", "NaN or infinite in one step"),
        ("optimizer", "none", "has no 'param_groups'"),
    ],
)
def test_what_cannot_train_is_told_with_its_place(
    tmp_path: Path, kind: str, name: str, told: str
) -> None:
    with pytest.raises(BadInput) as caught:
        try_components([own(tmp_path, {kind: name})])
    assert "own.py" in str(caught.value)
    assert f"{name} " in str(caught.value)
    assert told in str(caught.value)


def test_free_bits_are_of_the_elbo_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="free_bits belongs to objective 'elbo'"):
        own(tmp_path, {"objective": "TwiceTheKL"}, free_bits=0.1)
