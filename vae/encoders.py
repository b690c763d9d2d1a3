"""Encoders: q(z | x).

Every class takes `(shape, hidden_dim, latent_dim)`, where shape is `(channels, height, width)`,
and maps images `(batch, channels, height, width)` in [0, 1] to a `DiagonalNormal` over codes.
Their names in experiment files are in `registry.ENCODERS`.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from vae.distributions import DiagonalNormal
from vae.layers import (
    CONV_CHANNELS,
    RESIDUAL_CHANNELS,
    ResidualBlock,
    Shape,
    halved_sizes,
    hidden_layers,
)


class Encoder(nn.Module):
    """A body that ends in `n_features`, and one linear layer for both heads.

    One layer of twice the width initialises and computes exactly what two layers side by side
    do, in one matrix product.
    """

    def __init__(self, body: nn.Module, n_features: int, latent_dim: int) -> None:
        super().__init__()
        self.body = body
        self.heads = nn.Linear(n_features, 2 * latent_dim)

    def forward(self, x: Tensor) -> DiagonalNormal:
        mean, log_var = self.heads(self.body(x)).chunk(2, dim=-1)
        return DiagonalNormal(mean, log_var)


class OneHiddenLayer(Encoder):
    """`mlp1`, the encoder of Kingma & Welling 2014 (appendix C) with ReLU."""

    def __init__(self, shape: Shape, hidden_dim: int, latent_dim: int) -> None:
        body = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(shape), hidden_dim),
            nn.ReLU(),
        )
        super().__init__(body, hidden_dim, latent_dim)


class ThreeHiddenLayers(Encoder):
    """`mlp3`, the reference's default encoder."""

    def __init__(self, shape: Shape, hidden_dim: int, latent_dim: int) -> None:
        body = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(shape), hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.ReLU(),
        )
        super().__init__(body, hidden_dim, latent_dim)


class MultilayerPerceptron(Encoder):
    """`mlp`: as many hidden layers as `layers` says."""

    def __init__(
        self,
        shape: Shape,
        hidden_dim: int,
        latent_dim: int,
        *,
        layers: int = 1,
        activation: str = "relu",
    ) -> None:
        """Args: activation: a name in `registry.ACTIVATIONS`"""
        hidden = hidden_layers(math.prod(shape), hidden_dim, layers, activation)
        super().__init__(nn.Sequential(nn.Flatten(), *hidden), hidden_dim, latent_dim)


class ConvEncoder(Encoder):
    """`conv`: two strided convolutions, each of which halves the image, and a hidden layer."""

    def __init__(self, shape: Shape, hidden_dim: int, latent_dim: int) -> None:
        channels, *size = shape
        few, many = CONV_CHANNELS
        smallest = halved_sizes(size)[-1]
        body = nn.Sequential(
            nn.Conv2d(channels, few, kernel_size=3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(few, many, kernel_size=3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(many * math.prod(smallest), hidden_dim),
            nn.ReLU(),
        )
        super().__init__(body, hidden_dim, latent_dim)


class ResidualEncoder(Encoder):
    """`resnet`: as `conv`, with a residual block after each of the two convolutions.

    Source: He et al., Identity mappings in deep residual networks, ECCV 2016.
    """

    def __init__(self, shape: Shape, hidden_dim: int, latent_dim: int) -> None:
        channels, *size = shape
        few, many = RESIDUAL_CHANNELS
        smallest = halved_sizes(size)[-1]
        body = nn.Sequential(
            nn.Conv2d(channels, few, kernel_size=3, stride=2, padding=1),
            ResidualBlock(few),
            nn.ReLU(),
            nn.Conv2d(few, many, kernel_size=3, stride=2, padding=1),
            ResidualBlock(many),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(many * math.prod(smallest), hidden_dim),
            nn.ReLU(),
        )
        super().__init__(body, hidden_dim, latent_dim)
