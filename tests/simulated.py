"""Sweeps without training: a worker that looks numbers up, and runs that only take notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from experiments.execution.loop import Proposer, drive
from experiments.execution.messages import Task, TrialResult
from experiments.planning.plan import Plan, PlannedTrial, make_plan
from experiments.sweep.configuration_runs import ConfigurationRuns
from experiments.sweep.trial_runs import TrialRuns
from vae.configuration import Trial

Value = Callable[[Trial, int], float]
"""What a trial's metric is at an epoch; an exception is the trial's failure."""


@dataclass
class Notes:
    """Takes the place of `TrialRuns` and `ConfigurationRuns`.

    Attributes:
        epochs: how far each (configuration_id, seed) was trained
        over: the state of every trial that ended
        pruned: why each configuration_id was given up
        tags: of each configuration run
    """

    metric: str = "return"
    epochs: dict[tuple[str, int], int] = field(default_factory=dict)
    over: dict[tuple[str, int], str] = field(default_factory=dict)
    pruned: dict[str, str] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    results: Counter[str] = field(default_factory=Counter)

    def open(self, *arguments: object) -> Task:
        planned, until = arguments[:2]
        if not isinstance(planned, PlannedTrial):  # a configuration run: nothing to note
            return cast(Task, None)
        trial = planned.trial
        at = f"{trial.configuration.id} {trial.seed}"
        return Task(
            trial=trial, label=at, run_id=at, until=cast(int, until), metric=self.metric,
            fresh=False, archive=False, tracking_uri="", data_dir="", device="cpu",
            checkpoint=Path("nowhere"),
        )  # fmt: skip

    def close(self, result: TrialResult) -> TrialResult:
        trial = result.task.trial
        self.over[trial.configuration.id, trial.seed] = result.state
        return result

    def prune(self, configuration_id: str, trials: Iterable[PlannedTrial], reason: str) -> None:
        self.pruned[configuration_id] = reason
        for planned in trials:
            self.over[configuration_id, planned.trial.seed] = "pruned"

    def annotate(self, configuration_id: str, tags: dict[str, str]) -> None:
        self.tags[configuration_id] = dict(tags)

    @property
    def trial_runs(self) -> TrialRuns:
        return cast(TrialRuns, self)

    @property
    def configuration_runs(self) -> ConfigurationRuns:
        return cast(ConfigurationRuns, self)

    @property
    def n_epochs(self) -> int:
        """That were trained, of all trials together."""
        return sum(self.epochs.values())


class Simulated:
    """Gets work done by looking a value up."""

    def __init__(self, capacity: int, value: Value, notes: Notes) -> None:
        self.capacity = capacity
        self._value = value
        self._notes = notes

    def submit(self, task: Task) -> Future[TrialResult]:
        future: Future[TrialResult] = Future()
        future.set_result(self._result(task))
        return future

    def _result(self, task: Task) -> TrialResult:
        trial = task.trial
        self._notes.epochs[trial.configuration.id, trial.seed] = task.until
        finished = task.until == trial.configuration.epochs
        try:
            value = self._value(trial, task.until)
        except ArithmeticError as error:
            return TrialResult(task, "failed", str(error))
        metrics = {task.metric: value}
        return TrialResult(task, "finished" if finished else "advanced", metrics=metrics)

    def stop(self) -> None:
        pass


def run(proposer: Proposer, value: Value, notes: Notes, capacity: int = 2) -> None:
    drive(proposer, Simulated(capacity, value, notes), retries=0)


def plan(trials: Iterable[Trial]) -> Plan:
    """Of an experiment of which nothing is tracked."""
    return make_plan(trials, {}, Path("nowhere"))
