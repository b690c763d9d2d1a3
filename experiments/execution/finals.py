"""What a trial logs once, at its end: of the kept model, under the names that MLflow shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vae.evaluation.diagnostics import latent_use
from vae.evaluation.probes import probe
from vae.evaluation.terms import check_finite, evaluate
from vae.evaluation.yardstick import bits_per_dim, score
from vae.splits import Splits
from vae.training import EpochMetrics, Training


@dataclass(frozen=True)
class Finals:
    """The end of a trial.

    Attributes:
        kl: per latent dimension, in nats
    """

    metrics: Mapping[str, float]
    kl: tuple[float, ...]


def finals_of(training: Training, splits: Splits, diagnostics: bool) -> Finals:
    """Args: diagnostics: the dear ones, too"""
    model, trial = training.kept_model(), training.trial
    test = evaluate(model, splits.test, trial.seed)
    nll = nll_of(training, splits, "val", "test")
    use = latent_use(model, splits.test, trial.seed)
    metrics = {
        "return": training.best_return,
        "best_epoch": float(training.best_epoch),
        "test/return": test.episodic_return,
        "test/reconstruction": test.reconstruction,
        "test/kl": test.kl,
        **nll,
        "test/active_units": float(use.active_units),
        "test/mutual_information": use.mutual_information,
    }
    if splits.yardstick == "discretised":
        metrics["test/bits_per_dim"] = bits_per_dim(nll["test/nll"], splits.test_pixels)
    if diagnostics:
        n_samples, n_images = trial.configuration.nll_samples, trial.configuration.nll_images
        metrics |= probe(model, splits, n_samples, n_images, trial.seed, nll["test/nll"])
    check_finite(metrics)
    return Finals(metrics, use.kl)


def metric_so_far(training: Training, splits: Splits, metric: str) -> dict[str, float]:
    """What the trial would have if it ended here."""
    if metric == "return":
        return {"return": training.best_return}
    return {metric: nll_of(training, splits, "val")["val/nll"]}


def nll_of(training: Training, splits: Splits, *of: str) -> dict[str, float]:
    """The yardstick of the kept model on `val` or `test` images, or on both."""
    model, trial = training.kept_model(), training.trial
    n_samples, n_images = trial.configuration.nll_samples, trial.configuration.nll_images
    scores = score(model, splits, n_samples, n_images, trial.seed, of)
    return {f"{split}/nll": value for split, value in scores.items()}


def epoch_metrics(metrics: EpochMetrics, beta: float) -> dict[str, float]:
    """An epoch under the names that MLflow shows.

    Args:
        beta: of the configuration; where a schedule moves it, that of the epoch's end counts
    """
    beta = metrics.scheduled.get("beta", beta)
    named = {}
    for split, terms in (("train", metrics.train), ("val", metrics.val)):
        named[f"{split}/loss"] = terms.loss(beta)
        named[f"{split}/reconstruction"] = terms.reconstruction
        named[f"{split}/kl"] = terms.kl
    named["val/return"] = metrics.val.episodic_return
    named["epoch_seconds"] = metrics.seconds
    named["images_per_second"] = metrics.images_per_second
    return named | dict(metrics.scheduled)
