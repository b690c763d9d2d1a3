"""Runs as MLflow has them, in plain values, and what their state means."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from experiments.metrics import FINAL_METRICS
from experiments.tracking.long_tags import read_list, read_runs
from vae.configuration import Trial


class State(StrEnum):
    """Where a trial or a configuration stands."""

    FINISHED = "finished"
    PRUNED = "pruned"
    FAILED = "failed"
    RUNNING = "running"
    MISSING = "missing"
    """Not begun, or interrupted: what is left of it is still to be run."""


OVER = (State.FINISHED, State.PRUNED, State.FAILED)
"""States of trials that do not go on by themselves."""


def mlflow_status(state: State) -> str:
    """MLflow's status of a run in that state."""
    return {State.PRUNED: "KILLED", State.MISSING: "KILLED"}.get(state, state.name)


@dataclass(frozen=True)
class RunRecord:
    """A run as MLflow has it, in plain values."""

    run_id: str
    status: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    has_params: bool
    start_time: int
    """milliseconds since 1970"""

    @property
    def state(self) -> State:
        """Of a trial run."""
        if self.status == "FINISHED" and self.tags.get("completed") == "true":
            return State.FAILED if self._no_number else State.FINISHED
        if self.status == "KILLED" and self.tags.get("pruned") == "true":
            return State.PRUNED
        return {"FAILED": State.FAILED, "RUNNING": State.RUNNING}.get(self.status, State.MISSING)

    @property
    def is_stopped(self) -> bool:
        """Whether a person has said that what it is of is to be trained no more."""
        return self.tags.get(STOP, "").lower() == "true"

    @property
    def error(self) -> str:
        """Why a trial failed; empty where it did not, or its run does not say."""
        told = self.tags.get("error", "")
        return told or (f"diverged: {self._no_number} is not finite" if self._no_number else "")

    @property
    def _no_number(self) -> str:
        """A final metric that is not finite, which older versions let pass; empty if all are.

        MLflow's databases keep the largest number there is in the place of an infinite one.
        """
        known = (name for name in FINAL_METRICS if name in self.metrics)
        return next((name for name in known if not abs(self.metrics[name]) < _LARGEST), "")


_LARGEST = sys.float_info.max

STOP = "stop"
"""Tag by which a person ends a trial or a configuration from MLflow's pages: set to `true`."""

STOPPED = "stopped by hand"
"""Why such a trial was pruned."""

RETRIED = "retried"
"""Tag of the run of a failed trial that was tried again in another run."""

_PREFERENCE = tuple(State)


def by_trial(records: Iterable[RunRecord]) -> dict[str, RunRecord]:
    """The run to use for each trial_id: not one that failed and was tried again since, and only
    one if a retried request created duplicates.
    """
    best: dict[str, RunRecord] = {}
    for record in records:
        if RETRIED in record.tags:
            continue
        trial_id = record.tags.get("trial_id", "")
        other = best.get(trial_id)
        if other is None or _rank(record) < _rank(other):
            best[trial_id] = record
    return best


def _rank(record: RunRecord) -> tuple[int, int]:
    return _PREFERENCE.index(record.state), -record.start_time


@dataclass(frozen=True)
class Stops:
    """What persons have stopped, by identity."""

    trials: frozenset[str] = frozenset()
    configurations: frozenset[str] = frozenset()

    @classmethod
    def among(cls, records: Iterable[RunRecord]) -> Stops:
        """Those of which a run says so. One that failed and was tried again speaks for nobody."""
        stopped = [r.tags for r in records if r.is_stopped and RETRIED not in r.tags]
        return cls(
            frozenset(t["trial_id"] for t in stopped if t.get("kind") == "trial"),
            frozenset(t["configuration_id"] for t in stopped if t.get("kind") == "configuration"),
        )

    def __bool__(self) -> bool:
        return bool(self.trials or self.configurations)

    def __contains__(self, trial: Trial) -> bool:
        return trial.configuration.id in self.configurations or trial.id in self.trials


_THEN = " → "


def after_other_attempts(tag: str | None, value: str) -> str:
    """The tag of a run that goes on with `value`: `cpu → cuda:0`.

    Args:
        tag: what it has from the attempts before
    """
    others = attempts(tag)
    return _THEN.join(others if value in others else [*others, value])


def attempts(tag: str | None) -> list[str]:
    """What such a tag lists: what a run was computed with, each once."""
    return tag.split(_THEN) if tag else []


def finished_runs(configuration_run: RunRecord) -> dict[int, str]:
    """The run_id of each seed that the configuration run counts as finished."""
    return read_runs(configuration_run.tags, "finished")


def seeds_asked_for(configuration_run: RunRecord) -> set[int]:
    """The seeds of a configuration over all sweeps so far."""
    return set(read_list(configuration_run.tags, "seeds"))
