"""The Gaussian over codes that an encoder returns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class DiagonalNormal:
    """N(mean, diag(exp(log_var))) over codes.

    `torch.distributions.Normal` would take a logarithm of the exponential that the encoder's
    log-variance just became; this keeps the logarithm, which is exact and cheaper.

    Attributes:
        mean, log_var: `(batch, latent_dim)`
    """

    mean: Tensor
    log_var: Tensor

    def rsample(self, noise: Tensor) -> Tensor:
        """Codes `(..., batch, latent_dim)` from standard normal `noise` of that shape.

        Source: Kingma & Welling 2014, section 2.4 (the reparameterisation trick).
        """
        return self.mean + torch.exp(0.5 * self.log_var) * noise

    def kl_to_standard_normal(self) -> Tensor:
        """KL(self || N(0, I)) in nats per image, `(batch,)`.

        Source: Kingma & Welling 2014, appendix B.
        """
        return 0.5 * self._doubled_kl().sum(dim=-1)

    def kl_per_dimension(self) -> Tensor:
        """What each latent dimension adds to `kl_to_standard_normal`, `(batch, latent_dim)`."""
        return 0.5 * self._doubled_kl()

    def _doubled_kl(self) -> Tensor:
        return self.mean.square() + self.log_var.exp() - self.log_var - 1

    def log_prob(self, z: Tensor) -> Tensor:
        """log density of codes `(..., batch, latent_dim)` in nats, `(..., batch)`."""
        squared = (z - self.mean).square() * torch.exp(-self.log_var)
        return -0.5 * (squared + self.log_var + math.log(2 * math.pi)).sum(dim=-1)

    def log_prob_of_noise(self, noise: Tensor) -> Tensor:
        """log density of `rsample(noise)` in nats, `(..., batch)`, for noise of that shape.

        Exact where `log_prob` is not: z − mean has lost, to rounding, whatever the standard
        deviation had below the mean's last digit, and below a log-variance of −88 the quotient
        is 0 · ∞.
        """
        return -0.5 * (noise.square() + self.log_var + math.log(2 * math.pi)).sum(dim=-1)

    @staticmethod
    def standard_log_prob(z: Tensor) -> Tensor:
        """log density of codes `(..., latent_dim)` under N(0, I) in nats, `(...)`."""
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(dim=-1)
