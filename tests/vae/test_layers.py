"""What encoders and decoders agree on."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vae.components import registry
from vae.errors import BadInput
from vae.layers import ResidualBlock, halved_sizes, hidden_layers


@given(st.integers(1, 40), st.integers(1, 40))
def test_sizes_are_those_that_the_convolutions_give(height: int, width: int) -> None:
    halve = nn.Conv2d(1, 1, kernel_size=3, stride=2, padding=1)
    images = [torch.zeros(1, 1, height, width)]
    while len(images) < 3:
        images.append(halve(images[-1]))
    assert halved_sizes((height, width)) == [tuple(image.shape[2:]) for image in images]


def test_a_residual_block_is_what_comes_in_plus_what_it_learned() -> None:
    block = ResidualBlock(3)
    x = torch.randn(2, 3, 5, 1, generator=torch.Generator().manual_seed(0))
    assert block(x).shape == x.shape
    assert not torch.equal(block(x), x)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(block(x), x), "negative values, too: no activation after the sum"


@pytest.mark.parametrize("activation", registry.ACTIVATIONS)
def test_every_activation_by_its_name(activation: str) -> None:
    layers = hidden_layers(7, 4, 2, activation)
    assert nn.Sequential(*layers)(torch.ones(3, 7)).shape == (3, 4)
    assert len(layers) == 4
    squeeze = layers[1]
    assert not torch.equal(squeeze(torch.tensor([-2.0])), torch.tensor([-2.0]))
    assert layers[1] is not layers[3]


def test_an_activation_that_there_is_not() -> None:
    with pytest.raises(BadInput, match="unknown activation 'gleu'; did you mean 'gelu'"):
        hidden_layers(7, 4, 2, "gleu")
