"""The variational autoencoder: a prior N(0, I), an encoder q(z | x), a decoder p(x | z)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vae.configuration import Configuration
from vae.distributions import DiagonalNormal
from vae.layers import Shape
from vae.losses import Loss, is_importance_weighted


class VAE(nn.Module):
    """Source: Kingma & Welling, Auto-Encoding Variational Bayes, ICLR 2014, arXiv:1312.6114."""

    def __init__(self, configuration: Configuration, shape: Shape) -> None:
        """Make networks for images of `shape` (channels, height, width) with fresh weights."""
        super().__init__()
        sizes = (shape, configuration.hidden_dim, configuration.latent_dim)
        self.latent_dim = configuration.latent_dim
        self.encoder = configuration.component("encoder").make(*sizes)
        self.decoder = configuration.component("decoder").make(*sizes)
        self.loss: Loss = configuration.component("loss").make()
        weighted = is_importance_weighted(self.loss)
        self.importance_samples = configuration.iwae_samples if weighted else None

    def noise_shape(self, n_images: int) -> tuple[int, ...]:
        """Of the standard normal noise that `training_terms` takes."""
        k = self.importance_samples
        return (n_images, self.latent_dim) if k is None else (k, n_images, self.latent_dim)

    def training_terms(self, x: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        """The terms whose loss training minimises, `(batch,)` each, for noise of `noise_shape`."""
        if self.importance_samples is None:
            return self.elbo_terms(x, noise)
        return self.importance_terms(x, noise)

    def elbo_terms(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The two terms of the negative ELBO with one sample of z, in nats per image.

        Args:
            x: images in [0, 1], `(batch, channels, height, width)`
            noise: standard normal, `(batch, latent_dim)`

        Returns:
            reconstruction, kl: `(batch,)` each. Source: Kingma & Welling 2014, equation 10.
        """
        q_z: DiagonalNormal = self.encoder(x)
        logits = self.decoder(q_z.rsample(noise))
        return self.loss.reconstruction(logits, x), q_z.kl_to_standard_normal()

    def importance_terms(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The negative importance-weighted bound, and the ELBO's terms from the same codes.

        Args:
            x: images in [0, 1], `(batch, channels, height, width)`
            noise: standard normal, `(k, batch, latent_dim)`

        Returns:
            reconstruction, kl, bound: `(batch,)` each, in nats per image; the reconstruction is
            the mean over the k codes. Source: Burda et al. 2016, equations 8 and 13.
        """
        q_z: DiagonalNormal = self.encoder(x)
        z = q_z.rsample(noise)
        k, n = z.shape[:2]
        logits = self.decoder(z.flatten(0, 1))
        repeated = x.expand(k, *x.shape).flatten(0, 1)
        reconstruction = self.loss.reconstruction(logits, repeated).view(k, n)
        log_weights = DiagonalNormal.standard_log_prob(z) - q_z.log_prob(z) - reconstruction
        bound = math.log(k) - torch.logsumexp(log_weights, dim=0)
        return reconstruction.mean(dim=0), q_z.kl_to_standard_normal(), bound

    def decode(self, z: Tensor) -> Tensor:
        """E[x | z]: codes `(batch, latent_dim)` to images in [0, 1]."""
        return self.loss.mean(self.decoder(z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """E[x | z] at z = the mean of q(z | x): images in, images out."""
        return self.decode(self.encoder(x).mean)


def fresh_model(configuration: Configuration, shape: Shape, seed: int) -> VAE:
    """A model whose initial weights depend on nothing but `seed`, made on the CPU."""
    # torch's initialisers draw from the global generator and from no other.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VAE(configuration, shape)
