"""A grid as a proposer: every trial that is left, one after another."""

from __future__ import annotations

from collections import Counter

from experiments.execution.messages import Task, TrialResult
from experiments.planning.plan import Plan
from experiments.sweep.trial_runs import TrialRuns


class Grid:
    """Asks for each trial to its last epoch, in the order of the plan."""

    def __init__(self, plan: Plan, trial_runs: TrialRuns) -> None:
        self._trial_runs = trial_runs
        self._todo = iter(plan.todo)
        self.left = Counter(planned.trial.configuration.id for planned in plan.todo)
        """How many trials of each configuration_id have not been told yet."""

    def ask(self) -> Task | None:
        """The next trial that has not been handed out."""
        planned = next(self._todo, None)
        if planned is None:
            return None
        return self._trial_runs.open(planned, planned.trial.configuration.epochs)

    def tell(self, result: TrialResult) -> TrialResult:
        """Close the trial's run; returns what really became of it."""
        result = self._trial_runs.close(result)
        self.left[result.task.trial.configuration.id] -= 1
        return result
