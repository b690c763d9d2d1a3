"""How good a model is: the terms of its return on a split."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vae.model import VAE
from vae.randomness import generator
from vae.transforms import Batches

BATCH_SIZE = 500
"""Images evaluated at once. Part of the numbers: another size sums in another order."""


@dataclass(frozen=True)
class Terms:
    """Means per image, in nats up to the likelihood's constant."""

    reconstruction: float
    kl: float

    @property
    def episodic_return(self) -> float:
        """−(reconstruction + KL): the ELBO, whatever β the training used. Higher is better."""
        return -(self.reconstruction + self.kl)

    def loss(self, beta: float) -> float:
        """What training with this β minimises."""
        return self.reconstruction + beta * self.kl


@torch.inference_mode()
def evaluate(model: VAE, images: Batches, seed: int) -> Terms:
    """Estimate the return's terms on `images` with one z per image.

    The noise is the same at every call with the same seed, so the epochs of a trial differ by
    their weights alone.
    """
    device = next(model.parameters()).device
    noise_source = generator(seed, "evaluation", device=device)
    model.eval()
    totals = torch.zeros(2, dtype=torch.float64, device=device)
    for indices in torch.arange(len(images), device=device).split(BATCH_SIZE):
        noise = torch.randn(len(indices), model.latent_dim, generator=noise_source, device=device)
        reconstruction, kl = model.elbo_terms(images.batch(indices), noise)
        totals += torch.stack([reconstruction.sum(), kl.sum()])
    reconstruction_sum, kl_sum = totals.tolist()
    return Terms(reconstruction_sum / len(images), kl_sum / len(images))
