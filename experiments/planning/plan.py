"""What of an experiment is finished and what is left, in which order it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from experiments.planning.results import Results
from experiments.tracking.run_record import RunRecord, State
from vae.configuration import Trial


class PlanState(StrEnum):
    """Where a trial stands before a sweep."""

    FINISHED = "finished"
    PRUNED = "pruned"
    FAILED = "failed"
    RESUMABLE = "resumable"
    """It goes on from a checkpoint."""
    MISSING = "missing"
    NOT_NEEDED = "not needed"
    """The race that it would belong to is over."""


@dataclass(frozen=True)
class PlannedTrial:
    """A trial, held against what is tracked.

    Attributes:
        todo: whether it is to be run
    """

    trial: Trial
    state: PlanState
    todo: bool


@dataclass(frozen=True)
class Plan:
    """Every trial of an experiment, in the order in which they are to run."""

    trials: tuple[PlannedTrial, ...]

    @cached_property
    def todo(self) -> tuple[Trial, ...]:
        """What is to be run."""
        return tuple(planned.trial for planned in self.trials if planned.todo)

    @cached_property
    def states(self) -> dict[str, Counter[PlanState]]:
        """Per configuration_id, how many of its trials are in which state."""
        states: dict[str, Counter[PlanState]] = {}
        for planned in self.trials:
            states.setdefault(planned.trial.configuration.id, Counter())[planned.state] += 1
        return states


def make_plan(
    trials: Iterable[Trial],
    results: Results,
    tracked: Mapping[str, RunRecord],
    resumable: Collection[str],
) -> Plan:
    """Hold every trial against its run, if any.

    Args:
        results: in which all of them have been asked for
        tracked: the run of each trial_id
        resumable: the run_ids that have a checkpoint
    """
    planned = []
    for trial in trials:
        state = _state(trial, results, tracked.get(trial.id), resumable)
        known = results[trial.configuration.id]
        todo = not known.out_of_race and not known.is_over(trial.seed)
        planned.append(PlannedTrial(trial, state, todo))
    return Plan(tuple(planned))


def _state(
    trial: Trial, results: Results, record: RunRecord | None, resumable: Collection[str]
) -> PlanState:
    """What is to be run again although it failed or was pruned is shown as what it is."""
    outcome = results.outcome(trial)
    if outcome is not None and outcome.is_over:
        return PlanState(outcome.state)
    if results[trial.configuration.id].pruned:
        return PlanState.PRUNED
    if results[trial.configuration.id].settled:
        return PlanState.NOT_NEEDED
    if record is not None and record.state in (State.PRUNED, State.FAILED):
        return PlanState(record.state)
    # Whoever ran it is dead: the sweep holds the lock.
    has_checkpoint = record is not None and record.run_id in resumable
    return PlanState.RESUMABLE if has_checkpoint else PlanState.MISSING
