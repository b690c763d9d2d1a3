"""The runs of a sweep's trials: opened when a trial is handed out, closed when it is over."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from experiments.execution.messages import Task, TaskState, TrialResult
from experiments.planning.checkpoint_files import checkpoint_file
from experiments.planning.results import TrialOutcome
from experiments.proposers.decisions import Advance
from experiments.spec.experiment import Experiment
from experiments.tracking.errors import TrackingRefused
from experiments.tracking.provenance import Provenance
from experiments.tracking.run_record import RETRIED, STOPPED, RunRecord, State
from experiments.tracking.trial_writer import TrialWriter
from experiments.tracking.writer import ExperimentWriter
from vae.components import user_code
from vae.configuration import Trial
from vae.data import datasets, decoded


@dataclass(frozen=True)
class Places:
    """Where a sweep reads and writes, and on what it computes: nothing that alters a number."""

    data_dir: str
    checkpoint_dir: Path
    device: str


class TrialRuns:
    """What becomes of a trial's run, whoever proposes the trial and however far."""

    def __init__(
        self,
        experiment: Experiment,
        tracker: ExperimentWriter,
        places: Places,
        records: Mapping[str, RunRecord],
        code: Provenance,
        archive: bool,
    ) -> None:
        """Args:
        records: the run that each trial_id had when the sweep started
        archive: whether workers put the weights of finished trials into their runs
        """
        self._experiment = experiment
        self._tracker = tracker
        self._places = places
        self._records = records
        self._code = code
        self._archive = archive
        self._digest = cache(lambda component: decoded.digest(component, places.data_dir))
        self._run_ids: dict[str, str] = {}
        self._open: dict[str, Task] = {}

    def open(self, advance: Advance, parent_run_id: str) -> Task:
        """The task of advancing a trial, in the run it has or else in a new one."""
        trial = advance.trial
        known = self._record(trial) is not None or trial.id in self._run_ids
        if trial.id not in self._run_ids:
            self._run_ids[trial.id] = self._open_run(trial, parent_run_id)
        run_id = self._run_ids[trial.id]
        task = Task(
            trial=trial,
            label=f"{self._experiment.label(trial.configuration)} s{trial.seed}",
            run_id=run_id,
            until=advance.until,
            metric=self._experiment.metric,
            pictures=self._experiment.pictures,
            data_path=datasets.path_of(trial.configuration.component("dataset")),
            code=user_code.known_of(trial.configuration.digests.values()),
            diagnostics=self._experiment.diagnostics,
            fresh=not known,
            archive=self._archive,
            tracking_uri=self._tracker.uri,
            data_dir=self._places.data_dir,
            device=self._places.device,
            checkpoint=checkpoint_file(self._places.checkpoint_dir, run_id),
        )
        self._open[task.run_id] = task
        return task

    def _record(self, trial: Trial) -> RunRecord | None:
        """The run that a trial goes on in: what broken code logged stays with the broken code."""
        record = self._records.get(trial.id)
        return None if record is not None and record.state == State.FAILED else record

    def _open_run(self, trial: Trial, parent_run_id: str) -> str:
        record = self._record(trial)
        if record is not None:
            try:
                self._tracker.reopen(record)
                earlier = record.tags if record.metrics else {}
                self._tracker.set_tags(record.run_id, self._code.tags(earlier))
                return self._described(record.run_id, trial)
            except TrackingRefused:
                if not self._tracker.is_deleted(record.run_id):
                    raise
        elif failed := self._records.get(trial.id):
            with contextlib.suppress(TrackingRefused):  # a person has deleted it
                self._tracker.set_tag(failed.run_id, RETRIED, "true")
        label = self._experiment.label(trial.configuration)
        made = self._tracker.create_trial_run(trial, label, parent_run_id, self._code)
        return self._described(made, trial)

    def _described(self, run_id: str, trial: Trial) -> str:
        digest = self._digest(trial.configuration.component("dataset"))
        self._tracker.describe_trial(run_id, trial, digest, self._places.data_dir, self._code)
        return run_id

    def close(self, result: TrialResult) -> TrialResult:
        """Take note of what became of a task.

        Returns the final result; a lost worker's trial may have finished.
        """
        if result.state in (TaskState.LOST, TaskState.STOPPED):
            result = self._settle_lost(result)
            result.task.checkpoint.unlink(missing_ok=True)
        if result.state != TaskState.ADVANCED:
            self._open.pop(result.task.run_id, None)
        return result

    def _settle_lost(self, result: TrialResult) -> TrialResult:
        """The worker may have died after finishing the run but before returning its result."""
        log = TrialWriter(self._tracker.uri, result.task.run_id)
        try:
            metrics = log.read_back()
            if metrics is not None:
                return replace(result, state=TaskState.FINISHED, error="", metrics=metrics)
            if result.state == TaskState.STOPPED:
                self.prune(result.task.trial, STOPPED)
                return replace(result, error=STOPPED)
            log.fail(result.error, "")
        except TrackingRefused as error:  # its run was deleted
            return replace(result, state=TaskState.FAILED, error=f"{result.error}; {error}")
        return replace(result, state=TaskState.FAILED)

    def prune(self, trial: Trial, reason: str) -> None:
        """Run a trial no further."""
        record = self._records.get(trial.id)
        run_id = self._run_ids.get(trial.id, record.run_id if record else None)
        if run_id is not None:
            self.prune_run(run_id, reason)

    def prune_run(self, run_id: str, reason: str) -> None:
        """Run the trial that this run is of no further."""
        checkpoint_file(self._places.checkpoint_dir, run_id).unlink(missing_ok=True)
        with contextlib.suppress(TrackingRefused):  # a person has deleted it
            self._tracker.mark_pruned(run_id, reason)
            self._tracker.set_state(run_id, State.PRUNED)
        self._open.pop(run_id, None)

    def interrupt(self) -> None:
        """Mark what was running as stopped; the next sweep goes on from there."""
        for task in self._open.values():
            with contextlib.suppress(TrackingRefused):  # a person has deleted it
                self._tracker.set_state(task.run_id, State.MISSING)


_STATES = {
    TaskState.FINISHED: State.FINISHED,
    TaskState.FAILED: State.FAILED,
    TaskState.ADVANCED: State.RUNNING,
    TaskState.STOPPED: State.PRUNED,
}


def outcome_of(result: TrialResult) -> TrialOutcome:
    """What a proposer is told of a task's result."""
    state = _STATES[result.state]
    # Patience may have finished it before the epoch that it was to reach: there are no more.
    last = result.task.trial.configuration.epochs
    return TrialOutcome(
        state,
        epoch=last if state is State.FINISHED else result.task.until,
        metrics=result.metrics,
        error=result.error,
        run_id=result.task.run_id,
        stopped=result.state == TaskState.STOPPED,
    )
