"""An encoder of one's own: edit it, and only what uses it is trained again."""

import math

from torch import nn

from vae.encoders import Encoder


class Mine(Encoder):
    """Two layers of `width`, and the layer with the mean and the log-variance of q(z | x)."""

    def __init__(
        self, shape: tuple[int, int, int], hidden_dim: int, latent_dim: int, *, width: int = 200
    ) -> None:
        """Args: shape: (channels, height, width) of an image; width: the field `encoder.width`"""
        body = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(shape), width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
        )
        super().__init__(body, width, latent_dim)
