"""How much arithmetic a training cannot do without."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from vae.configuration import Configuration
from vae.layers import Shape
from vae.model import VAE


def training_flops(configuration: Configuration, shape: Shape) -> int:
    """Floating-point operations per image of one training step.

    Every weight is multiplied and added three times at every place where it is used: forward,
    for its own gradient, and for the gradient of the layer's input, which the first layer does
    not need. Biases, activations, losses and the optimiser are not counted.

    Args:
        shape: (channels, height, width)
    """
    products: list[int] = []

    def count(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        products.append(_products(layer, inputs[0], output))

    with torch.device("meta"):
        model = VAE(configuration, shape)
        for layer in model.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                layer.register_forward_hook(count)
        model.elbo_terms(torch.empty(1, *shape), torch.empty(1, configuration.latent_dim))
    return 2 * (3 * sum(products) - products[0])


def _products(layer: Any, x: Tensor, y: Tensor) -> int:
    """Multiplications of one forward pass of one image."""
    weights = layer.weight.numel()
    if isinstance(layer, nn.Linear):
        return weights
    # A convolution uses its weights once for every place of its output, a transposed one for
    # every place of its input.
    places = x.shape[2:] if isinstance(layer, nn.ConvTranspose2d) else y.shape[2:]
    return weights * math.prod(places)
