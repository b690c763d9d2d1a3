"""What a configuration run says of its trials."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from experiments.planning.results import Results, TrialOutcome
from experiments.sweep.aggregates import aggregate, mean_curve, mean_sorted, sample_grid
from experiments.tracking.run_record import State
from vae.configuration import Configuration, Trial

RETURNS = {0: 0.1, 1: 0.2, 2: 0.3, 3: -0.7}


def test_means_are_the_same_to_the_last_bit_whoever_finished_first() -> None:
    configuration, found = Configuration(), []
    for order in itertools.permutations(RETURNS):
        results = Results()
        of_one = results.ask_for(configuration, RETURNS)
        for seed in order:
            outcome = TrialOutcome(State.FINISHED, metrics={"return": RETURNS[seed]})
            results.record(Trial(configuration=configuration, seed=seed), outcome)
        found.append(aggregate(outcome.metrics for outcome in of_one.finished.values()))
    assert all(aggregates == found[0] for aggregates in found)
    in_any_order = [
        aggregate([{"return": r} for r in p]) for p in itertools.permutations([*RETURNS.values()])
    ]
    assert any(aggregates != found[0] for aggregates in in_any_order), "the values tell no order"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_counts_as_missing(bad: float) -> None:
    """In n and in its metric's mean; the trial's other metrics are as good as anybody's.

    ray#31276
    """
    finals = [
        {"return": -3.0, "test/nll": 100.0},
        {"return": -5.0, "test/nll": bad},
        {"return": -1.0, "test/nll": 104.0},
    ]
    aggregates = aggregate(finals)
    assert aggregates["n_finished"] == 2
    assert (aggregates["nll.mean"], aggregates["return.mean"]) == (102.0, -3.0)
    assert all(math.isfinite(value) for value in aggregates.values())


def test_a_metric_that_nobody_has_is_left_out() -> None:
    assert aggregate([{"return": -1.0}, {"return": -2.0}]).keys() >= {"n_finished", "return.mean"}
    assert not any(name.startswith("nll.") for name in aggregate([{"return": -1.0}]))
    assert aggregate([]) == {"n_finished": 0}


def test_the_mean_curve_has_the_epochs_that_all_seeds_have() -> None:
    curves = [[(1, 1.0), (2, 2.0), (3, 9.0)], [(1, 3.0), (2, 6.0)]]
    assert mean_curve(curves) == [(1, 2.0), (2, 4.0)]


def test_latent_dimensions_are_ranked_before_the_mean_over_seeds() -> None:
    """Which dimension carries the most, every seed decides anew."""
    assert mean_sorted([[0.0, 4.0, 1.0], [2.0, 0.0, 3.0]]) == [3.5, 1.5, 0.0]
    assert mean_sorted([]) == []


def test_the_grid_of_samples_has_the_top_row_of_each_seed() -> None:
    images = [np.full((4, 3), value, dtype=np.uint8) for value in (10, 20)]
    grid = sample_grid(images, n_rows=2)
    assert grid is not None
    np.testing.assert_array_equal(grid[:, 0], [10, 10, 20, 20])
    assert sample_grid([], n_rows=2) is None
