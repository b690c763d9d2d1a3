"""The yardstick that all models share: an upper bound of −log p of the same pixels, in nats.

Which likelihood reads the decoder's mean is a property of the data set: Bernoulli pixels score
static bits, discretised pixels score the 8-bit values of photographs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vae.distributions import DiagonalNormal
from vae.errors import Diverged
from vae.model import VAE
from vae.randomness import generator
from vae.splits import Splits
from vae.transforms import Batches

NLL_EPSILON = 1e-4
"""Bernoulli pixels read probabilities as no closer to 0 or 1 than this."""

BIN = 1 / 255
"""The width of an 8-bit value's bin, as a share of the range from black to white."""

_NLL_ROWS = 500
"""Codes decoded at once: what fits the processor's cache. Part of the numbers."""

_SIGMA_ROWS = 500
"""Images at once where σ is measured. Part of the numbers, too."""

_FAR = 8.5
"""In √2 σ: from here on a tail's mass is taken from its asymptotic series; float32 ends at 9.2."""


class Likelihood(Protocol):
    """How the mean that a decoder gives is read as a distribution of pixels."""

    def log_prob(self, model: VAE, codes: Tensor, pixels: Tensor) -> Tensor:
        """log p(x | z) in nats, `(k, batch)`.

        Args:
            codes: `(k, batch, latent_dim)`
            pixels: x, `(batch, channels, height, width)`
        """


@dataclass(frozen=True)
class Bernoulli:
    """Pixels are bits whose probability is the mean, clamped to [ε, 1 − ε]."""

    def log_prob(self, model: VAE, codes: Tensor, pixels: Tensor) -> Tensor:
        k, n = codes.shape[:2]
        logits = model.loss.mean_logits(model.decoder(codes.flatten(0, 1)))
        # log σ(l) where the bit is 1, log σ(−l) where it is 0: with l clamped, σ rounds to
        # neither 0 nor 1, and this is a quarter of the time the general cross-entropy takes.
        signs = (2 * pixels - 1).expand(k, *pixels.shape).flatten(0, 1)
        limit = math.log((1 - NLL_EPSILON) / NLL_EPSILON)
        log_p_pixels = torch.sigmoid(logits.mul(signs).clamp_(-limit, limit)).log_()
        return log_p_pixels.flatten(1).sum(1).view(k, n)


@dataclass(frozen=True)
class Discretised:
    """Pixels are 8-bit values; each has the mass of N(mean, σ²) in its bin.

    The bins are 1/255 wide around 0, 1/255, …, 1, and the outer two have the tails.

    Attributes:
        sigma: one for all pixels of a model
    """

    sigma: float

    def log_prob(self, model: VAE, codes: Tensor, pixels: Tensor) -> Tensor:
        mean = model.decode(codes.flatten(0, 1)).clamp_(0, 1)
        mean = mean.view(*codes.shape[:2], *pixels.shape[1:])
        return self.log_mass(mean, pixels).flatten(2).sum(2)

    def log_mass(self, mean: Tensor, x: Tensor) -> Tensor:
        """log P(x) of each pixel.

        Args:
            mean: in [0, 1]
            x: whole 255ths in [0, 1], of a shape that broadcasts to that of `mean`
        """
        # In units of √2 σ, as erfc takes them; on the side of the mean where differences of
        # tails do not cancel. No mean is beyond black or white, so an outer bin goes from its
        # inner edge away from the mean.
        unit = 1 / (math.sqrt(2) * self.sigma)
        distance = (mean - x).abs_().mul_(unit)
        near = distance - BIN / 2 * unit
        far = distance.add_(BIN / 2 * unit).masked_fill_((x <= 0) | (x >= 1), math.inf)
        log_mass = (torch.erfc(near) - torch.erfc(far)).mul_(0.5).log_()
        if near.numel() and near.max() > _FAR:
            beyond = near > _FAR
            scale = math.sqrt(2)
            log_mass[beyond] = _log_tail_difference(near[beyond] * scale, far[beyond] * scale)
        return log_mass


def _log_tail_difference(near: Tensor, far: Tensor) -> Tensor:
    """log(Q(near) − Q(far)) for Q = 1 − Φ and near ≥ 12."""
    log_near = _log_tail(near)
    return log_near + torch.log1p(-torch.exp(_log_tail(far) - log_near))


def _log_tail(t: Tensor) -> Tensor:
    """log(1 − Φ(t)) for t ≥ 12, to 1e-5. Source: Abramowitz & Stegun 1964, 26.2.12."""
    inverse = t.square().reciprocal()
    series = torch.log1p(-inverse * (1 - 3 * inverse))
    return -0.5 * t.square() - torch.log(t) - 0.5 * math.log(2 * math.pi) + series


