"""Weighted sums of means, whichever values are missing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.analysis.contrast import Contrast, Contrasts
from experiments.analysis.inference import LEVEL
from tests.analysis.test_noise import holes

SEEDS = st.integers(0, 10_000)
HALVES = np.array([0.5, 0.5, -0.5, -0.5])
"""An axis of two values, crossed with another."""


def one_group(table: np.ndarray) -> Contrasts:
    return Contrasts(table, np.zeros(len(table), dtype=int))


@given(SEEDS)
def test_of_a_complete_table_it_is_the_difference_of_means(seed: int) -> None:
    table = np.random.default_rng(seed).normal(size=(4, 5))
    found = one_group(table).of(HALVES)
    assert found.value == pytest.approx(table[:2].mean() - table[2:].mean())


@given(SEEDS)
def test_the_effects_of_seeds_are_taken_away_whatever_is_missing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    means, effects = rng.normal(0, 10, 4), rng.normal(0, 30, 6)
    noise = 0.1 * rng.normal(size=(4, 6))
    found = one_group(holes(rng, means[:, None] + effects + noise)).of(HALVES)
    assert found.value == pytest.approx(HALVES @ means, abs=0.6)
    assert found.error < 0.6


@given(SEEDS)
def test_a_group_has_effects_of_seeds_of_its_own(seed: int) -> None:
    """In one data set the seed that is easy in another may be hard."""
    rng = np.random.default_rng(seed)
    table, group = holes(rng, rng.normal(size=(4, 5))), np.array([0, 1, 0, 1])
    found = Contrasts(table, group).of(HALVES)
    shifted = table + 100 * np.outer(group, rng.normal(size=5))
    again = Contrasts(shifted, group).of(HALVES)
    assert (again.value, again.error) == pytest.approx((found.value, found.error), nan_ok=True)


@given(st.floats(-10, 10), st.floats(0.01, 10), st.floats(1, 50))
def test_p_and_the_interval_say_the_same(value: float, error: float, freedom: float) -> None:
    contrast = Contrast(value, error, freedom)
    low, high = contrast.interval
    assert (contrast.p < LEVEL) == (low > 0 or high < 0)
    assert low < value < high


def test_what_is_the_same_to_the_last_bit_differs_by_nothing() -> None:
    rows = np.random.default_rng(0).normal(size=(2, 5))
    found = one_group(np.vstack([rows, rows])).of(HALVES)
    assert (found.value, found.error, found.p) == (0, 0, 1)
    assert found.interval == (0, 0)


@pytest.mark.parametrize("n_seeds", [1, 4])
def test_without_noise_nothing_is_claimed(n_seeds: int) -> None:
    """Of one seed nothing is known of it; where all differ by constants, there seems to be none."""
    table = np.array([[3.0], [2.0], [1.0], [0.0]]) + np.arange(n_seeds)
    found = one_group(table).of(HALVES)
    assert found.value == pytest.approx(2)
    assert math.isnan(found.error) and math.isnan(found.p)


def test_intervals_allow_for_luck_that_encoders_share() -> None:
    """All that have one encoder start from the same weights: their noise does not average out."""
    rng = np.random.default_rng(0)
    n_experiments, covered = 500, 0
    for _ in range(n_experiments):
        shared = rng.normal(size=(2, 5)).repeat(2, axis=0)
        low, high = one_group(holes(rng, shared + rng.normal(size=(4, 5)), 0.2)).of(HALVES).interval
        covered += low < 0 < high
    assert covered / n_experiments > 0.9, "0.87 if every value were noise of its own"
