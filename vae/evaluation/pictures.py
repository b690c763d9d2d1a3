"""Pictures of what a model does, as `uint8` arrays `(height, width)` or `(height, width, 3)`."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from vae.distributions import DiagonalNormal
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


@torch.inference_mode()
def interpolations(model: VAE, starts: Tensor, ends: Tensor, n_steps: int = 10) -> np.ndarray:
    """A row a pair: the first image, what lies between the two codes, the second image.

    Args:
        starts, ends: images in [0, 1], `(pairs, channels, height, width)`
        n_steps: decoded codes on the straight line between the means of q(z | x), both included
    """
    model.eval()
    first, last = model.encoder(starts).mean, model.encoder(ends).mean
    weights = torch.linspace(0, 1, n_steps, device=first.device)[:, None]
    rows = [
        torch.cat([starts[i : i + 1], model.decode(torch.lerp(a, b, weights)), ends[i : i + 1]])
        for i, (a, b) in enumerate(zip(first, last, strict=True))
    ]
    return grid(torch.cat(rows), n_steps + 2)


@torch.inference_mode()
def traversals(model: VAE, x: Tensor, latents: Tensor, values: Tensor) -> np.ndarray:
    """A row a latent dimension: the code of `x` with that dimension set to each of `values`.

    Args:
        x: one image, `(1, channels, height, width)`
        latents: `(rows,)`, which dimensions
        values: `(columns,)`, in units of the prior's standard deviation
    """
    model.eval()
    codes = model.encoder(x).mean.repeat(len(latents) * len(values), 1)
    rows = torch.arange(len(codes), device=codes.device)
    codes[rows, latents.repeat_interleave(len(values))] = values.repeat(len(latents))
    return grid(model.decode(codes), len(values))


@torch.inference_mode()
def most_used_latents(model: VAE, x: Tensor, n: int) -> Tensor:
    """The `n` dimensions with the largest mean KL to the prior on images `x`, largest first."""
    q_z: DiagonalNormal = model.eval().encoder(x)
    kl = q_z.mean.square() + q_z.log_var.exp() - q_z.log_var - 1
    return kl.mean(0).topk(min(n, model.latent_dim)).indices


@torch.inference_mode()
def manifold(model: VAE, n_steps: int = 20) -> np.ndarray:
    """Decoded codes of two latent dimensions, at equal steps of the prior's probability.

    Source: Kingma & Welling 2014, figure 4 (b).
    """
    device = next(model.parameters()).device
    steps = torch.special.ndtri(torch.linspace(0.02, 0.98, n_steps, device=device))
    across, down = torch.meshgrid(steps, steps.flip(0), indexing="xy")
    model.eval()
    return grid(model.decode(torch.stack([across, down], dim=-1).view(-1, 2)), n_steps)


@torch.inference_mode()
def posterior_means(model: VAE, images: Batches) -> np.ndarray:
    """The mean of q(z | x) of every image, `(n, latent_dim)`."""
    device = next(model.parameters()).device
    model.eval()
    batches = torch.arange(len(images), device=device).split(500)
    return torch.cat([model.encoder(images.batch(i)).mean for i in batches]).cpu().numpy()


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
