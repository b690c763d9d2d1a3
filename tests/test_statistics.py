from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.statistics import summarize, t_interval


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
    assert list(summary["encoder"]) == ["mlp3", "mlp1", "conv"]
    assert list(summary["n_finished"]) == [1, 3, 0]
    assert list(summary["n_expected"]) == [2, 3, 1]
    mlp1 = summary.iloc[1]
    assert mlp1["return.mean"] == -31
    assert mlp1["return.std"] == 1
    half_width = 4.302652729911275 / math.sqrt(3)  # Student's t, 2 degrees of freedom, 97.5 %
    assert mlp1["return.ci95_low"] == pytest.approx(-31 - half_width)
    assert mlp1["return.ci95_high"] == pytest.approx(-31 + half_width)
    assert (mlp1["return.min"], mlp1["return.max"]) == (-32, -30)


def test_one_seed_has_a_mean_and_no_spread() -> None:
    row = summarize(GOLDEN).iloc[0]
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
