"""A grid in rounds, in which a configuration that has lost gets no more seeds."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.execution.messages import Task, TrialResult
from experiments.metrics import METRICS
from experiments.planning.plan import Plan, PlannedTrial
from experiments.proposers.race import RaceState, race

if TYPE_CHECKING:
    from experiments.sweep.trial_runs import TrialRuns


class RacingGrid:
    """A grid in rounds: a seed for every configuration that has not lost, then the next.

    Nobody starts a round before everybody has ended the one before. So who drops out does not
    depend on which worker was faster.
    """

    def __init__(
        self, plan: Plan, seeds: Sequence[int], metric: str, trial_runs: TrialRuns
    ) -> None:
        """Args: metric: of the trials, `return` or `val/nll`"""
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

    def ask(self) -> Task | None:
        """The next trial of this round; None while others are still at it."""
        if not self._queue and not self._n_out:
            self._begin_round()
        if not self._queue:
            return None
        planned = self._queue.popleft()
        self._n_out += 1
        return self._trial_runs.open(planned, planned.trial.configuration.epochs)

    def _begin_round(self) -> None:
        race_state = race(self._values, self._seeds)
        for configuration_id, n_seeds in race_state.lost.items():
            if configuration_id not in self._lost:
                self._drop(configuration_id, n_seeds)
        seed = self._seeds[race_state.n_seeds]
        for configuration_id in race_state.racing:
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
        trial = result.task.trial
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
    return METRICS[metric].sign * result.metrics[metric]


def values_of(plan: Plan, metric: str) -> dict[str, dict[int, float | None]]:
    """What earlier sweeps have found out."""
    values: dict[str, dict[int, float | None]] = {}
    for configuration_id, trials in plan.by_configuration.items():
        known = values.setdefault(configuration_id, {})
        for planned in trials:
            if planned.state == "done" and planned.record:
                known[planned.trial.seed] = METRICS[metric].sign * planned.record.metrics[metric]
            elif not planned.todo:
                known[planned.trial.seed] = None
    return values


def leave_out_the_lost(plan: Plan, seeds: Sequence[int], metric: str) -> tuple[Plan, RaceState]:
    """The plan without the trials that a race has decided already not to run."""
    race_state = race(values_of(plan, metric), seeds)
    trials = tuple(
        PlannedTrial(p.trial, p.record, "pruned", todo=False)
        if p.todo and p.trial.configuration.id in race_state.lost
        else p
        for p in plan.trials
    )
    return Plan(trials), race_state
