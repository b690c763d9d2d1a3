"""What of an experiment is done, what is left, in which order, and how long it will take."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from experiments.locks import Shard
from experiments.specification import Experiment
from experiments.tracking.addresses import safe_name, sqlite_path
from experiments.tracking.records import RunRecord, finished_runs
from vae.configuration import Configuration, Trial


@dataclass(frozen=True)
class PlannedTrial:
    """A trial, held against what is tracked.

    Attributes:
        record: its run, if it has one
        state: done, pruned, failed, resumable (it goes on from a checkpoint) or missing
    """

    trial: Trial
    record: RunRecord | None
    state: str


@dataclass(frozen=True)
class Plan:
    """Every trial of an experiment, in the order in which they are to run."""

    trials: tuple[PlannedTrial, ...]
    retry_failed: bool = False

    @cached_property
    def todo(self) -> tuple[PlannedTrial, ...]:
        """What is to be run."""
        return tuple(p for p in self.trials if p.state in self.runnable_states)

    @property
    def runnable_states(self) -> tuple[str, ...]:
        return ("missing", "resumable", "failed") if self.retry_failed else ("missing", "resumable")

    @cached_property
    def states(self) -> dict[str, Counter[str]]:
        """Per configuration_id, how many of its trials are in which state."""
        states: dict[str, Counter[str]] = {}
        for planned in self.trials:
            configuration_id = planned.trial.configuration.id
            states.setdefault(configuration_id, Counter())[planned.state] += 1
        return states


def make_plan(
    experiment: Experiment,
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
    for trial in experiment.trials():
        record = tracked.get(trial.id)
        state = record.state if record else "missing"
        if state in ("running", "missing"):  # whoever ran it is dead: the sweep holds the lock
            state = "resumable" if trial.id in interrupted else "missing"
        elif state == "finished":
            state = "done"
        planned.append(PlannedTrial(trial, record, state))
    return Plan(tuple(planned), retry_failed)


def all_done(
    experiment: Experiment,
    configuration_runs: Mapping[str, RunRecord],
    deleted_run_ids: Collection[str],
) -> dict[str, RunRecord] | None:
    """The run of each trial_id, if the configuration runs alone tell that nothing is left to do.

    Reading a run from MLflow takes a millisecond. When everything is done, which is when nobody
    wants to wait, this reads one run per configuration instead of one per trial.
    """
    tracked: dict[str, RunRecord] = {}
    for configuration in experiment.configurations:
        record = configuration_runs.get(configuration.id)
        if record is None or record.status != "FINISHED":
            return None
        finished = finished_runs(record)
        for seed in experiment.seeds:
            run_id = finished.get(seed)
            if run_id is None or run_id in deleted_run_ids:
                return None
            trial = Trial(configuration=configuration, seed=seed)
            tracked[trial.id] = RunRecord(run_id, "FINISHED", {"completed": "true"}, {}, True, 0)
    return tracked


def take_part(experiment: Experiment, shard: Shard) -> Experiment:
    """The shard's configurations: by their identity, so that no edit of the file moves one."""
    part = tuple(
        c for c in experiment.configurations if int(c.id, 16) % shard.count == shard.index - 1
    )
    return replace(experiment, configurations=part)


def checkpoint_folder(experiment: str, tracking_uri: str, checkpoint_dir: Path | None) -> Path:
    """Where an experiment's checkpoints are; by default next to the tracking store."""
    if checkpoint_dir is None:
        database = sqlite_path(tracking_uri)
        checkpoint_dir = (database.parent if database else Path.cwd()) / "checkpoints"
    return checkpoint_dir.absolute() / safe_name(experiment)


class Estimate:
    """Seconds per epoch of every configuration, from measured epochs of it or of the nearest."""

    def __init__(self, configurations: Iterable[Configuration]) -> None:
        self._configurations = {c.id: c for c in configurations}
        self._fields = {c.id: c.model_dump() for c in self._configurations.values()}
        self._measured: dict[str, float] = {}
        self._nearest: dict[str, str] = {}
        self._lock = threading.Lock()  # one thread hears of epochs, another asks what is left

    def learn(self, configuration_id: str, seconds: float) -> None:
        """Take note of how long an epoch took."""
        with self._lock:
            if configuration_id not in self._measured:
                self._nearest.clear()
            if configuration_id in self._configurations:
                self._measured[configuration_id] = seconds

    def learn_from(self, records: Iterable[RunRecord]) -> None:
        for record in records:
            if "epoch_seconds" in record.metrics:
                self.learn(record.tags.get("configuration_id", ""), record.metrics["epoch_seconds"])

    def seconds(self, n_trials: Mapping[str, int], n_workers: int) -> float | None:
        """How long so many trials of each configuration_id take; None if nothing was measured."""
        with self._lock:
            if not self._measured:
                return None
            total = 0.0
            for configuration_id, n in n_trials.items():
                if n:
                    per_epoch = self._measured[self._nearest_measured(configuration_id)]
                    total += n * self._configurations[configuration_id].epochs * per_epoch
            return total / n_workers

    def _nearest_measured(self, configuration_id: str) -> str:
        if configuration_id in self._measured:
            return configuration_id
        if configuration_id not in self._nearest:
            wanted = self._fields[configuration_id].items()
            self._nearest[configuration_id] = max(
                self._measured, key=lambda other: len(wanted & self._fields[other].items())
            )
        return self._nearest[configuration_id]