@torch.inference_mode()
def likelihood(kind: str, model: VAE, images: Batches, pixels: Batches, seed: int) -> Likelihood:
    """How the yardstick `kind`, "bernoulli" or "discretised", reads this model's mean.

    Args:
        images: what the model's transform shows of the validation images
        pixels: the 8-bit values of the same images, over 255

    Raises:
        Diverged: when the model's squared error is not finite.
    """
    if kind == "bernoulli":
        return Bernoulli()
    device = next(model.parameters()).device
    source = generator(seed, "sigma", device=device)
    total = torch.zeros((), dtype=torch.float64, device=device)
    model.eval()
    for indices in torch.arange(len(pixels), device=device).split(_SIGMA_ROWS):
        q_z = model.encoder(images.batch(indices))
        noise = torch.randn(q_z.mean.shape, generator=source, device=device)
        mean = model.decode(q_z.rsample(noise)).clamp_(0, 1)
        total += (mean - pixels.batch(indices)).square().sum()
    mean_squared_error = total.item() / (len(pixels) * math.prod(pixels.shape))
    if not math.isfinite(mean_squared_error):
        raise Diverged("the squared error on the validation images is not finite")
    return Discretised(max(math.sqrt(mean_squared_error), _LOWEST_SIGMA))


_LOWEST_SIGMA = 1e-6
"""Far below a bin: the mass of a pixel that is met exactly is 1 from a tenth of a bin on."""


@dataclass(frozen=True)
class Estimate:
    """A mean over images.

    Attributes:
        standard_error: of the mean, from the spread between the images
    """

    mean: float
    standard_error: float


def nll(
    model: VAE, images: Batches, pixels: Batches, how: Likelihood, n_samples: int, seed: int
) -> float:
    """The yardstick: an upper bound of −log p(x), in nats per image.

    One scale for models of any loss and transform: the likelihood is of the same pixels x for
    every model, while the proposal q(z | x) sees the image as the model was trained to see it.
    Any proposal gives a valid bound, tighter the more samples it draws.

    Args:
        images: what the model's transform shows of the images
        pixels: the bits or values of the same images that are scored; the first ones suffice
        n_samples: K, the importance samples per image

    Raises:
        Diverged: when it is not finite.

    Source: Burda, Grosse & Salakhutdinov, Importance weighted autoencoders, ICLR 2016, eq. 8.
    """
    return estimate_nll(model, images, pixels, how, n_samples, seed).mean


@torch.inference_mode()
def estimate_nll(
    model: VAE,
    images: Batches,
    pixels: Batches,
    how: Likelihood,
    n_samples: int,
    seed: int,
    on_images: Callable[[int], None] = lambda n: None,
) -> Estimate:
    """`nll` with its standard error; `on_images` is told of every few images that are done."""
    total, squares, n_images = 0.0, 0.0, len(pixels)
    for log_p in nll_chunks(model, images, pixels, how, n_samples, seed):
        total -= log_p.sum().item()
        squares += log_p.double().square().sum().item()
        on_images(len(log_p))
    mean = total / n_images
    if not math.isfinite(mean):
        raise Diverged("the bound of −log p(x) is not finite")
    variance = max(0.0, squares / n_images - mean**2)
    return Estimate(mean, math.sqrt(variance / max(1, n_images - 1)))


def nll_chunks(
    model: VAE, images: Batches, pixels: Batches, how: Likelihood, n_samples: int, seed: int
) -> Iterator[Tensor]:
    """Lower bounds of log p(x), `(a few images,)` at a time, in memory that K does not change."""
    device = next(model.parameters()).device
    source = generator(seed, "nll", device=device)
    model.eval()
    samples_at_once = min(n_samples, _NLL_ROWS)
    images_at_once = max(1, _NLL_ROWS // n_samples)
    for indices in torch.arange(len(pixels), device=device).split(images_at_once):
        q_z = model.encoder(images.batch(indices))
        x = pixels.batch(indices)
        bound = torch.full((len(indices),), -math.inf, device=device)
        for start in range(0, n_samples, samples_at_once):
            k = min(samples_at_once, n_samples - start)
            noise = torch.randn(k, *q_z.mean.shape, generator=source, device=device)
            log_weights = _log_weights(model, q_z, x, how, noise)
            bound = torch.logaddexp(bound, torch.logsumexp(log_weights, dim=0))
        yield bound - math.log(n_samples)


def _log_weights(
    model: VAE, q_z: DiagonalNormal, x: Tensor, how: Likelihood, noise: Tensor
) -> Tensor:
    """log p(x, z) − log q(z | x) for z from `noise`: `(k, batch, latent_dim)` to `(k, batch)`."""
    z = q_z.rsample(noise)
    log_p_x_given_z = how.log_prob(model, z, x)
    return log_p_x_given_z + DiagonalNormal.standard_log_prob(z) - q_z.log_prob_of_noise(noise)


def score(
    model: VAE, splits: Splits, n_samples: int, n_images: int, seed: int, of: Iterable[str]
) -> dict[str, float]:
    """The yardstick by split, in nats per image.

    Args:
        n_images: of each split, from the first; all where it has fewer
        of: `train`, `val`, `test`
    """
    how = likelihood(splits.yardstick, model, splits.val, splits.val_pixels, seed)
    parts = {
        "train": (splits.train, splits.train_pixels),
        "val": (splits.val, splits.val_pixels),
        "test": (splits.test, splits.test_pixels),
    }
    scores = {}
    for name in of:
        images, pixels = parts[name]
        first = pixels.part(0, min(n_images, len(pixels)))
        scores[name] = nll(model, images, first, how, n_samples, seed)
    return scores


def bits_per_dim(nats: float, pixels: Batches) -> float:
    """Nats per image in bits per value of a pixel: the unit in which photographs are compared."""
    return nats / (math.prod(pixels.shape) * math.log(2))
