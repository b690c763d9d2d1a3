"""What of an experiment is done, what is left, and in which order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from experiments.specification import Experiment
from experiments.tracking.records import RunRecord
from vae.configuration import Trial


@dataclass(frozen=True)
class Plan:
    """Every trial of an experiment, held against what is tracked.

    Attributes:
        todo: the trials to run, with the run each of them goes on in, if it has one
        states: per configuration_id, how many of its trials are in which state
    """

    todo: tuple[tuple[Trial, RunRecord | None], ...]
    states: Mapping[str, Counter[str]]


def make_plan(
    experiment: Experiment, tracked: Mapping[str, RunRecord], retry_failed: bool = False
) -> Plan:
    """Args: tracked: the run of each trial_id; retry_failed: run failed trials again"""
    settled = {"finished", "pruned"} if retry_failed else {"finished", "pruned", "failed"}
    todo: list[tuple[Trial, RunRecord | None]] = []
    states: dict[str, Counter[str]] = {c.id: Counter() for c in experiment.configurations}
    for trial in experiment.trials():
        record = tracked.get(trial.id)
        state = record.state if record else "missing"
        states[trial.configuration.id][state] += 1
        if state not in settled:
            todo.append((trial, record))
    return Plan(tuple(todo), states)


def seeds_asked_for(configuration_run: RunRecord) -> set[int]:
    """The seeds of a configuration over all sweeps so far."""
    return set(json.loads(configuration_run.tags.get("seeds", "[]")))
