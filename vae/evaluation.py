"""How good a model is: the terms of its return, and the yardstick that all models share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vae.distributions import DiagonalNormal
from vae.model import VAE
from vae.randomness import generator
from vae.transforms import Batches

BATCH_SIZE = 500
"""Images evaluated at once. Part of the numbers: another size sums in another order."""

NLL_EPSILON = 1e-4
"""The yardstick reads pixel probabilities as no closer to 0 or 1 than this."""

_NLL_ROWS = 500
"""Codes decoded at once: what fits the processor's cache. Part of the numbers, like BATCH_SIZE."""


@dataclass(frozen=True)
class Terms:
    """Means per image, in nats up to the likelihood's constant.

    Attributes:
        bound: the negative importance-weighted bound, where that is what training minimises
    """

    reconstruction: float
    kl: float
    bound: float | None = None

    @property
    def episodic_return(self) -> float:
        """−(reconstruction + KL): the ELBO, whatever β the training used. Higher is better."""
        return -(self.reconstruction + self.kl)

    def loss(self, beta: float) -> float:
        """What training with this β minimises."""
        if self.bound is not None:
            return self.bound
        return self.reconstruction + beta * self.kl


class Totals:
    """Sums of terms over the batches of a pass; nothing waits for a device before the end."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(1, dtype=torch.float64, device=device)

    def add(self, terms: tuple[Tensor, ...]) -> None:
        """Args: terms: reconstruction, kl and, where there is one, bound, `(batch,)` each"""
        self._sums = self._sums + torch.stack([term.detach().sum() for term in terms])

    def means(self, n_images: int) -> Terms:
        return Terms(*(total / n_images for total in self._sums.tolist()))


@torch.inference_mode()
def evaluate(model: VAE, images: Batches, seed: int) -> Terms:
    """Estimate the return's terms on `images` with one z per image.

    The noise is the same at every call with the same seed, so the epochs of a trial differ by
    their weights alone.
    """
    device = next(model.parameters()).device
    noise_source = generator(seed, "evaluation", device=device)
    bound_source = generator(seed, "bound", device=device)
    model.eval()
    totals = Totals(device)
    for indices in torch.arange(len(images), device=device).split(BATCH_SIZE):
        x = images.batch(indices)
        noise = torch.randn(len(x), model.latent_dim, generator=noise_source, device=device)
        terms: tuple[Tensor, ...] = model.elbo_terms(x, noise)
        if model.importance_samples is not None:
            shape = model.noise_shape(len(x))
            noise = torch.randn(shape, generator=bound_source, device=device)
            terms += (model.importance_terms(x, noise)[-1],)
        totals.add(terms)
    return totals.means(len(images))


@dataclass(frozen=True)
class Estimate:
    """A mean over images.

    Attributes:
        standard_error: of the mean, from the spread between the images
    """

    mean: float
    standard_error: float


def nll(model: VAE, images: Batches, bits: Batches, n_samples: int, seed: int) -> float:
    """The yardstick: an upper bound of −log p(x_b), in nats per image.

    One scale for models of any loss and transform: the likelihood reads the decoder's mean as
    Bernoulli probabilities, clamped to [ε, 1 − ε], of the same bits x_b for every model, while
    the proposal q(z | x) sees the image as the model was trained to see it. Any proposal gives
    a valid bound, tighter the more samples it draws.

    Args:
        images: what the model's transform shows of the test images
        bits: the static binarisation of the same images
        n_samples: K, the importance samples per image

    Source: Burda, Grosse & Salakhutdinov, Importance weighted autoencoders, ICLR 2016, eq. 8.
    """
    return estimate_nll(model, images, bits, n_samples, seed).mean


@torch.inference_mode()
def estimate_nll(
    model: VAE,
    images: Batches,
    bits: Batches,
    n_samples: int,
    seed: int,
    on_images: Callable[[int], None] = lambda n: None,
) -> Estimate:
    """`nll` with its standard error; `on_images` hears of every few images that are done."""
    total, squares, n_images = 0.0, 0.0, len(bits)
    for log_p in nll_chunks(model, images, bits, n_samples, seed):
        total -= log_p.sum().item()
        squares += log_p.double().square().sum().item()
        on_images(len(log_p))
    mean = total / n_images
    variance = max(0.0, squares / n_images - mean**2)
    return Estimate(mean, math.sqrt(variance / max(1, n_images - 1)))


def nll_chunks(
    model: VAE, images: Batches, bits: Batches, n_samples: int, seed: int
) -> Iterator[Tensor]:
    """Lower bounds of log p(x_b), `(a few images,)` at a time, in memory that K does not change."""
    device = next(model.parameters()).device
    source = generator(seed, "nll", device=device)
    model.eval()
    samples_at_once = min(n_samples, _NLL_ROWS)
    images_at_once = max(1, _NLL_ROWS // n_samples)
    for indices in torch.arange(len(bits), device=device).split(images_at_once):
        q_z = model.encoder(images.batch(indices))
        x_b = bits.batch(indices)
        bound = torch.full((len(indices),), -math.inf, device=device)
        for start in range(0, n_samples, samples_at_once):
            k = min(samples_at_once, n_samples - start)
            noise = torch.randn(k, *q_z.mean.shape, generator=source, device=device)
            log_weights = _log_weights(model, q_z, x_b, noise)
            bound = torch.logaddexp(bound, torch.logsumexp(log_weights, dim=0))
        yield bound - math.log(n_samples)


def _log_weights(model: VAE, q_z: DiagonalNormal, x_b: Tensor, noise: Tensor) -> Tensor:
    """log p(x_b, z) − log q(z | x) for z from `noise`: `(k, batch, latent_dim)` to `(k, batch)`."""
    z = q_z.rsample(noise)
    k, n = z.shape[:2]
    logits = model.loss.mean_logits(model.decoder(z.flatten(0, 1)))
    # log σ(l) where the bit is 1, log σ(−l) where it is 0: with l clamped, σ rounds to neither
    # 0 nor 1, and this is a quarter of the time that the general cross-entropy takes.
    signs = (2 * x_b - 1).expand(k, *x_b.shape).flatten(0, 1)
    limit = math.log((1 - NLL_EPSILON) / NLL_EPSILON)
    log_p_pixels = torch.sigmoid(logits.mul(signs).clamp_(-limit, limit)).log_()
    log_p_x_given_z = log_p_pixels.flatten(1).sum(1).view(k, n)
    return log_p_x_given_z + DiagonalNormal.standard_log_prob(z) - q_z.log_prob(z)
