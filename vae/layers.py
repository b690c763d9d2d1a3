"""What encoders and their mirror images, the decoders, agree on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from vae.components.registry import ACTIVATIONS, check_name

Shape = tuple[int, int, int]
"""(channels, height, width)"""

CONV_CHANNELS = (32, 64)
RESIDUAL_CHANNELS = (16, 32)
"""Half as many: a block is two more convolutions, and a step takes a tenth more than `conv`'s."""


def hidden_layers(n_in: int, n_hidden: int, n_layers: int, activation: str) -> list[nn.Module]:
    """Linear layers from `n_in` to `n_hidden` units, an activation (by its name) after each.

    Raises:
        BadInput: for a name that is not in `registry.ACTIVATIONS`.
    """
    make = getattr(nn, ACTIVATIONS[check_name(ACTIVATIONS, activation, "activation")])
    sizes = [n_in, *[n_hidden] * n_layers]
    pairs = itertools.pairwise(sizes)
    return [module for a, b in pairs for module in (nn.Linear(a, b), make())]


class ResidualBlock(nn.Module):
    """x + f(x), where f is two convolutions that keep the shape, each after its ReLU.

    Without batch normalisation: what a model makes of an image must not depend on the others.

    Source: He et al., Identity mappings in deep residual networks, ECCV 2016, figure 1 (b).
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(n_channels, n_channels, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(n_channels, n_channels, kernel_size=3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def halved_sizes(size: Sequence[int]) -> list[tuple[int, int]]:
    """(height, width) before and after each convolution of stride 2, kernel 3, padding 1."""
    height, width = size
    sizes = [(height, width)]
    for _ in CONV_CHANNELS:
        height, width = (height + 1) // 2, (width + 1) // 2
        sizes.append((height, width))
    return sizes
