"""Whether the latent space is used: what q(z | x) makes of a set of images.

The images are those of the test set, the model is the kept one; everything comes from one pass of
the encoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vae.distributions import DiagonalNormal
from vae.model import VAE
from vae.randomness import generator
from vae.transforms import Batches

ACTIVE_ABOVE = 0.01
"""The variance from which a latent dimension counts as active. Source: Burda et al. 2016."""

_BATCH = 500
"""Images encoded at once. Part of the numbers."""

_CODES = 500
"""Images whose codes the mutual information is averaged over. Part of the numbers."""

_LOWEST_LOG_VAR = -300.0
"""Of a mixture's components, so that 1 / variance is a number; far below any code's rounding."""


@dataclass(frozen=True)
class LatentUse:
    """How much of the latent space a model uses.

    Attributes:
        active_units: latent dimensions whose posterior mean varies between images
        mutual_information: between image and code, in nats
        kl: per latent dimension, the mean over images of KL(q(z_j | x) || N(0, 1)) in nats
    """

    active_units: int
    mutual_information: float
    kl: tuple[float, ...]


@torch.inference_mode()
def latent_use(model: VAE, images: Batches, seed: int) -> LatentUse:
    """The diagnostics of `model` on `images`.

    Args:
        seed: of the codes that the mutual information is estimated from
    """
    q_z = posteriors(model, images)
    n_codes = min(_CODES, len(images))
    noise = torch.randn(n_codes, model.latent_dim, generator=generator(seed, "codes"))
    return LatentUse(
        active_units=active_units(q_z),
        mutual_information=mutual_information(q_z, noise.to(q_z.mean.device)),
        kl=tuple(q_z.kl_per_dimension().double().mean(dim=0).tolist()),
    )


@torch.inference_mode()
def posteriors(model: VAE, images: Batches) -> DiagonalNormal:
    """q(z | x) of every image: mean and log-variance `(n, latent_dim)`."""
    device = next(model.parameters()).device
    model.eval()
    batches = torch.arange(len(images), device=device).split(_BATCH)
    found = [model.encoder(images.batch(indices)) for indices in batches]
    means, log_vars = [q.mean for q in found], [q.log_var for q in found]
    return DiagonalNormal(torch.cat(means), torch.cat(log_vars))


def active_units(q_z: DiagonalNormal) -> int:
    """How many latent dimensions have a posterior mean that varies between images.

    The variance is that over images (divided by n) of the mean of q(z_j | x), not of its samples;
    a dimension is active above 0.01.

    Source: Burda, Grosse & Salakhutdinov, Importance weighted autoencoders, ICLR 2016, section 5.2.
    """
    variance = q_z.mean.double().var(dim=0, correction=0)
    return int((variance > ACTIVE_ABOVE).sum())


def mutual_information(q_z: DiagonalNormal, noise: Tensor) -> float:
    """I(x; z) in nats under q, with the N images of `q_z` for the distribution of x.

    It is the part of the KL that tells images apart: mean KL(q(z | x) || p(z)) less
    KL(q(z) || p(z)), where q(z) is the mixture of all N posteriors. Estimated as the mean over the
    first images of log q(z | x) − log q(z), with one code each and the whole mixture: unbiased for
    these N images. As a number about images in general it is biased downwards, and never more
    than log N (9.2 for 10,000): a model whose codes tell all N apart shows log N.

    Args:
        noise: standard normal, `(n, latent_dim)`, for the codes of the first n images

    Source: Hoffman & Johnson, ELBO surgery, NeurIPS workshop on advances in approximate Bayesian
    inference, 2016, equation 12.
    """
    noise = noise.double()
    n, n_images = len(noise), len(q_z.mean)
    # In double precision: the squares below are of numbers that differ in their last digits.
    mixture = DiagonalNormal(q_z.mean.double(), q_z.log_var.double().clamp(min=_LOWEST_LOG_VAR))
    own = DiagonalNormal(mixture.mean[:n], mixture.log_var[:n])
    log_own = own.log_prob_of_noise(noise)
    log_each = _log_prob_of_all(mixture, own.rsample(noise))
    # That of its own component is known without rounding.
    log_each[torch.arange(n), torch.arange(n)] = log_own
    log_mixture = torch.logsumexp(log_each, dim=1) - math.log(n_images)
    return float((log_own - log_mixture).mean())


def _log_prob_of_all(components: DiagonalNormal, z: Tensor) -> Tensor:
    """log density of codes `(n, latent_dim)` under each of N components: `(n, N)`.

    Σ (z − mean)² / variance, multiplied out, is two matrix products: `(n, N, latent_dim)` numbers
    are never made.
    """
    precision = torch.exp(-components.log_var)
    weighted = components.mean * precision
    constant = (components.mean * weighted + components.log_var).sum(dim=1)
    squared = z.square() @ precision.T - 2 * z @ weighted.T
    n_dims = z.shape[1]
    return -0.5 * (squared + constant + n_dims * math.log(2 * math.pi))
