"""How many seeds a question needs."""

from __future__ import annotations

import numpy as np
from scipy.special import nctdtr, ndtr, stdtrit

from experiments.analysis.inference import Decision
from experiments.analysis.noise import PRIOR_FREEDOM

POWER = 0.8
"""The chance that so many seeds show a difference of the size asked about."""

MOST_SEEDS = 10_000
"""Where a search for them ends."""


def seeds_needed(decision: Decision, effect: float | np.ndarray) -> np.ndarray:
    """How many seeds would show a true difference of `effect` to the reference, with `POWER`.

    At the noise that the table has and with the correction that is left, if all configurations
    had so many seeds. Source of the question: Colas et al. 2018, How many random seeds?

    Returns:
        Of each configuration, `MOST_SEEDS` where more are needed, NaN where nothing is known
    """
    noise, reference = decision.noise, decision.differences.reference
    variance = noise.variance + noise.variance[reference]
    squares = np.square(noise.variance) + noise.variance[reference] ** 2
    low, high = np.full(len(variance), 2), np.full(len(variance), MOST_SEEDS)
    while (high - low > 1).any():
        middle = (low + high) // 2
        enough = _power(decision, effect, middle, variance, squares) >= POWER
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(np.isnan(variance) | np.isnan(decision.left), np.nan, high)


def _power(
    decision: Decision,
    effect: float | np.ndarray,
    n: np.ndarray,
    variance: np.ndarray,
    squares: np.ndarray,
) -> np.ndarray:
    n_distinct = int(decision.noise.distinct.sum())
    total = (n_distinct - 1) * (n - 1.0)
    own = PRIOR_FREEDOM + total / n_distinct
    freedom = np.minimum(np.square(variance) * own / squares, total)
    critical = stdtrit(freedom, 1 - decision.level / 2 / decision.left)
    return 1 - _noncentral_t(freedom, effect / np.sqrt(variance / n), critical)


def _noncentral_t(freedom: np.ndarray, shift: np.ndarray, t: np.ndarray) -> np.ndarray:
    """P(T < t), also where SciPy's own is NaN: far from the middle, as 23 seeds of a large effect.

    Source of the approximation there: Abramowitz & Stegun 1964, 26.7.10.
    """
    exact = nctdtr(freedom, shift, t)
    near = ndtr((t * (1 - 1 / (4 * freedom)) - shift) / np.sqrt(1 + np.square(t) / (2 * freedom)))
    return np.asarray(np.where(np.isnan(exact), near, exact))
