"""What of an experiment is done, what is left, in which order, and how long it will take."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from experiments.locks import Shard
from experiments.specification import Experiment
from experiments.tracking.addresses import safe_name, sqlite_path
from experiments.tracking.records import RunRecord
from vae.configuration import Configuration, Trial
from vae.errors import BadInput


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


def take_part(experiment: Experiment, shard: Shard) -> Experiment:
    """The shard's configurations: by their identity, so that no edit of the file moves one.

    Raises:
        BadInput: where every configuration has to know of the others.
    """
    if shard.count > 1 and (experiment.study or experiment.racing):
        what = "a study is one search" if experiment.study else "a race is one comparison"
        raise BadInput(f"--shard: {what} and cannot be split; use --workers")
    part = tuple(
        c for c in experiment.configurations if int(c.id, 16) % shard.count == shard.index - 1
    )
    return replace(experiment, configurations=part)


def checkpoint_folder(experiment: str, tracking_uri: str, checkpoint_dir: Path | None) -> Path:
    """Where an experiment's checkpoints are; by default next to the tracking store."""
    if checkpoint_dir is None:
        checkpoint_dir = _next_to_the_store(tracking_uri) / "checkpoints"
    return checkpoint_dir.absolute() / safe_name(experiment)


def optuna_storage(tracking_uri: str) -> str:
    """Where studies are kept by default: in a SQLite file next to the tracking store."""
    return f"sqlite:///{_next_to_the_store(tracking_uri).absolute() / 'optuna.db'}"


def _next_to_the_store(tracking_uri: str) -> Path:
    database = sqlite_path(tracking_uri)
    return database.parent if database else Path.cwd()


class Estimate:
    """Seconds per epoch of every configuration, from measured epochs of it or of the nearest."""

    def __init__(self, configurations: Iterable[Configuration]) -> None:
        self._configurations = {c.id: c for c in configurations}
        self._fields = {c.id: c.model_dump() for c in self._configurations.values()}
        self._measured: dict[str, float] = {}
        self._nearest: dict[str, str] = {}
        self._lock = threading.Lock()  # one thread hears of epochs, another asks what is left

    def know(self, configuration: Configuration) -> None:
        """Take note of a configuration that was not known beforehand."""
        with self._lock:
            self._configurations.setdefault(configuration.id, configuration)
            self._fields.setdefault(configuration.id, configuration.model_dump())

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
                if n and configuration_id in self._configurations:
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
