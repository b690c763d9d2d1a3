"""Every metric of a trial, once: its name, unit, direction, split and what it compares across."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vae.components.registry import check_name
from vae.configuration import NLL_FIELDS, RETURN_SCALE_FIELDS
from vae.errors import BadInput


class Direction(StrEnum):
    """Which way a metric is better; a metric without a direction ranks nothing."""

    HIGHER = "higher"
    LOWER = "lower"
    NONE = "none"


@dataclass(frozen=True)
class Metric:
    """A metric of a trial, under its name in MLflow.

    Attributes:
        unit: as a label of an axis shows it
        split: the images it is of: train, val, test; empty for what is of none
        scale: the columns of trials that change what it measures: values are compared only where
            all of these agree
        aggregate: its name on a configuration run; empty where it is not aggregated there
        final: logged once, at a trial's end, rather than every epoch
    """

    name: str
    unit: str
    direction: Direction
    split: str
    scale: tuple[str, ...] = (*RETURN_SCALE_FIELDS, "yardstick")
    aggregate: str = ""
    final: bool = True

    @property
    def ranks(self) -> bool:
        """Whether configurations may be compared by it."""
        return self.direction is not Direction.NONE

    @property
    def lower_is_better(self) -> bool:
        return self.direction is Direction.LOWER

    @property
    def compares_losses(self) -> bool:
        """Whether it means the same for every loss and transform."""
        return "loss" not in self.scale

    @property
    def sign(self) -> int:
        """1 where higher is better, −1 where lower is: times a value, higher is better."""
        return -1 if self.lower_is_better else 1


_NATS = "nats per image"
_HIGHER, _LOWER, _NONE = Direction.HIGHER, Direction.LOWER, Direction.NONE
_NLL_SCALE = ("dataset", "yardstick", *NLL_FIELDS)
_LATENT_SCALE = ("dataset",)

_TABLE = (
    Metric("return", _NATS, _HIGHER, "val", aggregate="return"),
    Metric("best_epoch", "epochs", _NONE, ""),
    Metric("test/return", _NATS, _HIGHER, "test"),
    Metric("test/reconstruction", _NATS, _LOWER, "test"),
    Metric("test/kl", _NATS, _LOWER, "test"),
    Metric("val/nll", _NATS, _LOWER, "val", scale=_NLL_SCALE, aggregate="val/nll"),
    Metric("test/nll", _NATS, _LOWER, "test", scale=_NLL_SCALE, aggregate="nll"),
    Metric("test/bits_per_dim", "bits per dimension", _LOWER, "test", scale=_NLL_SCALE),
    Metric("test/active_units", "latent dimensions", _HIGHER, "test", scale=_LATENT_SCALE),
    Metric("test/mutual_information", "nats", _HIGHER, "test", scale=_LATENT_SCALE),
    Metric("test/nll_gap", _NATS, _LOWER, "test", scale=_NLL_SCALE),
    Metric("test/bound_gap", _NATS, _LOWER, "test", scale=_NLL_SCALE),
    Metric("test/probe_accuracy", "share of images", _HIGHER, "test", scale=_LATENT_SCALE),
    Metric("test/knn_accuracy", "share of images", _HIGHER, "test", scale=_LATENT_SCALE),
    Metric("train/loss", _NATS, _LOWER, "train", final=False),
    Metric("train/reconstruction", _NATS, _LOWER, "train", final=False),
    Metric("train/kl", _NATS, _LOWER, "train", final=False),
    Metric("val/loss", _NATS, _LOWER, "val", final=False),
    Metric("val/reconstruction", _NATS, _LOWER, "val", final=False),
    Metric("val/kl", _NATS, _LOWER, "val", final=False),
    Metric("val/return", _NATS, _HIGHER, "val", final=False),
    Metric("lr", "", _NONE, "", final=False),
    Metric("beta", "", _NONE, "", final=False),
    Metric("epoch_seconds", "seconds", _NONE, "", final=False),
    Metric("images_per_second", "images per second", _NONE, "train", final=False),
)

METRICS = {metric.name: metric for metric in _TABLE}
"""By name."""


def find_metric(name: str) -> Metric:
    """The metric of that name; BadInput that lists the names if there is none."""
    return METRICS[check_name(METRICS, name, "metric")]


def find_criterion(name: str) -> Metric:
    """A metric by which trials rank.

    Raises:
        BadInput: for an unknown name, or one that is better neither high nor low, or one of every
            epoch.
    """
    criteria = {m.name: m for m in _TABLE if m.ranks and m.final}
    if name in METRICS and name not in criteria:
        why = "nothing is better for it" if METRICS[name].final else "has a value every epoch"
        raise BadInput(f"'{name}' ranks no trials: {why}; should be one of {', '.join(criteria)}")
    return criteria[check_name(criteria, name, "metric")]


FINAL_METRICS = tuple(metric.name for metric in _TABLE if metric.final)
"""Names of what a finished trial has, in the order of the columns of `trials.csv`."""

AGGREGATED = {metric.aggregate: metric.name for metric in _TABLE if metric.aggregate}
"""Name on a configuration run, name on its trials."""

CURVE = "val/return"
"""The metric whose mean over seeds is drawn epoch by epoch on a configuration run."""

MEAN_CURVE = f"{CURVE}.mean"
"""Its name there."""

YARDSTICK = "test/nll"
"""The metric that compares configurations across losses and transforms."""

DECISION_METRICS = {"return": "return", "nll": "val/nll"}
"""What may choose, by its name in an experiment file: nothing of the test set."""
