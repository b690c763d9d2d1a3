"""Verdicts of a table: what is tested, against whom, and corrected for how much."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.analysis.inference import (
    LEVEL,
    UNKNOWN,
    Decision,
    decide,
    differences,
    step_down,
)
from experiments.analysis.noise import noise_of
from experiments.analysis.statistics import holm

NAN = np.nan
SEEDS = st.integers(0, 10_000)
P_VALUES = st.lists(st.floats(0, 1) | st.floats(0, 0.02), max_size=8).map(np.array)


def noisy(seed: int, *means: float, n_seeds: int = 6, missing: float = 0.0) -> np.ndarray:
    """Values whose seeds share luck; a share of them is missing."""
    rng = np.random.default_rng(seed)
    table = np.array(means)[:, None] + rng.normal(size=(len(means), n_seeds))
    table = table + rng.normal(0, 3, n_seeds)
    return np.where(rng.random(table.shape) < missing, NAN, table)


def verdicts(
    table: np.ndarray, control: int | None = None, within: float | None = None
) -> Decision:
    everybody = np.ones(len(table), dtype=bool)
    return decide(table, everybody, everybody, control, within)


@given(SEEDS, st.integers(3, 9))
def test_of_two_it_is_the_paired_t_test(seed: int, n_seeds: int) -> None:
    table = noisy(seed, 0, 1, n_seeds=n_seeds)
    found = differences(table, noise_of(table), 0)
    expected = stats.ttest_rel(table[1], table[0])
    assert found.p[1] == pytest.approx(expected.pvalue)
    low, high = found.interval()
    assert (low[1], high[1]) == pytest.approx(tuple(expected.confidence_interval()))


@given(SEEDS)
def test_it_does_not_matter_which_of_two_is_the_reference(seed: int) -> None:
    table = noisy(seed, 0, 1, -1, 3, missing=0.3)
    noise = noise_of(table)
    there, back = differences(table, noise, 0), differences(table, noise, 2)
    assert there.mean[2] == pytest.approx(-back.mean[0], nan_ok=True)
    assert there.p[2] == pytest.approx(back.p[0], nan_ok=True)


@given(P_VALUES)
def test_against_one_that_was_chosen_beforehand_the_correction_is_holm_s(p: np.ndarray) -> None:
    corrected, _ = step_down(p, all_pairs=False, level=LEVEL)
    assert corrected == pytest.approx(holm(p))


@given(P_VALUES, st.booleans(), st.randoms(use_true_random=False))
def test_corrected_p_values_keep_their_order_and_know_no_other(
    p: np.ndarray, all_pairs: bool, random: object
) -> None:
    corrected, left = step_down(p, all_pairs, LEVEL)
    assert (corrected >= p).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()
    shuffled = np.random.default_rng(len(p)).permutation(len(p))
    again, _ = step_down(p[shuffled], all_pairs, LEVEL)
    assert sorted(again) == pytest.approx(sorted(corrected))
    claimed = corrected < LEVEL
    assert len(set(left[~claimed])) <= 1, "those without a claim were tested together"
    assert all(left[i] * p[i] < LEVEL for i in np.flatnonzero(claimed))


def test_when_the_best_was_found_by_looking_all_pairs_count() -> None:
    """Of four: the first among 6 pairs, the next among the 3 of those that are left."""
    corrected, left = step_down(np.array([0.02, 0.001, 0.5]), all_pairs=True, level=LEVEL)
    assert corrected == pytest.approx([0.06, 0.006, 0.5])
    assert list(left) == [3, 6, 3]


@given(SEEDS)
def test_nobody_is_better_than_the_best_and_the_best_has_the_highest_mean(seed: int) -> None:
    table = noisy(seed, 0, 0, -2, -9)
    decision = verdicts(table)
    assert decision.differences.reference == table.mean(axis=1).argmax()
    assert list(decision.verdict).count("best") == 1
    assert set(decision.verdict) <= {"best", "worse", UNKNOWN}


@given(SEEDS)
def test_against_a_control_better_and_worse_are_the_same_question(seed: int) -> None:
    table = noisy(seed, 0, 0, -9, 9, missing=0.1)
    swapped = {"better": "worse", "worse": "better"}
    there, back = verdicts(table, control=0), verdicts(-table, control=0)
    assert [swapped.get(v, v) for v in back.verdict] == list(there.verdict)
    assert there.verdict[0] == "control"


@pytest.mark.parametrize(("control", "n_comparisons"), [(None, 6), (0, 3)])
def test_a_control_needs_no_correction_for_pairs_that_nobody_asked_about(
    control: int | None, n_comparisons: int
) -> None:
    decision = verdicts(noisy(0, 0, -1, -2, -2), control)
    smallest = np.nanargmin(decision.differences.p)
    expected = n_comparisons * decision.differences.p[smallest]
    assert decision.corrected[smallest] == pytest.approx(expected)
    assert expected < LEVEL


@pytest.mark.parametrize("n_seeds", [1, 2, 3])
def test_one_seed_makes_no_claim_and_two_only_what_is_beyond_doubt(n_seeds: int) -> None:
    table = noisy(3, 0, -9, 0, 0, 0, 0, 0, n_seeds=n_seeds)
    decision = verdicts(table, control=0)
    found = decision.differences.p[1]
    if n_seeds == 1:
        assert np.isnan(found)
    else:
        assert found < LEVEL / 6, "three seeds would do"
    assert decision.verdict[1] == ("worse" if n_seeds == 3 else UNKNOWN)


def test_no_seed_in_common_no_claim() -> None:
    table = noisy(0, 0, -50, -50, 0)
    table[0, 3:] = NAN
    table[1, :3] = NAN
    decision = verdicts(table, control=0)
    assert (decision.differences.n_pairs[1], decision.verdict[1]) == (0, UNKNOWN)
    assert np.isnan(decision.corrected[1])
    assert decision.verdict[2] == "worse"


@given(SEEDS, st.floats(0.05, 3))
def test_equal_is_where_the_interval_lies_within_the_bound(seed: int, bound: float) -> None:
    """By two one-sided tests, so the interval is that of twice the level, corrected."""
    decision = verdicts(noisy(seed, 0, 0.3, 0, 0, 0), control=0, within=bound)
    low, high = decision.differences.interval(1 - 2 * LEVEL / decision.left[1])
    inside = -bound < low[1] and high[1] < bound
    assert (decision.verdict[1] == "equal") == inside


@given(SEEDS)
def test_a_wider_bound_leaves_equal_what_was_equal(seed: int) -> None:
    table = noisy(seed, 0, 0, -1, -5, n_seeds=8)
    before = np.zeros(4, dtype=bool)
    for bound in (0.5, 1, 2, 4, 100):
        equal = verdicts(table, within=bound).verdict == "equal"
        assert (equal >= before).all()
        before = equal
    assert before.sum() == 3


def test_twins_share_a_verdict_and_are_tested_once() -> None:
    table = noisy(2, 0, -8, 0.1)
    alone, doubled = verdicts(table), verdicts(np.vstack([table, table[1], table[:1]]))
    best = alone.differences.reference
    assert doubled.verdict[1] == doubled.verdict[3] == "worse"
    assert doubled.corrected[:3] == pytest.approx(alone.corrected, nan_ok=True)
    assert {doubled.verdict[0], doubled.verdict[4]} == (
        {"best", "identical"} if best == 0 else {alone.verdict[0]}
    )


def test_those_outside_the_family_tell_of_the_noise_alone() -> None:
    table = noisy(0, 0, -20, 5)
    family = np.array([True, True, False])
    decision = decide(table, family, family)
    assert list(decision.verdict) == ["best", "worse", ""]
    assert np.isnan(decision.corrected[2])
    assert decision.corrected[1] == pytest.approx(decision.differences.p[1]), "one pair"
    assert decision.noise.variance == pytest.approx(noise_of(table).variance)
