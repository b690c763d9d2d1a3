"""One table of metrics: which way is better, and what may be compared."""

from __future__ import annotations

import pytest

from experiments.metrics import (
    AGGREGATED,
    CURVE,
    DECISION_METRICS,
    FINAL_METRICS,
    METRICS,
    YARDSTICK,
    find_metric,
)  # fmt: skip
from vae.errors import BadInput


def test_nothing_is_decided_by_the_test_set() -> None:
    for name in DECISION_METRICS.values():
        assert METRICS[name].split == "val"
        assert METRICS[name].ranks


def test_which_way_is_better() -> None:
    better = {name: m.direction.value for name, m in METRICS.items()}
    assert better["return"] == better["test/return"] == better["val/return"] == "higher"
    assert better["test/nll"] == better["val/nll"] == better["train/loss"] == "lower"
    assert better["best_epoch"] == better["epoch_seconds"] == "none"
    for metric in METRICS.values():
        assert (metric.sign == -1) == metric.lower_is_better


def test_the_yardstick_alone_compares_losses() -> None:
    across = {name for name, metric in METRICS.items() if metric.compares_losses}
    assert {"val/nll", "test/nll", "test/bits_per_dim"} <= across
    assert YARDSTICK in across
    assert across.isdisjoint({"return", "test/return", "test/reconstruction", "val/loss"})


def test_what_is_aggregated_exists_and_is_final() -> None:
    assert set(AGGREGATED.values()) <= set(FINAL_METRICS)
    assert not METRICS[CURVE].final


def test_an_unknown_metric_is_told_with_the_choices() -> None:
    with pytest.raises(BadInput, match="did you mean 'test/nll'"):
        find_metric("test/nl")
