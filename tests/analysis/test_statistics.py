from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.analysis.statistics import holm, interquartile_mean, summarize, t_interval
from tests.analysis.frames import GOLDEN, trials


def test_a_table_computed_by_hand() -> None:
    summary = summarize(GOLDEN)
    assert list(summary["encoder"]) == ["mlp1", "mlp3", "conv"], "a survivor does not rank first"
    assert list(summary["n_finished"]) == [3, 1, 0]
    assert list(summary["n_expected"]) == [3, 2, 1]
    mlp1 = summary.iloc[0]
    assert mlp1["return.mean"] == -31
    assert mlp1["return.std"] == 1
    half_width = 4.302652729911275 / math.sqrt(3)  # Student's t, 2 degrees of freedom, 97.5 %
    assert mlp1["return.ci95_low"] == pytest.approx(-31 - half_width)
    assert mlp1["return.ci95_high"] == pytest.approx(-31 + half_width)
    assert (mlp1["return.min"], mlp1["return.max"]) == (-32, -30)


def test_one_seed_has_a_mean_and_no_spread() -> None:
    row = summarize(GOLDEN).iloc[1]
    assert row["return.mean"] == -28
    assert math.isnan(row["return.std"])
    assert math.isnan(row["return.ci95_low"])


def test_an_unfinished_trial_s_number_does_not_count() -> None:
    frame = trials(("mlp1", 0, "finished", -1.0), ("mlp1", 1, "pruned", -9.0))
    assert summarize(frame).iloc[0]["return.mean"] == -1


def test_row_order_does_not_matter() -> None:
    for seed in range(5):
        shuffled = GOLDEN.sample(frac=1, random_state=seed)
        pd.testing.assert_frame_equal(summarize(GOLDEN), summarize(shuffled))


def test_losses_rank_the_other_way() -> None:
    frame = GOLDEN.assign(**{"test/kl": GOLDEN["return"]})
    assert list(summarize(frame, ["test/kl"])["encoder"]) == ["mlp1", "mlp3", "conv"]


@pytest.mark.parametrize("n", [2, 3, 10])
def test_the_interval_is_scipy_s(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    expected = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert t_interval(values) == pytest.approx(expected)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_interval_covers_the_mean_in_95_of_100_experiments(n: int) -> None:
    rng = np.random.default_rng(n)
    n_experiments = 20_000
    values = rng.normal(loc=3, scale=2, size=(n_experiments, n))
    covered = sum(low <= 3 <= high for low, high in map(t_interval, values))
    assert covered / n_experiments == pytest.approx(0.95, abs=0.015)


def test_holm_by_hand() -> None:
    p = np.array([0.01, 0.04, 0.03, math.nan])
    assert holm(p)[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert math.isnan(holm(p)[3])
    assert holm(np.array([0.9, 0.8])).max() == 1


@pytest.mark.parametrize("n", [3, 4, 5, 8, 11])
def test_the_interquartile_mean_is_scipy_s(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))
