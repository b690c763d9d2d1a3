"""The runs of a sweep's trials: opened when a trial is handed out, closed when it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from experiments.cli import typed_command
from experiments.execution.messages import Task, TrialResult
from experiments.planning.plan import PlannedTrial
from experiments.spec.experiment import Experiment
from experiments.sweep.configuration_runs import ConfigurationRuns
from experiments.tracking.errors import TrackingRefused
from experiments.tracking.provenance import provenance
from experiments.tracking.retries import limit_retries
from experiments.tracking.trial_writer import TrialWriter
from experiments.tracking.writer import ExperimentWriter
from vae import datasets, decoded, user_code


@dataclass(frozen=True)
class Places:
    """Where a sweep reads and writes, and on what it computes: nothing that alters a number."""

    data_dir: str
    checkpoint_dir: Path
    device: str


class TrialRuns:
    """What every proposer does with a trial, whichever it proposes and however far.

    Attributes:
        results: how many trials of this sweep are finished, failed, pruned
    """

    def __init__(
        self,
        experiment: Experiment,
        tracker: ExperimentWriter,
        places: Places,
        configuration_runs: ConfigurationRuns,
        archive: bool,
    ) -> None:
        """Args: archive: whether workers put the weights of finished trials into their runs"""
        self._experiment = experiment
        self._tracker = tracker
        self._places = places
        self._configuration_runs = configuration_runs
        self._archive = archive
        self._code = provenance(typed_command())
        self._digest = cache(lambda component: decoded.digest(component, places.data_dir))
        self._run_ids: dict[str, str] = {}
        self._open: dict[str, Task] = {}
        self.results: Counter[str] = Counter()

    def open(self, planned: PlannedTrial, until: int) -> Task:
        """The work of advancing a trial to an epoch, in the run it has or else in a new one."""
        trial = planned.trial
        known = planned.record is not None or trial.id in self._run_ids
        if trial.id not in self._run_ids:
            self._run_ids[trial.id] = self._open_run(planned)
        task = Task(
            trial=trial,
            label=f"{self._experiment.label(trial.configuration)} s{trial.seed}",
            run_id=self._run_ids[trial.id],
            until=until,
            metric=self._experiment.metric,
            pictures=self._experiment.pictures,
            data_path=datasets.path_of(trial.configuration.component("dataset")),
            code=user_code.known_of(trial.configuration.digests.values()),
            fresh=not known,
            archive=self._archive,
            tracking_uri=self._tracker.uri,
            data_dir=self._places.data_dir,
            device=self._places.device,
            checkpoint=self._checkpoint(planned),
        )
        self._open[task.run_id] = task
        return task

    def _open_run(self, planned: PlannedTrial) -> str:
        trial, record = planned.trial, planned.record
        if record is None:
            label = self._experiment.label(trial.configuration)
            parent = self._configuration_runs.run_id(trial.configuration.id)
            run_id = self._tracker.create_trial_run(trial, label, parent, self._code)
        else:
            run_id = record.run_id
            self._tracker.reopen(record)
        digest = self._digest(trial.configuration.component("dataset"))
        self._tracker.describe_trial(run_id, trial, digest, self._places.data_dir, self._code)
        return run_id

    def _checkpoint(self, planned: PlannedTrial) -> Path:
        return self._places.checkpoint_dir / f"{planned.trial.id}.pt"

    def close(self, result: TrialResult) -> TrialResult:
        """Take note of a trial's end; returns what really became of it."""
        if result.state == "lost":
            result = self._settle_lost(result)
        trial, run_id = result.task.trial, result.task.run_id
        self._open.pop(run_id, None)
        finished = result.state == "finished"
        self.results["finished" if finished else "failed"] += 1
        metrics = result.metrics if finished else None
        self._configuration_runs.add(trial.configuration.id, trial.seed, run_id, metrics)
        return result

    def _settle_lost(self, result: TrialResult) -> TrialResult:
        """A worker may have been lost after its trial's last word, and before its own."""
        log = TrialWriter(self._tracker.uri, result.task.run_id)
        try:
            metrics = log.read_back()
            if metrics is not None:
                return replace(result, state="finished", error="", metrics=metrics)
            log.fail(result.error, "")
        except TrackingRefused as error:  # its run was deleted
            return replace(result, error=f"{result.error}; {error}")
        return result

    def prune(self, configuration_id: str, trials: Iterable[PlannedTrial], reason: str) -> None:
        """Give a configuration up, with those of its trials that are not over."""
        for planned in trials:
            self._checkpoint(planned).unlink(missing_ok=True)
            run_id = planned.record.run_id if planned.record else None
            run_id = self._run_ids.get(planned.trial.id, run_id)
            if run_id is not None:
                self._tracker.mark_pruned(run_id, reason)
                self._tracker.set_status(run_id, "KILLED")
                self._open.pop(run_id, None)
            self.results["pruned"] += 1
        self._configuration_runs.prune(configuration_id, reason)

    def interrupt(self) -> None:
        """Mark what was running as stopped; the next sweep goes on from there."""
        with limit_retries(seconds=3):  # whoever pressed Ctrl-C is waiting
            for task in self._open.values():
                self._tracker.set_status(task.run_id, "KILLED")
            self._configuration_runs.interrupt()
