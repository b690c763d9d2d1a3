"""Racing: a configuration that has lost gets no more seeds.

Source of the idea: Maron & Moore 1994, "Hoeffding races"; Birattari et al. 2002, "A racing
algorithm for configuring metaheuristics", whose blocks are problem instances. Here they are seeds.

The test is the t-test of randomised complete blocks: a value is its configuration's mean plus its
seed's effect plus noise, and the noise is estimated over all configurations that still race. So
two seeds already tell a clear loser. A signed-rank test on the pairs of two configurations could
not call anybody lost at the 5 % level before the fifth seed, nor, corrected for twelve
configurations, before the eighth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.05
"""The chance that a race ever drops a configuration that is not worse than the best."""


FIRST_SEEDS = 2
"""Seeds that everybody gets: the fewest that tell noise from difference."""


def lost(values: np.ndarray, n_looks: int) -> np.ndarray:
    """Who is worse than the first in order of means.

    Args:
        values: `(configurations, seeds)`, higher is better, without NaN
        n_looks: how often a race may ask this

    Returns:
        `(configurations,)`, boolean; corrected (Bonferroni) for the looks and, since the first
        was found by looking, for every pair in either order
    """
    from scipy import stats  # takes its time to import

    n_configurations, n_seeds = values.shape
    means = values.mean(axis=1)
    behind = means.max() - means
    residuals = values - means[:, None] - values.mean(axis=0) + values.mean()
    freedom = (n_configurations - 1) * (n_seeds - 1)
    if freedom < 1:
        return np.zeros(n_configurations, dtype=bool)
    variance = np.square(residuals).sum() / freedom
    if variance <= 1e-24 * max(1.0, np.square(values).max()):  # no noise: nothing is proven by it
        return np.zeros(n_configurations, dtype=bool)
    t = behind / np.sqrt(2 * variance / n_seeds)
    n_comparisons = n_looks * n_configurations * (n_configurations - 1)
    return np.asarray(stats.t.sf(t, freedom) < LEVEL / n_comparisons)


@dataclass(frozen=True)
class RaceState:
    """How far a race has come.

    Attributes:
        n_seeds: how many seeds every configuration that still races has been given
        racing: the configuration_ids that still race
        lost: after how many seeds each of the others had lost
    """

    n_seeds: int
    racing: tuple[str, ...]
    lost: Mapping[str, int]


Values = Mapping[str, Mapping[int, float | None]]
"""Of each configuration_id, by seed, its value (higher is better), or None where it failed."""


def race(values: Values, seeds: Sequence[int]) -> RaceState:
    """Hold a race with what is known; it stops at the first round with a result missing.

    A function of the results alone, so that a sweep that goes on after a kill sees the same race.
    """
    racing, out = list(values), dict[str, int]()
    n_looks = max(1, len(seeds) - FIRST_SEEDS)
    for n in range(1, len(seeds)):
        round_over = all(seed in values[c] for c in racing for seed in seeds[:n])
        if not round_over:
            return RaceState(n - 1, tuple(racing), out)
        whole = [c for c in racing if all(values[c][seed] is not None for seed in seeds[:n])]
        if n < FIRST_SEEDS or len(whole) < 2:
            continue
        table = np.array([[values[c][seed] for seed in seeds[:n]] for c in whole], dtype=float)
        for configuration_id, has_lost in zip(whole, lost(table, n_looks), strict=True):
            if has_lost:
                out[configuration_id] = n
                racing.remove(configuration_id)
    return RaceState(len(seeds) - 1, tuple(racing), out)
