"""How good a model is: the terms of its return, over all images of a split."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vae.errors import Diverged
from vae.model import VAE
from vae.objectives import minimised
from vae.randomness import generator
from vae.transforms import Batches

BATCH_SIZE = 500
"""Images evaluated at once. Part of the numbers: another size sums in another order."""


@dataclass(frozen=True)
class Terms:
    """Means per image, in nats up to the likelihood's constant.

    Attributes:
        minimised: what training minimises, unless it is `reconstruction` + β · `kl`
    """

    reconstruction: float
    kl: float
    minimised: float | None = None

    @property
    def episodic_return(self) -> float:
        """−(reconstruction + KL): the ELBO, whatever β the training used. Higher is better."""
        return -(self.reconstruction + self.kl)

    def loss(self, beta: float) -> float:
        """What training with this β minimises."""
        if self.minimised is not None:
            return self.minimised
        return self.reconstruction + beta * self.kl


class Totals:
    """Sums of terms over the batches of a pass; nothing waits for a device before the end."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(1, dtype=torch.float64, device=device)

    def add(self, terms: tuple[Tensor, ...]) -> None:
        """Args: terms: reconstruction, kl and, where there is one, minimised, `(batch,)`"""
        self._sums = self._sums + torch.stack([term.detach().sum() for term in terms])

    def means(self, n_images: int) -> Terms:
        return Terms(*(total / n_images for total in self._sums.tolist()))


@torch.inference_mode()
def evaluate(model: VAE, images: Batches, seed: int, beta: float | None = None) -> Terms:
    """Estimate the return's terms on `images` with one z per image.

    The noise is the same at every call with the same seed, so the epochs of a trial differ by
    their weights alone.

    Args:
        beta: also estimate what training with this β minimises
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
        if beta is not None and not model.minimises_elbo:
            shape = model.noise_shape(len(x))
            noise = torch.randn(shape, generator=bound_source, device=device)
            terms += (minimised(model.training_terms(x, noise, beta), beta),)
        totals.add(terms)
    return totals.means(len(images))


def check_finite(metrics: Mapping[str, float]) -> None:
    """Raise Diverged if a final metric, by name, is NaN or infinite."""
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise Diverged(f"{name} is not finite")
