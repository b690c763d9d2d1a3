"""A proposer's decisions carried out: the only place where a sweep opens and closes runs."""

from __future__ import annotations

from collections.abc import Callable

from experiments.execution.messages import Event, Notice, Task, TrialResult
from experiments.planning.results import Results, TrialOutcome
from experiments.proposers.decisions import Advance, Proposer, Prune, Settle
from experiments.spec.experiment import Experiment
from experiments.sweep.configuration_runs import ConfigurationRuns
from experiments.sweep.trial_runs import TrialRuns, outcome_of
from experiments.tracking.retries import limit_retries
from experiments.tracking.run_record import STOPPED, State
from vae.configuration import Trial


class Tasks:
    """What the loop asks for work and tells of its results."""

    def __init__(
        self,
        experiment: Experiment,
        proposer: Proposer,
        results: Results,
        trial_runs: TrialRuns,
        configuration_runs: ConfigurationRuns,
        say: Callable[[Event], None],
        on_result: Callable[[TrialResult], None],
        is_stopped: Callable[[Trial], bool],
    ) -> None:
        """Args:
        results: in which the proposer notes what it is told
        is_stopped: whether a person has said that a trial is to be trained no more
        on_result: called when a trial has come to its end
        """
        self._experiment = experiment
        self._proposer = proposer
        self._results = results
        self._trial_runs = trial_runs
        self._configuration_runs = configuration_runs
        self._say = say
        self._on_result = on_result
        self.is_stopped = is_stopped
        self._next: Task | None = None

    def any(self) -> bool:
        """Whether there is work; what needs no worker is done on the way."""
        self._next = self._next or self._propose()
        return self._next is not None

    def ask(self) -> Task | None:
        """The next task."""
        task, self._next = self._next or self._propose(), None
        return task

    def _propose(self) -> Task | None:
        while (decision := self._proposer.ask()) is not None:
            parent = self._configuration_runs.open(self._results[decision.configuration.id])
            if isinstance(decision, Advance):
                if not self.is_stopped(decision.trial):
                    return self._trial_runs.open(decision, parent)
                self._stop(decision.trial)
            elif isinstance(decision, Prune):
                self._prune(decision)
            elif isinstance(decision, Settle):
                self._configuration_runs.settle(decision.configuration)
            else:
                self._configuration_runs.annotate(decision.configuration, decision.tags)
        return None

    def _stop(self, trial: Trial) -> None:
        """Not handed out at all, or not for another stretch."""
        self._trial_runs.prune(trial, STOPPED)
        known = self._results.outcome(trial) or TrialOutcome(State.MISSING)
        self._proposer.tell(trial, known.when_stopped())
        self._configuration_runs.update(trial.configuration)
        label = f"{self._experiment.label(trial.configuration)} s{trial.seed}"
        self._say(Notice(label, f"{State.PRUNED}: {STOPPED}"))

    def _prune(self, decision: Prune) -> None:
        for seed in decision.seeds:
            trial = Trial(configuration=decision.configuration, seed=seed)
            self._trial_runs.prune(trial, decision.reason)
        self._configuration_runs.update(decision.configuration)
        label = self._experiment.label(decision.configuration)
        state = self._results[decision.configuration.id].state
        self._say(Notice(label, f"{state}: {decision.reason}"))

    def tell(self, result: TrialResult) -> None:
        """Take note of what became of a task."""
        result = self._trial_runs.close(result)
        trial = result.task.trial
        outcome = outcome_of(result)
        self._proposer.tell(trial, outcome)
        if outcome.is_over:
            self._configuration_runs.update(trial.configuration)
            self._on_result(result)

    def interrupt(self) -> None:
        """Mark what was running as stopped; the next sweep goes on from there."""
        with limit_retries(seconds=3):  # whoever pressed Ctrl-C is waiting
            self._trial_runs.interrupt()
            self._configuration_runs.interrupt()
