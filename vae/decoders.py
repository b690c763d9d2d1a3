"""Decoders: the parameters of p(x | z).

Every class takes `(shape, hidden_dim, latent_dim)`, where shape is `(channels, height, width)`,
and maps codes `(batch, latent_dim)` to logits `(batch, channels, height, width)`. What the
logits mean is the loss's business: it reads them as a distribution of pixels (`losses.py`).
Logits rather than probabilities, so that no cross-entropy ever takes the log of a rounded 0.
Their names in experiment files are in `registry.DECODERS`.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from vae.layers import (
    CONV_CHANNELS,
    RESIDUAL_CHANNELS,
    ResidualBlock,
    Shape,
    halved_sizes,
    hidden_layers,
)


class OneHiddenLayer(nn.Sequential):
    """`mlp1`, the decoder of Kingma & Welling 2014 (appendix C) with ReLU."""

    def __init__(self, shape: Shape, hidden_dim: int, latent_dim: int) -> None:
        super().__init__(
            nn.Linear(latent_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, math.prod(shape)),
            nn.Unflatten(-1, shape),
        )


class ThreeHiddenLayers(nn.Sequential):
    """`mlp3`, the mirror image of the encoder of that name."""

    def __init__(self, shape: Shape, hidden_dim: int, latent_dim: int) -> None:
        super().__init__(
            nn.Linear(latent_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, math.prod(shape)),
            nn.Unflatten(-1, shape),
        )


class MultilayerPerceptron(nn.Sequential):
    """`mlp`: as many hidden layers as `layers` says."""

    def __init__(
        self,
        shape: Shape,
        hidden_dim: int,
        latent_dim: int,
        *,
        layers: int = 1,
        activation: str = "relu",
        bias: str = "random",
    ) -> None:
        """Make the layers.

        Args:
            activation: a name in `registry.ACTIVATIONS`
            bias: where the output's starts: `random`, as torch's layers do, or `data`, at the
                logit of the mean training image (Burda et al. 2016)
        """
        super().__init__(
            *hidden_layers(latent_dim, hidden_dim, layers, activation),
            nn.Linear(hidden_dim, math.prod(shape)),
            nn.Unflatten(-1, shape),
        )
        self.starts_at_mean_image = bias == "data"

    @torch.no_grad()
    def start_at(self, mean_image: Tensor) -> None:
        """Args: mean_image: in [0, 1], `(channels, height, width)`"""
        output = cast(nn.Linear, self[-2])
        # As Burda et al. clip it: a pixel that is never set would start at minus infinity.
        output.bias.copy_(torch.logit(mean_image.flatten(), eps=1e-3))


class ConvDecoder(nn.Sequential):
    """`conv`, the mirror image of the encoder of that name."""

    def __init__(self, shape: Shape, hidden_dim: int, latent_dim: int) -> None:
        channels, *size = shape
        few, many = CONV_CHANNELS
        full, half, smallest = halved_sizes(size)
        super().__init__(
            nn.Linear(latent_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, many * math.prod(smallest)),
            nn.ReLU(),
            nn.Unflatten(-1, (many, *smallest)),
            _doubling(many, few, smallest, half),
            nn.ReLU(),
            _doubling(few, channels, half, full),
        )


class ResidualDecoder(nn.Sequential):
    """`resnet`, the mirror image of the encoder of that name."""

    def __init__(self, shape: Shape, hidden_dim: int, latent_dim: int) -> None:
        channels, *size = shape
        few, many = RESIDUAL_CHANNELS
        full, half, smallest = halved_sizes(size)
        super().__init__(
            nn.Linear(latent_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, many * math.prod(smallest)),
            nn.Unflatten(-1, (many, *smallest)),
            ResidualBlock(many),
            nn.ReLU(),
            _doubling(many, few, smallest, half),
            ResidualBlock(few),
            nn.ReLU(),
            _doubling(few, channels, half, full),
        )


def _doubling(
    n_in: int, n_out: int, small: tuple[int, int], large: tuple[int, int]
) -> nn.ConvTranspose2d:
    """The transposed convolution that leads from `small` back to `large`.

    Halving rounds odd sides up, so the way back needs to be told where it came from.
    """
    output_padding = (large[0] - (2 * small[0] - 1), large[1] - (2 * small[1] - 1))
    return nn.ConvTranspose2d(
        n_in, n_out, kernel_size=3, stride=2, padding=1, output_padding=output_padding
    )
