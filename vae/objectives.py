"""Objectives: what of a likelihood training minimises.

A model makes an object of the class; one with parameters is a `torch.nn.Module`. Each has two
methods. `noise_shape(n_images, latent_dim)` is that of the standard normal noise which a step
needs. `terms(model, x, noise, beta)` returns the two terms that are reported, reconstruction and
KL, and as a third what training minimises, unless that is reconstruction + β · KL: `(batch,)` each,
in nats per image. Every one works with every loss. Their names in experiment files are in
`registry.OBJECTIVES`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from vae.distributions import DiagonalNormal

if TYPE_CHECKING:
    from vae.model import VAE


class Objective(Protocol):
    def noise_shape(self, n_images: int, latent_dim: int, /) -> tuple[int, ...]: ...
    def terms(self, model: VAE, x: Tensor, noise: Tensor, beta: float, /) -> tuple[Tensor, ...]: ...


def minimised(terms: tuple[Tensor, ...], beta: float) -> Tensor:
    """What training minimises of an objective's terms, `(batch,)`."""
    reconstruction, kl, *other = terms
    return other[0] if other else reconstruction + beta * kl


class Elbo:
    """`elbo`: reconstruction + β · KL, with one code per image.

    With free bits, a latent dimension costs no less than λ nats in the mean over the batch, so
    that nothing is gained by using it less: Σ_j max(λ, KL_j) takes the place of the KL.

    Source: Kingma & Welling 2014, equation 10; β: Higgins et al., beta-VAE, ICLR 2017; free bits:
    Kingma et al., Improved variational inference with inverse autoregressive flow, 2016, eq. 15.
    """

    def __init__(self, free_bits: float = 0.0) -> None:
        """Args: free_bits: λ, in nats per latent dimension"""
        self.free_bits = free_bits

    def noise_shape(self, n_images: int, latent_dim: int) -> tuple[int, ...]:
        return n_images, latent_dim

    def terms(self, model: VAE, x: Tensor, noise: Tensor, beta: float) -> tuple[Tensor, ...]:
        if not self.free_bits:
            return model.elbo_terms(x, noise)
        q_z: DiagonalNormal = model.encoder(x)
        reconstruction = model.loss.reconstruction(model.decoder(q_z.rsample(noise)), x)
        per_dimension = q_z.kl_per_dimension()
        counted = per_dimension.mean(dim=0).clamp(min=self.free_bits).sum()
        return reconstruction, per_dimension.sum(dim=1), reconstruction + beta * counted


class ImportanceWeighted:
    """`iwae`: the importance-weighted bound, −log 1/k Σ p(x, z_i) / q(z_i | x).

    That is what training minimises and what `train/loss` and `val/loss` are. The terms that are
    reported, and so the return, stay the ELBO's, for the model that this bound leads to; the
    reconstruction is the mean over the k codes.

    Source: Burda, Grosse & Salakhutdinov, Importance weighted autoencoders, ICLR 2016, equations
    8 and 13.
    """

    def __init__(self, *, samples: int = 5) -> None:
        """Args: samples: k, codes per image"""
        self.samples = samples

    def noise_shape(self, n_images: int, latent_dim: int) -> tuple[int, ...]:
        return self.samples, n_images, latent_dim

    def terms(self, model: VAE, x: Tensor, noise: Tensor, beta: float) -> tuple[Tensor, ...]:
        q_z: DiagonalNormal = model.encoder(x)
        z = q_z.rsample(noise)
        k, n = z.shape[:2]
        logits = model.decoder(z.flatten(0, 1))
        repeated = x.expand(k, *x.shape).flatten(0, 1)
        reconstruction = model.loss.reconstruction(logits, repeated).view(k, n)
        log_prior = DiagonalNormal.standard_log_prob(z)
        log_weights = log_prior - q_z.log_prob_of_noise(noise) - reconstruction
        bound = math.log(k) - torch.logsumexp(log_weights, dim=0)
        return reconstruction.mean(dim=0), q_z.kl_to_standard_normal(), bound
