"""Claims about configurations from a table of values: one inference for reports and races.

A table is `(configurations, seeds)`, higher is better, NaN where there is no value. Two
configurations are compared by the differences over the seeds that both have, in t-tests with
moderated variances (see `noise.py`). How often that is wrong, and what it finds, is simulated by
`python -m benchmarks.verdicts`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from experiments.analysis.noise import Noise, noise_of

LEVEL = 0.05
"""The chance of any wrong verdict in an experiment in which nothing differs."""

UNKNOWN = "not distinguishable"

LOOK_LEVEL = 0.001
"""The same for a look that others may follow, and for a verdict on two seeds alone.

So strict that looking often costs nothing that counts (Haybittle 1971, Peto et al. 1976); and two
seeds say too little of a configuration's own noise for less.
"""


@dataclass(frozen=True)
class Differences:
    """Of each configuration to the reference, over the seeds that both have.

    Attributes:
        reference: the index of the best, or of the control
        n_pairs: seeds in common
        mean: negative is worse than the reference
        error: its standard error, from the moderated variances of both
        freedom: of the t-test
        p: two-sided, of this comparison alone; NaN where fewer than two pairs are known
    """

    reference: int
    n_pairs: np.ndarray
    mean: np.ndarray
    error: np.ndarray
    freedom: np.ndarray
    p: np.ndarray

    def interval(self, confidence: float = 1 - LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """Of each difference alone."""
        half = _quantile(self.freedom, 0.5 + confidence / 2) * self.error
        return self.mean - half, self.mean + half

    def p_beyond(self, bound: float) -> np.ndarray:
        """One-sided p against a true difference of `bound` or more in either direction."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return _tail((bound - np.abs(self.mean)) / self.error, self.freedom)


def differences(table: np.ndarray, noise: Noise, reference: int) -> Differences:
    """Paired by seed; the variance is the sum of two moderated ones (Satterthwaite's freedom)."""
    paired = table - table[reference]
    known = ~np.isnan(paired)
    n = known.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, paired, 0.0).sum(axis=1) / n
        variance = noise.variance + noise.variance[reference]
        parts = np.square(noise.variance) / noise.freedom
        freedom = np.minimum(np.square(variance) / (parts + parts[reference]), noise.total)
        error = np.where(n > 1, np.sqrt(variance / n), np.nan)
        p = 2 * _tail(np.abs(mean) / error, freedom)
    p[reference] = np.nan
    return Differences(reference, n, mean, error, freedom, p)


def _tail(t: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """P(T > t)."""
    return np.asarray(stdtr(freedom, -t))


def _quantile(freedom: np.ndarray, probability: float) -> np.ndarray:
    return np.asarray(stdtrit(freedom, probability))


@dataclass(frozen=True)
class Decision:
    """What a table says of every configuration.

    Attributes:
        differences: to the reference
        corrected: two-sided p-values, corrected for all comparisons that were looked at
        left: for how many comparisons each was corrected
        verdict: best, worse, equal, identical, not distinguishable; with a control also control
            and better; empty for those outside the family
        noise: of the table
        level: below which a corrected p-value is a claim
    """

    differences: Differences
    corrected: np.ndarray
    left: np.ndarray
    verdict: np.ndarray
    noise: Noise
    level: float


def decide(
    table: np.ndarray,
    family: np.ndarray,
    contenders: np.ndarray,
    control: int | None = None,
    equal_within: float | None = None,
    level: float = LEVEL,
) -> Decision:
    """Hold the family against its best, or against a control.

    The best was found by looking, which favours it by luck, so any pair might have been compared:
    the first to be called worse has to stand out among all pairs of the family, the next among
    the pairs of those that are left (a step-down procedure after Holm 1979). A control is chosen
    beforehand: there are as many comparisons as other configurations (Holm's procedure itself).

    Args:
        family: who is compared, boolean; the others only tell of the noise
        contenders: who of them may be the best, boolean
        control: the index of the configuration that the others are held against
        equal_within: a difference that does not matter; "equal" means that the interval of the
            difference, corrected as the p-values are, lies within it (Schuirmann 1987)
    """
    noise = noise_of(table)
    twin_of = noise.twin_of
    reference = _best(table, contenders) if control is None else control
    found = differences(table, noise, reference)
    strict = np.where(found.n_pairs > 2, 1.0, level / min(level, LOOK_LEVEL))
    p = np.minimum(1, found.p * strict)
    if control is None:
        p = np.where(found.mean < 0, p, 1.0)  # nobody is called better than the best
    twin_of_reference = twin_of == twin_of[reference]
    tested = family & noise.distinct & ~twin_of_reference & ~np.isnan(found.p)
    corrected, left = np.full(len(table), np.nan), np.full(len(table), np.nan)
    corrected[tested], left[tested] = step_down(p[tested], all_pairs=control is None, level=level)
    verdict = np.where(corrected < level, np.where(found.mean < 0, "worse", "better"), UNKNOWN)
    if equal_within is not None:
        verdict[found.p_beyond(equal_within) * left * strict < level] = "equal"
    verdict = verdict[twin_of].astype(object)
    verdict[twin_of_reference] = "identical"
    verdict[reference] = "best" if control is None else "control"
    verdict[~family] = ""
    return Decision(found, corrected[twin_of], left[twin_of], verdict, noise, level)


def _best(table: np.ndarray, contenders: np.ndarray) -> int:
    """The highest mean; the first of several."""
    known = ~np.isnan(table)
    means = np.where(known, table, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return int(np.argmax(np.where(contenders & known.any(axis=1), means, -np.inf)))


def step_down(p: np.ndarray, all_pairs: bool, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Correct p-values, smallest first, each for the comparisons that are left by then.

    Args:
        p: of `m` configurations against one
        all_pairs: whether that one was found by looking, so that all pairs are compared: of `s`
            configurations that are left, itself included, `s (s - 1) / 2`; else `s - 1`

    Returns:
        Corrected p-values, and the comparisons that are left when those below `level` are gone
        (for these themselves: when each was tested).
    """
    order = np.argsort(p, kind="stable")
    size = np.arange(len(p) + 1, 1, -1)
    comparisons = size * (size - 1) // 2 if all_pairs else size - 1
    in_order = np.minimum(1, np.maximum.accumulate(comparisons * p[order]))
    rejected = int(np.sum(in_order < level))
    corrected, left = np.empty(len(p)), np.empty(len(p))
    if len(p):
        corrected[order] = in_order
        left[order] = comparisons[min(rejected, len(p) - 1)]
        left[order[:rejected]] = comparisons[:rejected]
    return corrected, left
