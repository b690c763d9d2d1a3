"""A grid in rounds, in which a configuration that has lost gets no more seeds."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from experiments.planning.results import Results, TrialOutcome
from experiments.proposers.decisions import Advance, Decision, Prune
from experiments.proposers.grid import count_left
from experiments.proposers.race import RaceState, race
from vae.configuration import Trial


class RacingGrid:
    """A grid in rounds: a seed for every configuration that has not lost, then the next.

    Nobody starts a round before everybody has ended the one before. So who drops out does not
    depend on which worker was faster.
    """

    def __init__(self, results: Results, seeds: Sequence[int], metric: str) -> None:
        """Args:
        results: in which all trials of the grid have been asked for
        metric: of the trials, `return` or `val/nll`
        """
        self._results = results
        self._seeds = seeds
        self._metric = metric
        self._decisions: deque[Decision] = deque()
        self._n_out = 0

    def ask(self) -> Decision | None:
        """What is next in this round; None while others are still at it."""
        if not self._decisions and not self._n_out:
            self._begin_round()
        if not self._decisions:
            return None
        decision = self._decisions.popleft()
        self._n_out += isinstance(decision, Advance)
        return decision

    def _begin_round(self) -> None:
        before = {r.configuration.id for r in self._results.configurations if r.pruned}
        race_state = prune_the_lost(self._results, self._seeds, self._metric)
        for found in self._results.configurations:
            if found.pruned and found.configuration.id not in before:
                seeds = tuple(found.not_over)
                self._decisions.append(Prune(found.configuration, seeds, found.pruned))
        seed = self._seeds[race_state.n_seeds]
        for configuration_id in race_state.racing:
            found = self._results[configuration_id]
            if not found.is_over(seed):
                trial = Trial(configuration=found.configuration, seed=seed)
                self._decisions.append(Advance(trial, found.configuration.epochs))

    def tell(self, trial: Trial, outcome: TrialOutcome) -> None:
        self._results.record(trial, outcome)
        self._n_out -= 1

    @property
    def n_left(self) -> int:
        return self._results.n_left

    @property
    def left(self) -> Counter[str]:
        return count_left(self._results)


def prune_the_lost(results: Results, seeds: Sequence[int], metric: str) -> RaceState:
    """Hold the race with what is known, and note who has lost it."""
    values = {
        r.configuration.id: {s: o.value(metric) for s, o in r.outcomes.items() if o.is_over}
        for r in results.configurations
    }
    race_state = race(values, seeds)
    for configuration_id, n_seeds in race_state.lost.items():
        results.prune(configuration_id, why_lost(n_seeds, metric))
    return race_state


def why_lost(n_seeds: int, metric: str) -> str:
    """What the runs of a configuration that has lost say of it."""
    return f"lost the race after {n_seeds} seeds: worse in {metric} than the best"
