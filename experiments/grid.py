"""A grid as a proposer: every trial that is left, one after another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from experiments.planning import Plan, seeds_asked_for
from experiments.provenance import Provenance, provenance
from experiments.specification import Experiment
from experiments.tracking.records import RunRecord
from experiments.tracking.tracker import Tracker
from experiments.tracking.trial_log import TrialLog
from experiments.work import TrialResult, Work
from vae import datasets
from vae.configuration import Trial


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
        self, experiment: Experiment, plan: Plan, tracker: Tracker, places: Places
    ) -> None:
        self._experiment = experiment
        self._tracker = tracker
        self._places = places
        self._todo = iter(plan.todo)
        self._code: Provenance = provenance()
        self._digests = {
            name: datasets.digest(name, places.data_dir)
            for name in {trial.configuration.dataset for trial, _ in plan.todo}
        }
        self._left = Counter(trial.configuration.id for trial, _ in plan.todo)
        self._failed = {id for id, states in plan.states.items() if states["failed"]}
        self._open: dict[str, Work] = {}
        self._configuration_runs = self._open_configuration_runs()
        self.results: Counter[str] = Counter()

    def _open_configuration_runs(self) -> dict[str, str]:
        """The run of each configuration_id; all of them from the start, so that what is missing
        can be seen however early the sweep ends.
        """
        tracked = {r.tags["configuration_id"]: r for r in self._tracker.records("configuration")}
        runs = {}
        for configuration in self._experiment.configurations:
            record = tracked.get(configuration.id)
            seeds = set(self._experiment.seeds)
            if record is None:
                label = self._experiment.label(configuration)
                runs[configuration.id] = self._tracker.create_configuration_run(
                    configuration, label, seeds
                )
                continue
            runs[configuration.id] = record.run_id
            self._refresh(record, seeds)
        return runs

    def _refresh(self, record: RunRecord, seeds: set[int]) -> None:
        before = seeds_asked_for(record)
        if not seeds <= before:
            self._tracker.set_seeds(record.run_id, before | seeds)
        if self._left[record.tags["configuration_id"]] and record.status != "RUNNING":
            self._tracker.set_status(record.run_id, "RUNNING")

    def ask(self) -> Work | None:
        trial, record = next(self._todo, (None, None))
        if trial is None:
            return None
        run_id, fresh = self._open_run(trial, record)
        label = f"{self._experiment.label(trial.configuration)} s{trial.seed}"
        work = Work(
            trial=trial,
            label=label,
            run_id=run_id,
            until=trial.configuration.epochs,
            fresh=fresh,
            tracking_uri=self._tracker.uri,
            data_dir=self._places.data_dir,
            device=self._places.device,
            checkpoint=self._places.checkpoint_dir / f"{trial.id}.pt",
        )
        self._open[run_id] = work
        return work

    def _open_run(self, trial: Trial, record: RunRecord | None) -> tuple[str, bool]:
        configuration = trial.configuration
        if record is None:
            label = self._experiment.label(configuration)
            parent = self._configuration_runs[configuration.id]
            run_id = self._tracker.create_trial_run(trial, label, parent, self._code)
        else:
            run_id = record.run_id
            if record.status != "RUNNING":
                self._tracker.set_status(run_id, "RUNNING")
        digest = self._digests[configuration.dataset]
        self._tracker.describe_trial(run_id, trial, digest, self._places.data_dir, self._code)
        return run_id, record is None

    def tell(self, result: TrialResult) -> None:
        work = result.work
        self._open.pop(work.run_id, None)
        self.results["finished" if result.state == "finished" else "failed"] += 1
        if result.state == "lost":
            TrialLog(self._tracker.uri, work.run_id).fail(result.error, "")
        configuration_id = work.trial.configuration.id
        if result.state != "finished":
            self._failed.add(configuration_id)
        self._left[configuration_id] -= 1
        if not self._left[configuration_id]:
            status = "FAILED" if configuration_id in self._failed else "FINISHED"
            self._tracker.set_status(self._configuration_runs[configuration_id], status)

    def interrupt(self) -> None:
        """Mark what was running as stopped; the next sweep goes on from there."""
        for work in self._open.values():
            self._tracker.set_status(work.run_id, "KILLED")
        for configuration_id, n_left in self._left.items():
            if n_left:
                self._tracker.set_status(self._configuration_runs[configuration_id], "KILLED")
