"""Losses: how a decoder's logits are read as a distribution of pixels.

A model makes an object of the class; one with parameters is a `torch.nn.Module`. Each has three
methods. `reconstruction(logits, x)` is −log p(x | z) up to a constant,
in nats per image: logits and x `(batch, channels, height, width)`, the result `(batch,)`.
`mean(logits)` is E[x | z], what a picture shows, in [0, 1]; `mean_logits(logits)` is its logit,
which the yardstick reads as that of Bernoulli pixels. What of this likelihood training minimises
is the objective's business (`objectives.py`). Their names in experiment files are in
`registry.LOSSES`.
"""

from __future__ import annotations

import math
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Loss(Protocol):
    def reconstruction(self, logits: Tensor, x: Tensor, /) -> Tensor: ...
    def mean(self, logits: Tensor, /) -> Tensor: ...
    def mean_logits(self, logits: Tensor, /) -> Tensor: ...


class _CrossEntropy(torch.autograd.Function):
    """−x log σ(l) − (1 − x) log(1 − σ(l)) per pixel, in four fifths less time than torch's own.

    It is max(l, 0) − l x − log σ(|l|). The last term takes a vectorised sigmoid and logarithm
    where torch takes log1p of an exponential, one number after another; σ(|l|) is at least one
    half, so its logarithm is as exact as float32 allows. The gradient is σ(l) − x.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(logits, x)
        log_sigmoid = torch.sigmoid(logits.abs()).log_()
        return torch.relu(logits).addcmul_(logits, x, value=-1).sub_(log_sigmoid)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        logits, x = ctx.saved_tensors
        return torch.sigmoid(logits).sub_(x).mul_(gradients[0]), None


def cross_entropy(logits: Tensor, x: Tensor) -> Tensor:
    """Binary cross-entropy per pixel in nats, from logits; x in [0, 1], of the same shape."""
    return cast(Tensor, _CrossEntropy.apply(logits, x))


def _per_image(per_pixel: Tensor) -> Tensor:
    return per_pixel.flatten(1).sum(dim=1)


class _SigmoidMean:
    """The mean of a pixel is the sigmoid of its logit."""

    @staticmethod
    def mean(logits: Tensor) -> Tensor:
        return torch.sigmoid(logits)

    @staticmethod
    def mean_logits(logits: Tensor) -> Tensor:
        return logits


class SumOfSquaredErrors(_SigmoidMean):
    """`sse`: a Gaussian of variance ½ around the mean, less its constant.

    The constant is n_pixels · ½ log π.
    """

    @staticmethod
    def reconstruction(logits: Tensor, x: Tensor) -> Tensor:
        return _per_image(F.mse_loss(torch.sigmoid(logits), x, reduction="none"))


class BinaryCrossEntropy(_SigmoidMean):
    """`bce`: independent Bernoulli pixels; on gray pixels, an expected cross-entropy.

    Source: Kingma & Welling 2014, appendix C.1.
    """

    @staticmethod
    def reconstruction(logits: Tensor, x: Tensor) -> Tensor:
        return _per_image(cross_entropy(logits, x))


class Gaussian(_SigmoidMean, nn.Module):
    """`gaussian`: pixels N(mean, σ²) with one learned σ for all of them (σ-VAE).

    A whole density, with nothing dropped: n_pixels · (½ log 2π + log σ) + Σ (x − mean)² / 2σ².
    So the weight of the KL need not be tuned by hand: σ finds it.

    Of the paper's two ways to σ this is the parameter that is learned with the rest, not the
    optimum for a batch: that one reads σ off the image that it scores, which is no density of
    the image, and would make a return depend on who shares the batch.

    Source: Rybkin, Daniilidis & Levine, Simple and effective VAE training with calibrated
    decoders, ICML 2021, section 3.
    """

    _LOWEST = -6.0
    """log σ approaches this and no less, by the paper's soft clipping."""

    def __init__(self) -> None:
        super().__init__()
        # Near where it ends on digits: Adam moves it by no more than the learning rate a step,
        # which from σ = 1 would take thousands.
        self.free_log_sigma = nn.Parameter(torch.tensor(math.log(0.2)))

    @property
    def log_sigma(self) -> Tensor:
        return self._LOWEST + F.softplus(self.free_log_sigma - self._LOWEST)

    def reconstruction(self, logits: Tensor, x: Tensor) -> Tensor:
        log_sigma = self.log_sigma
        squared = F.mse_loss(torch.sigmoid(logits), x, reduction="none")
        per_pixel = 0.5 * squared * torch.exp(-2 * log_sigma) + log_sigma
        return _per_image(per_pixel + 0.5 * math.log(2 * math.pi))


class ContinuousBernoulli:
    """`continuous_bernoulli`: the cross-entropy made a proper density of gray pixels on [0, 1].

    With the logit l, the normaliser C(λ) = 2 artanh(1 − 2λ) / (1 − 2λ) is l / tanh(l / 2), and
    the mean is σ(l) / tanh(l / 2) − 1 / l. Both are smooth at 0, where the quotients are not
    computable and series take over.

    Source: Loaiza-Ganem & Cunningham 2019, equations 6 to 8.
    """

    _SERIES_BELOW = 0.1
    """|l| under which the first dropped term of each series is below float32's resolution."""

    @classmethod
    def reconstruction(cls, logits: Tensor, x: Tensor) -> Tensor:
        return _per_image(cross_entropy(logits, x) - cls._log_normaliser(logits))

    @classmethod
    def _log_normaliser(cls, logits: Tensor) -> Tensor:
        near_zero = logits.abs() < cls._SERIES_BELOW
        # `where` passes NaN gradients from the branch not taken, so that branch gets a safe input.
        away = torch.where(near_zero, torch.ones_like(logits), logits)
        square = logits.square()
        series = math.log(2) + square / 12 - square.square() * (7 / 1440)
        return torch.where(near_zero, series, torch.log(away / torch.tanh(away / 2)))

    @classmethod
    def mean(cls, logits: Tensor) -> Tensor:
        near_zero = logits.abs() < cls._SERIES_BELOW
        away = torch.where(near_zero, torch.ones_like(logits), logits)
        closed = torch.sigmoid(away) / torch.tanh(away / 2) - 1 / away
        return torch.where(near_zero, 0.5 + logits / 12 - logits.pow(3) / 720, closed)

    @classmethod
    def mean_logits(cls, logits: Tensor) -> Tensor:
        return torch.logit(cls.mean(logits), eps=1e-6)
