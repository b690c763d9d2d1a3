"""Training: `fit` yields one `EpochMetrics` after another and knows nothing of who listens."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from vae.configuration import Trial
from vae.errors import Diverged
from vae.evaluation.terms import Terms, Totals, evaluate
from vae.layers import Shape
from vae.model import VAE, fresh_model, start_at_data
from vae.objectives import minimised
from vae.optimizer import Optimizer, set_learning_rate
from vae.randomness import derived_seed, generator, global_generator
from vae.schedules import Pace
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
        scheduled: `lr` and `beta` of the epoch's last step, those that a schedule moves
    """

    epoch: int
    train: Terms
    val: Terms
    seconds: float
    images_per_second: float
    scheduled: Mapping[str, float] = field(default_factory=dict)


class Training:
    """The whole state of a training: what a checkpoint holds is all there is."""

    def __init__(self, trial: Trial, shape: Shape, device: str = "cpu") -> None:
        """Start `trial` on images of `shape` (channels, height, width) from epoch 0."""
        self.trial = trial
        self.device = torch.device(device)
        seed = derived_seed(trial.seed, "initialisation")
        self.model = fresh_model(trial.configuration, shape, seed).to(self.device)
        configuration = trial.configuration
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer: Optimizer = configuration.component("optimizer").make(
            self.parameters, configuration.lr, configuration.weight_decay
        )
        self.pace = Pace.of(configuration)
        self.epoch = 0
        self.best_epoch = 0
        self.best_return = -math.inf
        self._best_weights: dict[str, Tensor] = {}

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to train: the last epoch is over, or patience has ended."""
        configuration = self.trial.configuration
        waited = self.epoch - self.best_epoch
        return self.epoch >= configuration.epochs or 0 < configuration.patience <= waited

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
    """Advance `training` to epoch `until`, or to where it is over, yielding after every epoch.

    Raises:
        Diverged: when a loss is NaN or infinite at an epoch's end.
    """
    if training.epoch == 0:
        start_at_data(training.model, splits.train)
    while training.epoch < until and not training.is_over:
        started = time.perf_counter()
        epoch, seed = training.epoch + 1, training.trial.seed
        with global_generator(seed, "layers", epoch, training.device):
            train, lr, beta = _train_one_epoch(training, splits, epoch)
            trained = time.perf_counter()
            val = evaluate(training.model, splits.val, seed, beta)
        if not (math.isfinite(train.loss(beta)) and math.isfinite(val.loss(beta))):
            raise Diverged(f"the loss of epoch {epoch} is not finite")
        metrics = EpochMetrics(
            epoch=epoch,
            train=train,
            val=val,
            seconds=time.perf_counter() - started,
            images_per_second=len(splits.train) / (trained - started),
            scheduled=training.pace.scheduled(lr, beta),
        )
        training.epoch = epoch
        training.keep_if_best(metrics)
        yield metrics


def _train_one_epoch(training: Training, splits: Splits, epoch: int) -> tuple[Terms, float, float]:
    """One pass over the training images; nothing in a step waits for its result.

    Returns: means over the images; the learning rate and β of the last step.
    """
    configuration = training.trial.configuration
    model, optimizer, device = training.model, training.optimizer, training.device
    seed, n_images, pace = training.trial.seed, len(splits.train), training.pace
    order = torch.randperm(n_images, generator=generator(seed, "order", epoch)).to(device)
    noise_source = generator(seed, "noise", epoch, device)
    data_source = generator(seed, "data", epoch, device)
    totals, batches = Totals(device), order.split(configuration.batch_size)
    lr, beta = pace.lr, pace.beta

    model.train()
    for i, indices in enumerate(batches):
        if pace.moves:
            lr, beta = pace.at(epoch - 1 + i / len(batches))
            set_learning_rate(optimizer, lr)
        x = splits.train.training_batch(indices, data_source)
        noise = torch.randn(model.noise_shape(len(indices)), generator=noise_source, device=device)
        terms = model.training_terms(x, noise, beta)
        loss = minimised(terms, beta)
        optimizer.zero_grad()
        loss.mean().backward()
        if configuration.grad_clip:
            nn.utils.clip_grad_norm_(training.parameters, configuration.grad_clip)
        optimizer.step()
        # The epoch's mean of a loss whose β moves does not follow from those of its terms.
        totals.add((*terms[:2], loss) if pace.beta_factor else terms)
    return totals.means(n_images), lr, beta
