from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.analysis.comparison import compare
from experiments.analysis.statistics import holm, interquartile_mean, summarize, t_interval


def trials(*rows: tuple[str, int, str, float]) -> pd.DataFrame:
    """A frame as `load_trials` returns it: (encoder, seed, state, return) of each trial."""
    from vae.configuration import Configuration

    records = []
    for encoder, seed, state, value in rows:
        configuration = Configuration(encoder=encoder)
        records.append(
            {
                "trial_id": f"{encoder}{seed}",
                "configuration_id": configuration.id,
                "seed": seed,
                "state": state,
                "error": "",
                **configuration.model_dump(),
                "return": value,
            }
        )
    return pd.DataFrame(records)


GOLDEN = trials(
    ("mlp1", 0, "finished", -30.0),
    ("mlp1", 1, "finished", -32.0),
    ("mlp1", 2, "finished", -31.0),
    ("mlp3", 0, "finished", -28.0),
    ("mlp3", 1, "failed", math.nan),
    ("conv", 0, "missing", math.nan),
)


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


# ------------------------------------------------------------------ two configurations


def grid(
    rng: np.random.Generator, n_configurations: int, n_seeds: int, effect: float = 0.0
) -> pd.DataFrame:
    """Trials whose seeds share luck; every configuration but the first is worse by `effect`."""
    from vae.configuration import Configuration

    luck = rng.normal(size=n_seeds)
    records = []
    for k in range(n_configurations):
        configuration = Configuration(latent_dim=k + 1)
        for seed in range(n_seeds):
            value = luck[seed] + rng.normal() - (effect if k else 0)
            records.append(
                {
                    "configuration_id": configuration.id,
                    "seed": seed,
                    "state": "finished",
                    **configuration.model_dump(),
                    "return": value,
                }
            )
    return pd.DataFrame(records)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_interval_covers_the_mean_in_95_of_100_experiments(n: int) -> None:
    rng = np.random.default_rng(n)
    n_experiments = 20_000
    values = rng.normal(loc=3, scale=2, size=(n_experiments, n))
    covered = sum(low <= 3 <= high for low, high in map(t_interval, values))
    assert covered / n_experiments == pytest.approx(0.95, abs=0.015)


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


def test_holm_by_hand() -> None:
    p = np.array([0.01, 0.04, 0.03, math.nan])
    assert holm(p)[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert math.isnan(holm(p)[3])
    assert holm(np.array([0.9, 0.8])).max() == 1


@pytest.mark.parametrize("n", [3, 4, 5, 8, 11])
def test_the_interquartile_mean_is_scipy_s(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))


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
