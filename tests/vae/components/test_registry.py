"""Names in experiment files, and what is said of those that there are not."""

from __future__ import annotations

import importlib
import itertools

import pytest
from torch import nn

from vae.components.registry import (
    ACTIVATIONS,
    GIVES_BITS,
    KINDS,
    LOSSES,
    TRANSFORMS,
    check_loss_fits,
    check_name,
)
from vae.errors import BadInput


@pytest.mark.parametrize("target", [t for table in KINDS.values() for t in table.values()])
def test_every_name_stands_for_something_that_can_be_called(target: str) -> None:
    module, _, attribute = target.partition(":")
    assert callable(getattr(importlib.import_module(module), attribute))


def test_no_two_names_stand_for_the_same() -> None:
    for table in (*KINDS.values(), ACTIVATIONS):
        assert len(set(table.values())) == len(table)
    assert all(issubclass(getattr(nn, name), nn.Module) for name in ACTIVATIONS.values())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cnov", "unknown encoder 'cnov'; did you mean 'conv'? (conv, mlp, mlp1, mlp3, resnet)"),
        ("xyzzy", "unknown encoder 'xyzzy'; (conv, mlp, mlp1, mlp3, resnet)"),
        ("", "unknown encoder ''; (conv, mlp, mlp1, mlp3, resnet)"),
    ],
)
def test_an_unknown_name_is_answered_with_the_closest_and_all(name: str, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        check_name(KINDS["encoder"], name, "encoder")
    assert str(refused.value) == said
    assert check_name(KINDS["encoder"], "conv", "encoder") == "conv"


def test_a_density_of_gray_pixels_fits_no_bits_and_all_else_fits() -> None:
    """The hint can be pasted: it names the combination that is to be dropped."""
    refused = {}
    for loss, transform in itertools.product(LOSSES, TRANSFORMS):
        try:
            check_loss_fits(loss, transform)
        except BadInput as error:
            refused[loss, transform] = str(error)
    assert refused.keys() == {("continuous_bernoulli", transform) for transform in GIVES_BITS}
    for (loss, transform), said in refused.items():
        assert f"exclude: [{{loss: {loss}, transform: {transform}}}]" in said
