"""Means, seed effects and moderated variances of a table with holes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.analysis.noise import PRIOR_FREEDOM, fit, noise_of, twins

NAN = np.nan


def holes(rng: np.random.Generator, table: np.ndarray, share: float = 0.4) -> np.ndarray:
    """Some values missing, though none of the first configuration's or the first seed's."""
    missing = rng.random(table.shape) < share
    missing[0], missing[:, 0] = False, False
    return np.where(missing, NAN, table)


SEEDS = st.integers(0, 10_000)


@given(SEEDS)
def test_what_is_a_mean_plus_a_seed_s_effect_is_recovered_whatever_is_missing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    means, effects = rng.normal(0, 10, 5), rng.normal(0, 3, 6)
    fitted = fit(holes(rng, means[:, None] + effects))
    assert fitted.means == pytest.approx(means + effects.mean())
    assert fitted.residuals == pytest.approx(np.zeros((5, 6)), abs=1e-9)


@given(SEEDS)
def test_every_value_is_worth_a_degree_of_freedom_less_what_was_fitted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = holes(rng, rng.normal(size=(5, 6)))
    n_values = np.isfinite(table).sum()
    assert fit(table).freedom.sum() == pytest.approx(n_values - 5 - 6 + 1)


@given(SEEDS)
def test_a_configuration_without_values_changes_nothing(seed: int) -> None:
    """Nor does it matter by which of two ways a complete table is fitted."""
    table = np.random.default_rng(seed).normal(size=(4, 5))
    whole, fitted = fit(table), fit(np.vstack([table, np.full(5, NAN)]))
    assert fitted.means[:4] == pytest.approx(whole.means)
    assert fitted.residuals[:4] == pytest.approx(whole.residuals)
    assert fitted.freedom == pytest.approx([*whole.freedom, 0])
    assert np.isnan(fitted.means[4])


@pytest.mark.parametrize("table", [np.zeros((3, 1)), np.ones((1, 4)), np.full((2, 3), NAN)])
def test_of_one_seed_one_configuration_or_no_value_no_noise_is_known(table: np.ndarray) -> None:
    noise = noise_of(table)
    assert np.isnan(noise.variance).all()
    assert noise.total == 0


def test_rounding_is_no_noise() -> None:
    """Else what differs by a constant in every seed would be certain to the 16th digit."""
    first = np.array([-100.1, -101.7, -99.3])
    assert np.isnan(noise_of(np.vstack([first, first - 0.3, first - 7.9])).variance).all()


@given(SEEDS, st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_variances_are_in_squared_units(seed: int, unit: float, zero: float) -> None:
    rng = np.random.default_rng(seed)
    table = holes(rng, rng.normal(size=(5, 6)))
    noise, scaled = noise_of(table), noise_of(-unit * table + zero)
    assert scaled.variance == pytest.approx(unit**2 * noise.variance, rel=1e-6)
    assert scaled.freedom == pytest.approx(noise.freedom)


def test_a_variance_lies_between_its_own_and_what_is_common() -> None:
    rng = np.random.default_rng(0)
    sd = np.array([1, 1, 1, 1, 1, 1, 3])[:, None]
    table = sd * rng.normal(size=(7, 4))
    fitted, noise = fit(table), noise_of(table)
    own = np.square(fitted.residuals).sum(axis=1) / fitted.freedom
    assert own.argmax() == noise.variance.argmax() == 6
    assert noise.variance[6] < own[6]
    assert noise.variance[own.argmin()] > own.min()
    assert noise.freedom == pytest.approx(PRIOR_FREEDOM + fitted.freedom)


def test_one_wild_configuration_does_not_blind_the_others() -> None:
    rng = np.random.default_rng(0)
    tables = rng.normal(size=(50, 11, 5)) * np.array([1.0] * 10 + [10])[:, None]
    quiet = np.mean([noise_of(table).variance[:10].mean() for table in tables])
    assert 1 < quiet < 3


@given(SEEDS)
def test_twins_count_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(4, 5))
    twin = np.where([False, True, False, True, False], NAN, table[2])
    noise, doubled = noise_of(table), noise_of(np.vstack([twin, table]))
    assert doubled.variance == pytest.approx(noise.variance[[2, 0, 1, 2, 3]])
    assert doubled.total == pytest.approx(noise.total)
    assert list(doubled.distinct) == [False, True, True, True, True]


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ([[1, 2], [1, 2], [2, 1]], [0, 0, 2]),
        ([[1, 2, NAN], [1, 2, 3]], [1, 1]),  # the one with most values stands for both
        ([[1, NAN], [1, 2]], [0, 1]),  # one value in common may be chance
        ([[1, 2, NAN], [NAN, NAN, 3]], [0, 1]),
        ([[1, 2, 3], [1, 2, 4]], [0, 1]),  # of code that was changed in between
        ([[NAN, NAN], [NAN, NAN]], [0, 1]),
    ],
)
def test_who_are_twins(table: Any, found: list[int]) -> None:
    assert list(twins(np.array(table, dtype=float))) == found
