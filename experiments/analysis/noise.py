"""How much the values of a table vary: means, seed effects and moderated variances.

A table is `(configurations, seeds)`, higher is better, NaN where there is no value. A value is its
configuration's mean plus its seed's effect plus noise. Every configuration has noise of its own,
but its variance is moderated: shrunk to what the configurations share, which adds
`PRIOR_FREEDOM` to its degrees of freedom (Smyth, Linear models and empirical Bayes methods for
assessing differential expression, 2004). So three seeds tell what is obvious, and a
configuration that is noisier than the others is not taken for one that is not.

The constants were found by simulation: `python -m benchmarks.verdicts`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PRIOR_FREEDOM = 2.0
"""How many degrees of freedom the common variance is worth beside a configuration's own.

Fixed rather than fitted: twelve variances of three seeds say too little of how much they differ.
A larger one finds more and is wrong more often where one configuration is noisier than the rest.
"""

_MOST_WEIGHT = 3.0
"""No variance counts more than so many times the common one: a wild one does not blind the rest."""


@dataclass(frozen=True)
class Fit:
    """Means and seed effects by least squares: unbiased whichever values are missing.

    Attributes:
        means: of each configuration, as if it had all of the seeds
        residuals: `(configurations, seeds)`, 0 where there is no value
        freedom: of each configuration's residuals
    """

    means: np.ndarray
    residuals: np.ndarray
    freedom: np.ndarray


def fit(table: np.ndarray) -> Fit:
    """The model of two ways: a configuration's mean and a seed's effect (these add up to 0)."""
    known = ~np.isnan(table)
    if known.all():
        return _fit_complete(table)
    weight = known.astype(float)
    n = np.maximum(weight.sum(axis=1, keepdims=True), 1)
    values = np.where(known, table, 0.0)
    centred = np.where(known, values - values.sum(axis=1, keepdims=True) / n, 0.0)
    seeds = np.diag(weight.sum(axis=0)) - weight.T @ (weight / n)
    inverse = np.linalg.pinv(seeds, rcond=1e-10, hermitian=True)
    without = np.where(known, values - inverse @ centred.sum(axis=0), 0.0)
    means = without.sum(axis=1, keepdims=True) / n
    residuals = np.where(known, without - means, 0.0)
    leverage = weight @ np.diag(inverse) - ((weight @ inverse) * weight).sum(axis=1) / n[:, 0]
    freedom = np.maximum(known.sum(axis=1) - 1 - leverage, 0.0)
    return Fit(np.where(known.any(axis=1), means[:, 0], np.nan), residuals, freedom)


def _fit_complete(table: np.ndarray) -> Fit:
    n_configurations, n_seeds = table.shape
    means = table.mean(axis=1)
    residuals = table - means[:, None] - table.mean(axis=0) + means.mean()
    freedom = (n_seeds - 1) * (1 - 1 / n_configurations)
    return Fit(means, residuals, np.full(n_configurations, freedom))


@dataclass(frozen=True)
class Noise:
    """How much single values vary when the effect of their seed is taken away.

    Attributes:
        variance: moderated, of a value of each configuration; NaN throughout if none is known
        freedom: its degrees of freedom, the prior's included
        total: the degrees of freedom of the whole table, more than which no test can have
        twin_of: of each configuration the index of the one that stands for it, see `twins`
    """

    variance: np.ndarray
    freedom: np.ndarray
    total: float
    twin_of: np.ndarray

    @property
    def distinct(self) -> np.ndarray:
        """Which configurations stand for themselves."""
        return np.asarray(self.twin_of == np.arange(len(self.twin_of)))


def noise_of(table: np.ndarray) -> Noise:
    """Twins count once: the same values again are no evidence that noise is small."""
    twin_of = twins(table)
    distinct = twin_of == np.arange(len(table))
    fitted = fit(table[distinct])
    variance, prior = _moderated(fitted, float(np.nanmax(np.abs(table), initial=0.0)))
    place = np.cumsum(distinct)[twin_of] - 1
    freedom = prior + fitted.freedom
    return Noise(variance[place], freedom[place], float(fitted.freedom.sum()), twin_of)


def _moderated(fitted: Fit, scale: float) -> tuple[np.ndarray, float]:
    """The variances, NaN where residuals are no more than the rounding of values of that scale."""
    freedom = fitted.freedom
    own = freedom > 1e-6
    variance = np.zeros(len(freedom))
    variance[own] = np.square(fitted.residuals[own]).sum(axis=1) / freedom[own]
    if not own.any() or variance.max() <= 1e-24 * max(1.0, scale**2):
        return np.full(len(freedom), np.nan), 0.0
    common = _common(variance[own], freedom[own])
    moderated = (PRIOR_FREEDOM * common + freedom * variance) / (PRIOR_FREEDOM + freedom)
    return moderated, PRIOR_FREEDOM


def _common(variance: np.ndarray, freedom: np.ndarray) -> float:
    """The mean of the variances, of which none counts more than `_MOST_WEIGHT` times that mean."""
    common, before = float(np.average(variance, weights=freedom)), 0.0
    for _ in range(100):
        if abs(common - before) <= 1e-9 * common:
            break
        before = common
        bounded = np.minimum(variance, _MOST_WEIGHT * common)
        common = float(np.average(bounded, weights=freedom))
    return common


def twins(table: np.ndarray) -> np.ndarray:
    """Of each configuration, the first that has the same values to the last bit, or itself.

    Two values in common are enough: they are what two trainings would not give by chance. Of
    twins the one with most values stands for all.
    """
    found = np.arange(len(table))
    n_known = (~np.isnan(table)).sum(axis=1)
    having: dict[tuple[int, float], list[int]] = {}
    for i in np.argsort(-n_known, kind="stable").tolist():
        values = [(j, v) for j, v in enumerate(table[i].tolist()) if v == v]
        others = (other for key in values for other in having.get(key, ()))
        twin = next((other for other in others if _same(table[i], table[other])), None)
        if twin is not None:
            found[i] = twin
            continue
        for key in values:
            having.setdefault(key, []).append(i)
    return found


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    both = ~np.isnan(one) & ~np.isnan(other)
    return bool(both.sum() > 1 and np.array_equal(one[both], other[both]))
