"""Training: `fit` yields one `EpochMetrics` after another and knows nothing of who listens."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vae.configuration import Configuration, Trial
from vae.errors import Diverged
from vae.evaluation import Terms, Totals, evaluate
from vae.layers import Shape
from vae.model import VAE, fresh_model
from vae.optimizer import AdamW
from vae.randomness import derived_seed, generator
from vae.splits import Splits


@dataclass(frozen=True)
class EpochMetrics:
    """What one epoch gave.

    Attributes:
        epoch: counted from 1
        train: means over the epoch's steps, while the weights moved
        val: of the weights after the epoch
        seconds: training and validation
        images_per_second: of training alone
    """

    epoch: int
    train: Terms
    val: Terms
    seconds: float
    images_per_second: float


class Training:
    """The whole state of a training: what a checkpoint holds is all there is."""

    def __init__(self, trial: Trial, shape: Shape, device: str = "cpu") -> None:
        """Start `trial` on images of `shape` (channels, height, width) from epoch 0."""
        self.trial = trial
        self.device = torch.device(device)
        seed = derived_seed(trial.seed, "initialisation")
        self.model = fresh_model(trial.configuration, shape, seed).to(self.device)
        self.optimizer = AdamW(
            self.model.parameters(), trial.configuration.lr, trial.configuration.weight_decay
        )
        self.epoch = 0
        self.best_epoch = 0
        self.best_return = -math.inf
        self._best_weights: dict[str, Tensor] = {}

    def keep_if_best(self, metrics: EpochMetrics) -> None:
        """Remember the weights of the epoch with the highest validation return."""
        if metrics.val.episodic_return > self.best_return:
            self.best_epoch = metrics.epoch
            self.best_return = metrics.val.episodic_return
            self._best_weights = _copy(self.model.state_dict())

    def kept_model(self) -> VAE:
        """The model of the best epoch; this training is over once it is asked for."""
        self.model.load_state_dict(self._best_weights)
        return self.model.eval()

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values from which `load_state_dict` goes on, to the last bit."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "best_return": self.best_return,
            # The best epoch is most often the last one: no need to store its weights twice.
            "best_weights": self._best_weights if self.best_epoch != self.epoch else {},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]
        self.best_epoch = state["best_epoch"]
        self.best_return = state["best_return"]
        best = self.model.state_dict() if self.best_epoch == self.epoch else state["best_weights"]
        self._best_weights = _copy(best)


def _copy(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in weights.items()}


def fit(training: Training, splits: Splits, until: int) -> Iterator[EpochMetrics]:
    """Advance `training` to epoch `until`, yielding after every epoch.

    Raises:
        Diverged: when a loss is NaN or infinite at an epoch's end.
    """
    beta = training.trial.configuration.beta
    while training.epoch < until:
        started = time.perf_counter()
        epoch = training.epoch + 1
        train = _train_one_epoch(training, splits, epoch)
        trained = time.perf_counter()
        val = evaluate(training.model, splits.val, training.trial.seed)
        if not (math.isfinite(train.loss(beta)) and math.isfinite(val.loss(beta))):
            raise Diverged(f"the loss of epoch {epoch} is not finite")
        metrics = EpochMetrics(
            epoch=epoch,
            train=train,
            val=val,
            seconds=time.perf_counter() - started,
            images_per_second=len(splits.train) / (trained - started),
        )
        training.epoch = epoch
        training.keep_if_best(metrics)
        yield metrics


def _train_one_epoch(training: Training, splits: Splits, epoch: int) -> Terms:
    """One pass over the training images; nothing in a step waits for its result."""
    configuration: Configuration = training.trial.configuration
    model, optimizer, device = training.model, training.optimizer, training.device
    seed, n_images = training.trial.seed, len(splits.train)
    order = torch.randperm(n_images, generator=generator(seed, "order", epoch)).to(device)
    noise_source = generator(seed, "noise", epoch, device)
    data_source = generator(seed, "data", epoch, device)
    totals = Totals(device)

    model.train()
    for indices in order.split(configuration.batch_size):
        x = splits.train.training_batch(indices, data_source)
        noise = torch.randn(model.noise_shape(len(indices)), generator=noise_source, device=device)
        terms = model.training_terms(x, noise)
        loss = _loss(*terms, beta=configuration.beta)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        totals.add(terms)
    return totals.means(n_images)


def _loss(
    reconstruction: Tensor, kl: Tensor, bound: Tensor | None = None, *, beta: float
) -> Tensor:
    """What a step minimises: the batch's mean of what `Terms.loss` is of an epoch."""
    return (reconstruction + beta * kl).mean() if bound is None else bound.mean()
