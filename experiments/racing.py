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

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.planning import Plan, PlannedTrial
from experiments.search_space import orientation
from experiments.work import TrialResult, Work

if TYPE_CHECKING:
    from experiments.trial_runs import TrialRuns

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
class Standings:
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


def race(values: Values, seeds: Sequence[int]) -> Standings:
    """Hold a race with what is known; it stops at the first round with a result missing.

    A function of the results alone, so that a sweep that goes on after a kill sees the same race.
    """
    racing, out = list(values), dict[str, int]()
    n_looks = max(1, len(seeds) - FIRST_SEEDS)
    for n in range(1, len(seeds)):
        round_over = all(seed in values[c] for c in racing for seed in seeds[:n])
        if not round_over:
            return Standings(n - 1, tuple(racing), out)
        whole = [c for c in racing if all(values[c][seed] is not None for seed in seeds[:n])]
        if n < FIRST_SEEDS or len(whole) < 2:
            continue
        table = np.array([[values[c][seed] for seed in seeds[:n]] for c in whole], dtype=float)
        for configuration_id, has_lost in zip(whole, lost(table, n_looks), strict=True):
            if has_lost:
                out[configuration_id] = n
                racing.remove(configuration_id)
    return Standings(len(seeds) - 1, tuple(racing), out)


class RacingGrid:
    """A grid in rounds: a seed for every configuration that has not lost, then the next.

    Nobody starts a round before everybody has ended the one before. So who drops out does not
    depend on which worker was faster.
    """

    def __init__(
        self, plan: Plan, seeds: Sequence[int], metric: str, trial_runs: TrialRuns
    ) -> None:
        """Args: metric: of the trials, `return` or `test/nll`"""
        self._trials = plan.by_configuration
        self._seeds = seeds
        self._metric = metric
        self._trial_runs = trial_runs
        self._values = values_of(plan, metric)
        self._lost = set(race(self._values, seeds).lost)
        self._queue: deque[PlannedTrial] = deque()
        self._n_out = 0
        self.left = Counter(planned.trial.configuration.id for planned in plan.todo)
        """How many trials of each configuration_id may still be asked for."""

    def ask(self) -> Work | None:
        """The next trial of this round; None while others are still at it."""
        if not self._queue and not self._n_out:
            self._begin_round()
        if not self._queue:
            return None
        planned = self._queue.popleft()
        self._n_out += 1
        return self._trial_runs.open(planned, planned.trial.configuration.epochs)

    def _begin_round(self) -> None:
        standings = race(self._values, self._seeds)
        for configuration_id, n_seeds in standings.lost.items():
            if configuration_id not in self._lost:
                self._drop(configuration_id, n_seeds)
        seed = self._seeds[standings.n_seeds]
        for configuration_id in standings.racing:
            if seed not in self._values[configuration_id]:
                self._queue.append(self._planned(configuration_id, seed))

    def _planned(self, configuration_id: str, seed: int) -> PlannedTrial:
        return next(p for p in self._trials[configuration_id] if p.trial.seed == seed)

    def _drop(self, configuration_id: str, n_seeds: int) -> None:
        self._lost.add(configuration_id)
        trials = self._trials[configuration_id]
        rest = [p for p in trials if p.todo and p.trial.seed not in self._values[configuration_id]]
        self._trial_runs.prune(configuration_id, rest, why_lost(n_seeds, self._metric))
        del self.left[configuration_id]

    def tell(self, result: TrialResult) -> TrialResult:
        """Close the trial's run; returns what really became of it."""
        result = self._trial_runs.close(result)
        self._n_out -= 1
        trial = result.work.trial
        self._values[trial.configuration.id][trial.seed] = value_of(result, self._metric)
        self.left[trial.configuration.id] -= 1
        return result


def why_lost(n_seeds: int, metric: str) -> str:
    """What the runs of a configuration that has lost say of it."""
    return f"lost the race after {n_seeds} seeds: worse in {metric} than the best"


def value_of(result: TrialResult, metric: str) -> float | None:
    """Of a trial that is over: higher is better; None if it failed."""
    if result.state not in ("finished", "advanced"):
        return None
    return orientation(metric) * result.metrics[metric]


def values_of(plan: Plan, metric: str) -> dict[str, dict[int, float | None]]:
    """What earlier sweeps have found out."""
    values: dict[str, dict[int, float | None]] = {}
    for configuration_id, trials in plan.by_configuration.items():
        known = values.setdefault(configuration_id, {})
        for planned in trials:
            if planned.state == "done" and planned.record:
                known[planned.trial.seed] = orientation(metric) * planned.record.metrics[metric]
            elif not planned.todo:
                known[planned.trial.seed] = None
    return values


def leave_out_the_lost(plan: Plan, seeds: Sequence[int], metric: str) -> tuple[Plan, Standings]:
    """The plan without the trials that a race has decided already not to run."""
    standings = race(values_of(plan, metric), seeds)
    trials = tuple(
        PlannedTrial(p.trial, p.record, "pruned", todo=False)
        if p.todo and p.trial.configuration.id in standings.lost
        else p
        for p in plan.trials
    )
    return Plan(trials), standings
