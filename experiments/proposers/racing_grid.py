"""A grid in rounds, in which seeds go to the configurations that are still undecided."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from experiments.analysis.race import RaceState, race
from experiments.planning.results import Results, TrialOutcome
from experiments.proposers.decisions import Advance, Decision, Prune, Settle
from experiments.proposers.grid import count_left
from experiments.spec.racing import Racing
from vae.configuration import Trial


class RacingGrid:
    """A grid in rounds: a seed for every configuration of which something is still undecided.

    Nobody starts a round before everybody has ended the one before. So who gets which seeds does
    not depend on which worker was faster.
    """

    def __init__(
        self, results: Results, seeds: Sequence[int], metric: str, rules: Racing | None = None
    ) -> None:
        """Args:
        results: in which all trials of the grid have been asked for
        metric: of the trials, `return` or `val/nll`
        """
        self._results = results
        self._seeds = seeds
        self._metric = metric
        self._rules = rules or Racing()
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
        before = {r.configuration.id for r in self._results.configurations if r.out_of_race}
        state = hold_race(self._results, self._seeds, self._metric, self._rules)
        for found in self._results.configurations:
            if not found.out_of_race or found.configuration.id in before:
                continue
            if found.pruned:
                seeds = tuple(found.not_over)
                self._decisions.append(Prune(found.configuration, seeds, found.pruned))
            else:
                self._decisions.append(Settle(found.configuration))
        for configuration_id in state.racing if state.n_seeds < len(self._seeds) else ():
            found, seed = self._results[configuration_id], self._seeds[state.n_seeds]
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


def hold_race(results: Results, seeds: Sequence[int], metric: str, rules: Racing) -> RaceState:
    """Hold the race with what is known, and note who has lost it, and all others once it is over.

    Who is equal to the best may have to run again when another is the best: as long as anybody
    races, only those that have lost are out.
    """
    values = {
        r.configuration.id: {s: o.value(metric) for s, o in r.outcomes.items() if o.is_over}
        for r in results.configurations
    }
    state = race(values, seeds, rules)
    rival = "best" if rules.control is None else "control"
    for configuration_id, n_seeds in state.lost.items():
        results.prune(configuration_id, why_lost(n_seeds, metric, rival))
    if not state.racing:
        for configuration_id in state.settled.keys() - state.lost.keys():
            results.settle(configuration_id)
    return state


def why_lost(n_seeds: int, metric: str, rival: str = "best") -> str:
    """What the runs of a configuration that has lost say of it."""
    return f"lost the race after {n_seeds} seeds: worse in {metric} than the {rival}"
