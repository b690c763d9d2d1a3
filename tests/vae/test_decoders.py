"""Decoders: logits of an image from a code."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vae.components import registry
from vae.components.component import check_component
from vae.decoders import MultilayerPerceptron
from vae.layers import Shape


def decoder(name: str, shape: Shape, **options: object) -> nn.Module:
    torch.manual_seed(0)
    made = check_component("decoder", name).with_options(options).make(shape, 16, 3)
    assert isinstance(made, nn.Module)
    return made


def codes(n: int = 5) -> torch.Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(1))


@settings(max_examples=25)
@given(
    st.sampled_from(["conv", "resnet"]),
    st.tuples(st.integers(1, 3), st.integers(1, 13), st.integers(1, 13)),
)
def test_the_way_back_from_halved_sides_leads_to_every_size(name: str, shape: Shape) -> None:
    """Odd sides are rounded when they are halved; those of one pixel stay as they are."""
    assert decoder(name, shape)(codes(2)).shape == (2, *shape)


@pytest.mark.parametrize("name", registry.DECODERS)
def test_an_image_is_of_its_own_code_and_no_other(name: str) -> None:
    model, z = decoder(name, (2, 5, 6)), codes()
    together = model(z)
    torch.testing.assert_close(together, torch.cat([model(z[i : i + 1]) for i in range(len(z))]))
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("name", registry.DECODERS)
def test_logits_may_be_of_any_sign(name: str) -> None:
    """No activation comes last: else no pixel could be darker than gray."""
    logits = decoder(name, (1, 8, 8))(100 * codes(50))
    assert (logits < 0).any() and (logits > 0).any()


def test_the_output_starts_at_the_mean_image_also_where_a_pixel_is_never_set() -> None:
    mean = torch.tensor([0.0, 0.25, 0.5, 1.0]).reshape(1, 2, 2)
    model = MultilayerPerceptron((1, 2, 2), 4, 3, bias="data")
    assert model.starts_at_mean_image
    assert not MultilayerPerceptron((1, 2, 2), 4, 3).starts_at_mean_image
    model.start_at(mean)
    output = model[-2]
    assert isinstance(output, nn.Linear)
    nn.init.zeros_(output.weight)
    started = torch.sigmoid(model(codes()))
    torch.testing.assert_close(started, mean.clamp(1e-3, 1 - 1e-3).expand(5, 1, 2, 2))
    assert output.bias.requires_grad, "it is trained like any other"


@pytest.mark.parametrize(("layers", "name"), [(1, "mlp1"), (3, "mlp3")])
def test_mlp_of_that_depth_is_the_decoder_of_that_name(layers: int, name: str) -> None:
    shape: Shape = (1, 4, 3)
    named, asked_for = decoder(name, shape), decoder("mlp", shape, layers=layers)
    assert torch.equal(named(codes()), asked_for(codes()))
