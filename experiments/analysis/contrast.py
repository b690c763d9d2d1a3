"""A weighted sum of configurations' means, and how sure it is, with any values missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from experiments.analysis.inference import LEVEL
from experiments.analysis.noise import Noise, noise_of

_PRIOR_SEEDS = 2.5
"""How many degrees of freedom the noise of single configurations is worth beside that of a sum.

What many configurations share with a seed (all that have one encoder start from the same weights)
shows in how much their sum varies between the seeds that all of them have, and nowhere else.
"""


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of means.

    Attributes:
        error: its standard error; 0 where all that differs is the same to the last bit, NaN where
            nothing is known of it
        freedom: of its t-distribution
    """

    value: float
    error: float
    freedom: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, of this sum alone."""
        half = float(stdtrit(self.freedom, 1 - LEVEL / 2)) * self.error
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """Two-sided."""
        if self.error == 0:
            return 1.0
        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))


class Contrasts:
    """Sums of the means in a table, by least squares: unbiased whichever values are missing."""

    def __init__(self, table: np.ndarray, group: np.ndarray) -> None:
        """Args:
        table: `(configurations, seeds)`, NaN where there is no value
        group: of each configuration; seeds' effects and noise are those of a group
        """
        self._table = table
        self._noise = _noise_by_group(table, group)
        self._known = ~np.isnan(table) & self._noise.distinct[:, None]
        self._group = group
        self._inverses = {g: self._inverse(group == g) for g in np.unique(group)}

    def _inverse(self, members: np.ndarray) -> np.ndarray:
        """Of the normal equations of the seeds' effects, the configurations' means taken out."""
        weight = self._known[members].astype(float)
        n = np.maximum(weight.sum(axis=1, keepdims=True), 1)
        seeds = np.diag(weight.sum(axis=0)) - weight.T @ (weight / n)
        return np.asarray(np.linalg.pinv(seeds, rcond=1e-10, hermitian=True))

    def of(self, weights: np.ndarray) -> Contrast:
        """Args: weights: of the configurations; in each group they add up to 0"""
        merged = np.bincount(self._noise.twin_of, weights, len(weights))
        if np.abs(merged).max() < 1e-12 * np.abs(weights).max():
            return Contrast(0.0, 0.0, 1.0)
        shares = self._shares(merged)
        value = float((shares * np.where(self._known, self._table, 0.0)).sum())
        parts = np.where(merged != 0, np.square(shares).sum(axis=1) * self._noise.variance, 0.0)
        variance = float(parts.sum())
        if not variance > 0:
            return Contrast(value, float("nan"), 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            squares = np.where(parts > 0, np.square(parts) / self._noise.freedom, 0.0)
        inflation, freedom = self._inflation(merged, variance**2 / float(squares.sum()))
        return Contrast(
            value, float(np.sqrt(variance * inflation)), min(freedom, self._noise.total)
        )

    def _shares(self, weights: np.ndarray) -> np.ndarray:
        """How much of each value is in the sum: least squares are linear in the values."""
        shares = np.zeros(self._table.shape)
        for group, inverse in self._inverses.items():
            members = self._group == group
            if not weights[members].any():
                continue
            weight = self._known[members].astype(float)
            n = np.maximum(weight.sum(axis=1, keepdims=True), 1)
            per_value = weights[members][:, None] / n
            of_seeds = inverse @ (weight.T @ per_value[:, 0])
            centred = of_seeds - (weight @ of_seeds)[:, None] / n
            shares[members] = weight * (per_value - centred)
        return shares

    def _inflation(self, weights: np.ndarray, freedom: float) -> tuple[float, float]:
        """How much more the sum varies between seeds than single configurations' noise explains."""
        used = weights != 0
        whole = self._known[used].all(axis=0)
        n = int(whole.sum())
        if n < 2:
            return 1.0, freedom
        of_seed = weights[used] @ self._table[np.ix_(used, whole)]
        expected = float((np.square(weights[used]) * self._noise.variance[used]).sum())
        ratio = float(of_seed.var(ddof=1)) / expected
        freedom_of_seeds = _PRIOR_SEEDS + n - 1
        inflation = (_PRIOR_SEEDS + (n - 1) * ratio) / freedom_of_seeds
        return inflation, min(freedom, freedom_of_seeds)


def _noise_by_group(table: np.ndarray, group: np.ndarray) -> Noise:
    variance, freedom = np.full(len(table), np.nan), np.full(len(table), np.nan)
    twin_of, total = np.arange(len(table)), 0.0
    for g in np.unique(group):
        members = np.flatnonzero(group == g)
        noise = noise_of(table[members])
        variance[members], freedom[members] = noise.variance, noise.freedom
        twin_of[members] = members[noise.twin_of]
        total += noise.total
    return Noise(variance, freedom, total, twin_of)
