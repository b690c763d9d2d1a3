"""Pictures of what a model does, as `uint8` arrays `(height, width)` or `(height, width, 3)`."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from vae.model import VAE
from vae.randomness import generator
from vae.transforms import Batches

_PADDING = 2
_SAMPLES_SEED = 0


@torch.inference_mode()
def samples(model: VAE, n_images: int, n_columns: int) -> np.ndarray:
    """Decoded z ~ N(0, I), the same z for every model with that many latent dimensions."""
    device = next(model.parameters()).device
    z = torch.randn(n_images, model.latent_dim, generator=generator(_SAMPLES_SEED, "samples"))
    model.eval()
    return grid(model.decode(z.to(device)), n_columns)


@torch.inference_mode()
def reconstructions(
    model: VAE, images: Batches, n_images: int = 20, n_columns: int = 10
) -> np.ndarray:
    """The first images of a split, each row of originals over a row of reconstructions."""
    device = next(model.parameters()).device
    x = images.batch(torch.arange(min(n_images, len(images)), device=device))
    model.eval()
    rows = [
        strip
        for originals, decoded in zip(
            x.split(n_columns), model.reconstruct(x).split(n_columns), strict=True
        )
        for strip in (originals, decoded)
    ]
    return grid(torch.cat(rows), n_columns)


def grid(images: Tensor, n_columns: int) -> np.ndarray:
    """Lay images `(n, channels, height, width)` in [0, 1] out in rows, with a thin gap between."""
    n, channels, height, width = images.shape
    n_rows = math.ceil(n / n_columns)
    cell_height, cell_width = height + _PADDING, width + _PADDING
    canvas = torch.zeros(
        channels, n_rows * cell_height + _PADDING, n_columns * cell_width + _PADDING
    )
    for i, image in enumerate(images.cpu()):
        top = _PADDING + (i // n_columns) * cell_height
        left = _PADDING + (i % n_columns) * cell_width
        canvas[:, top : top + height, left : left + width] = image
    pixels = (canvas.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return pixels[..., 0] if channels == 1 else pixels
