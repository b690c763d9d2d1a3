"""The user's own components tried on four images, before a sweep writes anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vae.components import user_code
from vae.components.blame import blamed
from vae.components.component import Component
from vae.configuration import Configuration
from vae.data.datasets import describe
from vae.distributions import DiagonalNormal
from vae.errors import BadInput
from vae.model import VAE
from vae.objectives import minimised
from vae.randomness import generator
from vae.schedules import Progress
from vae.transforms import Batches

_N = 4


@dataclass(frozen=True)
class Setting:
    """What a component is tried in.

    Attributes:
        raw: `uint8`, `(4, channels, height, width)`, of the data set's shape
        transform: of the same configuration
    """

    raw: np.ndarray
    transform: Component
    hidden_dim: int
    latent_dim: int

    @classmethod
    def of(cls, configuration: Configuration) -> Setting:
        data = describe(configuration.component("dataset"))
        shape = data.shape if data else (1, 28, 28)
        raw = np.random.RandomState(0).randint(0, 256, (_N, *shape), dtype=np.uint8)
        transform = configuration.component("transform")
        return cls(raw, transform, configuration.hidden_dim, configuration.latent_dim)

    def batches(self) -> Batches:
        batches: Batches = self.transform.make(self.raw, 0)
        return batches

    def images(self) -> Tensor:
        """In [0, 1], `(4, channels, height, width)`, of the shape that a model takes."""
        return self.batches().batch(torch.arange(_N))

    def codes(self) -> Tensor:
        """`(4, latent_dim)`"""
        return torch.randn(_N, self.latent_dim, generator=generator(0, "codes"))


def try_components(configurations: Iterable[Configuration]) -> None:
    """Import the user's own components of `configurations` and try each once with its options.

    Raises:
        BadInput: FILE:LINE and what is wrong.
    """
    tried = set()
    for configuration in configurations:
        setting = Setting.of(configuration)
        sizes = (setting.raw.shape, setting.transform, setting.hidden_dim, setting.latent_dim)
        # In this order: the others are tried on what the transform makes.
        for kind in CHECKS:
            component = configuration.component(kind)
            if component.is_code and (component, sizes) not in tried:
                tried.add((component, sizes))
                _try(component, setting)


def _try(component: Component, setting: Setting) -> None:
    component.load()
    code = user_code.known(component.digest)
    if code is not None:
        with torch.random.fork_rng(devices=[]), blamed(code):
            torch.manual_seed(0)
            try:
                CHECKS[component.kind](component, setting)
            except Unfit as error:
                raise BadInput(f"{code.place}: {code.name} {error}") from error


class Unfit(Exception):
    """What a component makes is not what its kind has to be; its name goes before the message."""


def _try_transform(component: Component, setting: Setting) -> None:
    batches = setting.batches()
    for method in ("batch", "training_batch", "part", "to"):
        if not hasattr(batches, method):
            raise Unfit(f"returns {_kind(batches)}, which has no method '{method}'")
    if len(batches) != _N:
        raise Unfit(f"makes {len(batches)} images of {_N}")
    shape, indices = tuple(batches.shape), torch.arange(_N)
    x = batches.batch(indices)
    for name, images in (
        ("batch", x),
        ("training_batch", batches.training_batch(indices, generator(0, "data"))),
    ):
        expect_tensor(f"gives images by `{name}`", images, (_N, *shape))
        if images.dtype != torch.float32 or not 0 <= images.min() <= images.max() <= 1:
            raise Unfit(f"gives images by `{name}` that are not float32 from 0 to 1")
    if not torch.equal(batches.batch(indices), x):
        raise Unfit("gives other images by `batch` each time; fresh noise is `training_batch`'s")
    if len(batches.part(1, 3)) != 2 or len(batches.to(torch.device("cpu"))) != _N:
        raise Unfit("loses images in `part` or `to`")


def _try_encoder(component: Component, setting: Setting) -> None:
    x = setting.images()
    encoder = _network(component, setting, tuple(x.shape[1:]))
    for network in (encoder.train(), encoder.eval()):
        q_z = network(x)
        if not isinstance(q_z, DiagonalNormal):
            raise Unfit(f"gives {_kind(q_z)}, and should give a vae.distributions.DiagonalNormal")
        expect_tensor("gives a mean", q_z.mean, (_N, setting.latent_dim))
        expect_tensor("gives a log_var", q_z.log_var, (_N, setting.latent_dim))
    if not torch.equal(encoder(x).mean, q_z.mean):
        raise Unfit("gives something else each time in eval mode")
    _expect_gradients(encoder, q_z.mean + q_z.log_var)


def _try_decoder(component: Component, setting: Setting) -> None:
    shape = tuple(setting.images().shape[1:])
    decoder = _network(component, setting, shape)
    for network in (decoder.train(), decoder.eval()):
        logits = network(setting.codes())
        expect_tensor("gives logits", logits, (_N, *shape))
    if not torch.equal(decoder(setting.codes()), logits):
        raise Unfit("gives something else each time in eval mode")
    _expect_gradients(decoder, logits)


def _network(component: Component, setting: Setting, shape: tuple[int, ...]) -> nn.Module:
    network = component.make(shape, setting.hidden_dim, setting.latent_dim)
    if not isinstance(network, nn.Module):
        raise Unfit(f"makes {_kind(network)}, and should make a torch.nn.Module")
    return network


def _try_loss(component: Component, setting: Setting) -> None:
    x, loss = setting.images(), component.make()
    for method in ("reconstruction", "mean", "mean_logits"):
        if not callable(getattr(loss, method, None)):
            raise Unfit(f"has no method '{method}'")
    logits = torch.randn(x.shape, generator=generator(0, "logits")).requires_grad_()
    reconstruction = loss.reconstruction(logits, x)
    expect_tensor("gives a reconstruction", reconstruction, (_N,))
    mean = loss.mean(logits)
    expect_tensor("gives a mean", mean, tuple(x.shape))
    expect_tensor("gives mean_logits", loss.mean_logits(logits), tuple(x.shape))
    if not 0 <= mean.min() <= mean.max() <= 1:
        raise Unfit("gives a mean that is not from 0 to 1")
    if not reconstruction.requires_grad:
        raise Unfit("gives a reconstruction without a gradient: nothing would be learned")


def _try_objective(component: Component, setting: Setting) -> None:
    objective, x = component.make(), setting.images()
    for method in ("noise_shape", "terms"):
        if not callable(getattr(objective, method, None)):
            raise Unfit(f"has no method '{method}'")
    sizes = {"hidden_dim": setting.hidden_dim, "latent_dim": setting.latent_dim}
    channels, height, width = x.shape[1:]
    model = VAE(Configuration(**sizes), (channels, height, width))
    noise_shape = objective.noise_shape(_N, setting.latent_dim)
    noise = torch.randn(noise_shape, generator=generator(0, "noise"))
    terms = objective.terms(model, x, noise, 1.0)
    if not isinstance(terms, tuple) or len(terms) not in (2, 3):
        raise Unfit("gives terms that are not a tuple: reconstruction, kl and, if wanted, loss")
    for name, term in zip(("reconstruction", "kl", "loss"), terms, strict=False):
        expect_tensor(f"gives a {name}", term, (_N,))
    if not minimised(terms, 1.0).requires_grad:
        raise Unfit("gives terms without a gradient: nothing would be learned")


def _try_schedule(component: Component, setting: Setting) -> None:
    for epochs in (0.0, 3.5, 9.9):
        factor = component.make(Progress(epochs, 10))
        if not isinstance(factor, int | float) or not 0 <= factor < math.inf:
            raise Unfit(f"gives {factor!r} after {epochs:g} of 10 epochs, and should give a factor")


def _try_optimizer(component: Component, setting: Setting) -> None:
    network = nn.Linear(3, 2)
    optimizer = component.make(list(network.parameters()), 1e-3, 1e-5)
    for name in ("param_groups", "zero_grad", "step", "state_dict", "load_state_dict"):
        if not hasattr(optimizer, name):
            raise Unfit(f"makes {_kind(optimizer)}, which has no '{name}'")
    optimizer.zero_grad()
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    if not all(torch.isfinite(parameter).all() for parameter in network.parameters()):
        raise Unfit("makes weights NaN or infinite in one step")


def expect_tensor(what: str, found: Any, shape: tuple[int, ...]) -> None:
    """Raise Unfit unless `found` is a finite tensor of `shape`; what: `gives logits`."""
    if not isinstance(found, Tensor):
        raise Unfit(f"{what} that is {_kind(found)}, and should be a tensor {shape}")
    if tuple(found.shape) != shape:
        raise Unfit(f"{what} of shape {tuple(found.shape)}, and should be {shape}")
    if not torch.isfinite(found).all():
        raise Unfit(f"{what} with NaN or infinite numbers")


def _expect_gradients(network: nn.Module, given: Tensor) -> None:
    """An optimizer's step takes a gradient of every parameter that it is to move."""
    if not given.requires_grad:
        return
    given.sum().backward()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and parameter.grad is None:
            raise Unfit(f"has a parameter '{name}' that is used for nothing: remove it")


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


CHECKS: dict[str, Callable[[Component, Setting], None]] = {
    "transform": _try_transform,
    "encoder": _try_encoder,
    "decoder": _try_decoder,
    "loss": _try_loss,
    "objective": _try_objective,
    "beta_schedule": _try_schedule,
    "lr_schedule": _try_schedule,
    "optimizer": _try_optimizer,
}
"""By kind, how it is tried."""
