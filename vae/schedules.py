"""Schedules: how the learning rate and β move while a training goes on.

A schedule is a function of a `Progress`, the share of the training that is over, and returns the
factor that the configuration's `lr` or `beta` is multiplied by in a step. It has no state, so a
training that goes on from a checkpoint goes on with the same factors. Their names in experiment
files are in `registry.LR_SCHEDULES` and `registry.BETA_SCHEDULES`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vae.components.component import Component
    from vae.configuration import Configuration


class Progress(float):
    """The share of a training that is over: 0 in its first step, below 1 in its last.

    Attributes:
        epochs: how many are over, with the part of the present one; exact where an epoch begins
        n_epochs: of the whole training
    """

    epochs: float
    n_epochs: int

    def __new__(cls, epochs: float, n_epochs: int) -> Progress:
        self = super().__new__(cls, epochs / n_epochs)
        self.epochs, self.n_epochs = epochs, n_epochs
        return self


Schedule = Callable[[Progress], float]

# ------------------------------------------------------------------------ either


def constant(progress: Progress) -> float:
    """`constant`: as the configuration says."""
    return 1.0


# ----------------------------------------------------------------------------- β


def linear(progress: Progress, *, epochs: float = 10.0) -> float:
    """`linear`: a warm-up from 0 to β over so many `epochs`, and constant from there on.

    Source: Bowman et al., Generating sentences from a continuous space, 2016; Sønderby et al.,
    Ladder variational autoencoders, 2016.
    """
    return min(1.0, progress.epochs / epochs)


def cyclical(progress: Progress, *, cycles: int = 4, ratio: float = 0.5) -> float:
    """`cyclical`: `cycles` times from 0 to β over `ratio` of a cycle, and constant for the rest.

    Source: Fu et al., Cyclical annealing schedule, NAACL 2019, equations 6 and 7.
    """
    return min(1.0, progress * cycles % 1.0 / ratio)


# ----------------------------------------------------------------- learning rate


def constant_rate(progress: Progress, *, warmup: float = 0.0) -> float:
    """`constant`, after a linear warm-up of so many epochs."""
    return _warmed_up(progress, warmup)


def cosine(progress: Progress, *, warmup: float = 0.0) -> float:
    """`cosine`: half a cosine from 1 at the end of the warm-up to 0 at the end of the training.

    Source: Loshchilov & Hutter, SGDR, ICLR 2017, equation 5, without restarts.
    """
    if progress.epochs < warmup:
        return _warmed_up(progress, warmup)
    share = (progress.epochs - warmup) / (progress.n_epochs - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def steps(
    progress: Progress, *, at: tuple[float, ...] = (), factor: float = 0.1, warmup: float = 0.0
) -> float:
    """`steps`: times `factor` once each of the epochs `at` is over."""
    n_over = sum(progress.epochs >= epoch for epoch in at)
    return _warmed_up(progress, warmup) * factor**n_over


def burda(progress: Progress, *, warmup: float = 0.0) -> float:
    """`burda`: 10^(−i/7) for 3^i epochs, i = 0, 1, 2, …: stages end after 1, 4, 13, …, 3280 epochs.

    Source: Burda, Grosse & Salakhutdinov, Importance weighted autoencoders, ICLR 2016, section 5.
    """
    stage, end = 0, 1
    while progress.epochs >= end:
        stage += 1
        end += 3**stage
    return float(_warmed_up(progress, warmup) * 10 ** (-stage / 7))


def _warmed_up(progress: Progress, warmup: float) -> float:
    return min(1.0, progress.epochs / warmup) if warmup else 1.0


# ---------------------------------------------------------------------- in a training


@dataclass(frozen=True)
class Pace:
    """The learning rate and β of a training, step by step.

    Attributes:
        lr_factor, beta_factor: None where nothing moves
    """

    lr: float
    beta: float
    n_epochs: int
    lr_factor: Schedule | None
    beta_factor: Schedule | None

    @classmethod
    def of(cls, configuration: Configuration) -> Pace:
        return cls(
            configuration.lr,
            configuration.beta,
            configuration.epochs,
            _moving(configuration.component("lr_schedule")),
            _moving(configuration.component("beta_schedule")),
        )

    @property
    def moves(self) -> bool:
        return self.lr_factor is not None or self.beta_factor is not None

    def at(self, epochs: float) -> tuple[float, float]:
        """The learning rate and β once so many epochs are over."""
        progress = Progress(epochs, self.n_epochs)
        return (
            self.lr * self.lr_factor(progress) if self.lr_factor else self.lr,
            self.beta * self.beta_factor(progress) if self.beta_factor else self.beta,
        )

    def scheduled(self, lr: float, beta: float) -> dict[str, float]:
        """Those of the two that move, by name."""
        moving = {"lr": (self.lr_factor, lr), "beta": (self.beta_factor, beta)}
        return {name: value for name, (factor, value) in moving.items() if factor}


def _moving(component: Component) -> Schedule | None:
    """The schedule with its options, unless its factor is always 1."""
    if component.value == "constant" and not any(value for _, value in component.options):
        return None
    return functools.partial(component.load(), **dict(component.options))
