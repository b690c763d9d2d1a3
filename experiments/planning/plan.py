"""What of an experiment is done, what is left, in which order, and how long it will take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from experiments.tracking.run_record import RunRecord
from vae.configuration import Trial


@dataclass(frozen=True)
class PlannedTrial:
    """A trial, held against what is tracked.

    Attributes:
        record: its run, if it has one
        state: done, pruned, failed, resumable (it goes on from a checkpoint) or missing
        todo: whether it is to be run
    """

    trial: Trial
    record: RunRecord | None
    state: str
    todo: bool


@dataclass(frozen=True)
class Plan:
    """Every trial of an experiment, in the order in which they are to run."""

    trials: tuple[PlannedTrial, ...]

    @cached_property
    def todo(self) -> tuple[PlannedTrial, ...]:
        """What is to be run."""
        return tuple(planned for planned in self.trials if planned.todo)

    @cached_property
    def by_configuration(self) -> dict[str, list[PlannedTrial]]:
        """The trials of each configuration_id."""
        trials: dict[str, list[PlannedTrial]] = {}
        for planned in self.trials:
            trials.setdefault(planned.trial.configuration.id, []).append(planned)
        return trials

    @cached_property
    def states(self) -> dict[str, Counter[str]]:
        """Per configuration_id, how many of its trials are in which state."""
        return {
            configuration_id: Counter(planned.state for planned in trials)
            for configuration_id, trials in self.by_configuration.items()
        }


def make_plan(
    trials: Iterable[Trial],
    tracked: Mapping[str, RunRecord],
    checkpoints: Path,
    retry_failed: bool = False,
) -> Plan:
    """Hold every trial against its run, if any.

    Args:
        tracked: the run of each trial_id
        checkpoints: the folder that holds `<trial_id>.pt` of interrupted trials
        retry_failed: run failed trials again
    """
    interrupted = {path.stem for path in checkpoints.glob("*.pt")}
    planned = []
    for trial in trials:
        record = tracked.get(trial.id)
        state = record.state if record else "missing"
        if state in ("running", "missing"):  # whoever ran it is dead: the sweep holds the lock
            state = "resumable" if trial.id in interrupted else "missing"
        elif state == "finished":
            state = "done"
        # What a study or a race gave up, they do not ask for again; somebody else may.
        todo = state in ("missing", "resumable", "pruned") or (retry_failed and state == "failed")
        planned.append(PlannedTrial(trial, record, state, todo))
    return Plan(tuple(planned))
