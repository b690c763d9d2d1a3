"""Every number that is drawn comes from the trial's seed, also where a layer takes no generator."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.vae.test_training import SMALL_FIELDS, numbers, splits, start
from vae import checkpoints
from vae.configuration import Configuration
from vae.randomness import derived_seed, global_generator
from vae.resolution import check_named
from vae.training import fit

DROPOUT = """
from torch import nn

from vae.encoders import OneHiddenLayer


class Dropped(OneHiddenLayer):
    def __init__(self, *given):
        super().__init__(*given)
        self.body.append(nn.Dropout(0.5))
"""


def test_purposes_seeds_and_epochs_have_nothing_in_common() -> None:
    seeds = {derived_seed(s, p, e) for s in range(5) for p in ("order", "noise") for e in range(5)}
    assert len(seeds) == 50
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_global_generator_is_as_it_was_afterwards() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with global_generator(0, "layers", 3):
        first = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with global_generator(0, "layers", 3):
        assert torch.equal(torch.rand(3), first)
    with global_generator(0, "layers", 4):
        assert not torch.equal(torch.rand(3), first)


def test_dropout_is_the_same_resumed_and_whatever_was_drawn_before(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(DROPOUT)
    encoder = check_named("encoder", "nets.py:Dropped", tmp_path)
    fields = SMALL_FIELDS | {"encoder": encoder.value, "digests": {"encoder": encoder.digest}}
    configuration = Configuration(**fields)
    expected = [numbers(m) for m in fit(start(configuration), splits(), 4)]

    torch.rand(7)
    interrupted = start(configuration)
    history = [numbers(m) for m in fit(interrupted, splits(), 2)]
    checkpoints.save(interrupted, tmp_path / "c.pt")
    torch.rand(7)
    resumed = start(configuration)
    checkpoints.load(resumed, tmp_path / "c.pt")
    assert history + [numbers(m) for m in fit(resumed, splits(), 4)] == expected
