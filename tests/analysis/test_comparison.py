from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.analysis.comparison import compare
from experiments.analysis.statistics import summarize
from tests.analysis.frames import GOLDEN, grid, trials


def test_under_the_null_any_false_claim_is_rare() -> None:
    """12 equal configurations: the best of them is called better than any in at most 5 %."""
    rng = np.random.default_rng(0)
    n_experiments, n_false = 400, 0
    for _ in range(n_experiments):
        verdicts = compare(grid(rng, 12, 5))["verdict"]
        n_false += int((verdicts == "worse").any())
    assert n_false / n_experiments <= 0.05 + 0.015


def test_a_clear_difference_is_found() -> None:
    comparison = compare(grid(np.random.default_rng(0), 4, 8, effect=20))
    assert list(comparison["verdict"]) == ["best", "worse", "worse", "worse"]
    assert (comparison["difference"][1:] < -15).all()
    assert (comparison["difference_high"][1:] < 0).all()
    assert (comparison["p_improvement"][1:] == 1).all()


def test_too_few_seeds_make_no_claim() -> None:
    for n_seeds in (1, 2):
        verdicts = compare(grid(np.random.default_rng(0), 3, n_seeds, effect=3))["verdict"]
        assert list(verdicts) == ["best", "not distinguishable", "not distinguishable"]


def test_a_comparison_computed_by_hand() -> None:
    frame = trials(
        ("mlp1", 0, "finished", -30.0),
        ("mlp1", 1, "finished", -32.0),
        ("mlp1", 2, "finished", -31.0),
        ("mlp3", 0, "finished", -31.0),
        ("mlp3", 1, "finished", -34.0),
        ("mlp3", 2, "finished", -34.0),
    )
    best, other = compare(frame).to_dict("records")
    assert (best["encoder"], best["verdict"], best["mean"]) == ("mlp1", "best", -31)
    differences = np.array([-1.0, -2.0, -3.0])
    assert other["difference"] == -2
    assert other["effect_size"] == -2
    assert other["n_pairs"] == 3
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert other["p"] == pytest.approx(expected)
    assert other["p_corrected"] == pytest.approx(expected), "one pair, nothing to correct"
    half_width = 4.302652729911275 / math.sqrt(3)
    assert other["difference_low"] == pytest.approx(-2 - half_width)
    assert other["p_improvement"] == pytest.approx((3 + 2 + 2.5) / 9)


def test_equal_numbers_are_called_identical() -> None:
    frame = GOLDEN[GOLDEN["encoder"] == "mlp1"]
    twin = frame.assign(encoder="conv", configuration_id="twin")
    assert list(compare(pd.concat([frame, twin]))["verdict"]) == ["best", "identical"]


def test_returns_are_ranked_within_groups_and_the_yardstick_across() -> None:
    frame = pd.concat([GOLDEN, GOLDEN.assign(loss="bce", configuration_id="x" + GOLDEN["encoder"])])
    frame = frame.assign(**{"test/nll": -frame["return"]})
    assert list(compare(frame)["verdict"]).count("best") == 2
    assert list(compare(frame, "test/nll")["verdict"]).count("best") == 1


@pytest.mark.parametrize("seed", range(5))
def test_comparisons_know_neither_row_order_nor_seed_labels(seed: int) -> None:
    frame = grid(np.random.default_rng(seed), 4, 5, effect=1)
    expected = compare(frame)
    shuffled = frame.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(compare(shuffled), expected)
    relabelled = frame.assign(seed=frame["seed"].map({0: 90, 1: 7, 2: 3435, 3: 2, 4: 11}))
    pd.testing.assert_frame_equal(compare(relabelled), expected)
    pd.testing.assert_frame_equal(summarize(relabelled), summarize(frame))


def test_no_claim_against_a_configuration_that_is_ahead_wherever_both_have_run() -> None:
    """The best mean may owe itself to easy seeds that the other has not run."""
    rows = [("mlp1", s, "finished", -30.0 + (20 if s > 4 else 0) + 0.01 * s) for s in range(10)]
    rows += [("mlp3", s, "finished", -29.0 + 0.02 * s) for s in range(5)]
    best, other = compare(trials(*rows)).to_dict("records")
    assert (best["encoder"], best["verdict"]) == ("mlp1", "best")
    assert other["difference"] > 0, "it is ahead over the seeds that both have"
    assert other["verdict"] == "not distinguishable"


def test_yardsticks_of_different_length_are_not_compared() -> None:
    longer = GOLDEN.assign(nll_samples=500, configuration_id="x" + GOLDEN["encoder"])
    frame = pd.concat([GOLDEN, longer])
    frame = frame.assign(**{"test/nll": -frame["return"]})
    assert list(compare(frame, "test/nll")["verdict"]).count("best") == 2


def test_differences_that_do_not_vary_prove_nothing() -> None:
    frame = trials(
        ("mlp1", 0, "finished", 5.0),
        ("mlp1", 1, "finished", 5.0),
        ("mlp3", 0, "finished", 4.0),
        ("mlp3", 1, "finished", 4.0),
    )
    assert list(compare(frame)["verdict"]) == ["best", "not distinguishable"]


def test_what_was_pruned_is_not_tested_again() -> None:
    """It comes last, and the others' p-values are not corrected for it."""
    alone = compare(trials(*GOOD, *WORSE)).set_index("encoder")
    pruned = [("conv", seed, "finished", -1.0 - seed) for seed in range(2)]
    pruned.append(("conv", 2, "pruned", math.nan))
    comparison = compare(trials(*GOOD, *WORSE, *pruned))
    assert list(comparison["encoder"]) == ["mlp1", "mlp3", "conv"]
    assert list(comparison["verdict"])[2] == "pruned"
    row = comparison.set_index("encoder").loc["mlp3"]
    factor = row["p_corrected"] / row["p"]
    row_alone = alone.loc["mlp3"]
    assert factor == pytest.approx(row_alone["p_corrected"] / row_alone["p"])
    assert comparison.set_index("encoder").loc["conv", "verdict"] == "pruned"


GOOD = [("mlp1", seed, "finished", -30.0 + seed / 10) for seed in range(4)]
WORSE = [("mlp3", seed, "finished", -35.0 + seed / 10 + seed**2 / 100) for seed in range(4)]
