"""How many seeds a question needs, held against what so many seeds then show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.analysis.inference import Decision, decide
from experiments.analysis.power import MOST_SEEDS, POWER, seeds_needed


def against_the_first(table: np.ndarray) -> Decision:
    everybody = np.ones(len(table), dtype=bool)
    return decide(table, everybody, everybody, control=0)


def noise(seed: int, n_configurations: int, n_seeds: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_configurations, n_seeds))


@pytest.mark.parametrize("n_configurations", [2, 6])
def test_so_many_seeds_show_it_in_four_of_five_experiments(n_configurations: int) -> None:
    effect = 1.5
    known = against_the_first(noise(0, n_configurations, 300))
    n = int(seeds_needed(known, effect)[1])
    n_experiments, n_shown = 300, 0
    for seed in range(n_experiments):
        table = noise(seed, n_configurations, n)
        table[1] -= effect
        n_shown += against_the_first(table).verdict[1] == "worse"
    assert n_shown / n_experiments == pytest.approx(POWER, abs=0.08)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.floats(0.1, 30))
def test_a_larger_effect_needs_no_more_seeds(seed: int, effect: float) -> None:
    """However large: SciPy's noncentral t is NaN for some of them."""
    decision = against_the_first(noise(seed, 2, 4))
    larger, enormous = (seeds_needed(decision, size)[1] for size in (2 * effect, 1e9))
    assert 2 == enormous <= larger <= seeds_needed(decision, effect)[1]


def test_more_rivals_need_more_seeds() -> None:
    """Every one is a comparison more, for which p-values are corrected."""
    needed = [seeds_needed(against_the_first(noise(0, n, 300)), 0.5)[1] for n in (2, 5, 20)]
    assert needed == sorted(set(needed))


def test_no_difference_needs_more_seeds_than_anybody_has() -> None:
    assert seeds_needed(against_the_first(noise(0, 2, 4)), 0.0)[1] == MOST_SEEDS


def test_of_what_was_not_compared_nothing_is_said() -> None:
    """Of the control itself, of its twin, and of all where there was one seed."""
    table = noise(0, 3, 4)
    needed = seeds_needed(against_the_first(np.vstack([table, table[0]])), 1.0)
    assert list(np.isnan(needed)) == [True, False, False, True]
    assert np.isnan(seeds_needed(against_the_first(table[:, :1]), 1.0)).all()
