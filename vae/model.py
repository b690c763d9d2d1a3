"""The variational autoencoder: a prior N(0, I), an encoder q(z | x), a decoder p(x | z)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vae.configuration import Configuration
from vae.distributions import DiagonalNormal
from vae.layers import Shape
from vae.losses import Loss
from vae.objectives import Elbo, Objective
from vae.transforms import Batches


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
        # Free bits are given only where there are any: `Configuration` sees to it that this is
        # the objective which takes them.
        free_bits = [configuration.free_bits] if configuration.free_bits else []
        self.objective: Objective = configuration.component("objective").make(*free_bits)

    @property
    def minimises_elbo(self) -> bool:
        """Whether training minimises reconstruction + β · KL, and nothing else need be computed."""
        return isinstance(self.objective, Elbo) and not self.objective.free_bits

    def noise_shape(self, n_images: int) -> tuple[int, ...]:
        """Of the standard normal noise that `training_terms` takes."""
        return self.objective.noise_shape(n_images, self.latent_dim)

    def training_terms(self, x: Tensor, noise: Tensor, beta: float = 1.0) -> tuple[Tensor, ...]:
        """The objective's terms, `(batch,)` each, for noise of `noise_shape`."""
        return self.objective.terms(self, x, noise, beta)

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


@torch.no_grad()
def start_at_data(model: VAE, images: Batches) -> None:
    """Tell a decoder that starts at it (`decoder.bias: data`) the mean image of `images`."""
    if not getattr(model.decoder, "starts_at_mean_image", False):
        return
    device = next(model.parameters()).device
    total = torch.zeros(images.shape, dtype=torch.float64, device=device)
    for indices in torch.arange(len(images), device=device).split(1000):
        total += images.batch(indices).sum(dim=0, dtype=torch.float64)
    model.decoder.start_at(total / len(images))
