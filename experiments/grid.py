"""A grid as a proposer: every trial that is left, one after another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.configuration_runs import ConfigurationRuns
from experiments.planning import Plan, PlannedTrial
from experiments.provenance import Provenance, provenance
from experiments.specification import Experiment
from experiments.tracking import TrackingRefused
from experiments.tracking.client import at_most
from experiments.tracking.tracker import Tracker
from experiments.tracking.trial_log import TrialLog
from experiments.work import TrialResult, Work
from vae import datasets


@dataclass(frozen=True)
class Places:
    """Where a sweep reads and writes, and on what it computes: nothing that alters a number."""

    data_dir: str
    checkpoint_dir: Path
    device: str


class Grid:
    """Opens a trial's run when the trial is asked for, and closes its configuration's when the
    last of its trials has been told.
    """

    def __init__(
        self,
        experiment: Experiment,
        plan: Plan,
        tracker: Tracker,
        places: Places,
        configuration_runs: ConfigurationRuns,
    ) -> None:
        self._experiment = experiment
        self._tracker = tracker
        self._places = places
        self._todo = iter(plan.todo)
        self._code: Provenance = provenance()
        self._digests = {
            name: datasets.digest(name, places.data_dir)
            for name in {planned.trial.configuration.dataset for planned in plan.todo}
        }
        self.left = Counter(planned.trial.configuration.id for planned in plan.todo)
        """How many trials of each configuration_id have not been told yet."""
        self._open: dict[str, Work] = {}
        self._configuration_runs = configuration_runs
        self.results: Counter[str] = Counter()

    def ask(self) -> Work | None:
        planned = next(self._todo, None)
        if planned is None:
            return None
        trial = planned.trial
        run_id = self._open_run(planned)
        work = Work(
            trial=trial,
            label=f"{self._experiment.label(trial.configuration)} s{trial.seed}",
            run_id=run_id,
            until=trial.configuration.epochs,
            fresh=planned.record is None,
            tracking_uri=self._tracker.uri,
            data_dir=self._places.data_dir,
            device=self._places.device,
            checkpoint=self._places.checkpoint_dir / f"{trial.id}.pt",
        )
        self._open[run_id] = work
        digest = self._digests[trial.configuration.dataset]
        self._tracker.describe_trial(run_id, trial, digest, self._places.data_dir, self._code)
        return work

    def _open_run(self, planned: PlannedTrial) -> str:
        """The trial's own run: the one it has, or else a new one."""
        trial, record = planned.trial, planned.record
        configuration = trial.configuration
        if record is None:
            label = self._experiment.label(configuration)
            parent = self._configuration_runs.run_id(configuration.id)
            run_id = self._tracker.create_trial_run(trial, label, parent, self._code)
        else:
            run_id = record.run_id
            self._tracker.reopen(record)
        return run_id

    def tell(self, result: TrialResult) -> None:
        work = result.work
        if result.state == "lost":
            result = self._settle_lost(result)
        self._open.pop(work.run_id, None)
        self.results["finished" if result.state == "finished" else "failed"] += 1
        configuration_id = work.trial.configuration.id
        self.left[configuration_id] -= 1
        metrics = result.metrics if result.state == "finished" else None
        self._configuration_runs.add(configuration_id, work.trial.seed, work.run_id, metrics)

    def _settle_lost(self, result: TrialResult) -> TrialResult:
        """A worker may have been lost after its trial's last word, and before its own."""
        log = TrialLog(self._tracker.uri, result.work.run_id)
        try:
            metrics = log.read_back()
            if metrics is not None:
                return replace(result, state="finished", error="", metrics=metrics)
            log.fail(result.error, "")
        except TrackingRefused as error:  # its run was deleted
            return replace(result, error=f"{result.error}; {error}")
        return result

    def interrupt(self) -> None:
        """Mark what was running as stopped; the next sweep goes on from there."""
        with at_most(seconds=3):  # whoever pressed Ctrl-C is waiting
            for work in self._open.values():
                self._tracker.set_status(work.run_id, "KILLED")
            self._configuration_runs.interrupt()
