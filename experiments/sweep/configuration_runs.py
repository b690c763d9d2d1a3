"""Configuration runs: the means over seeds, where MLflow's own table and charts show them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from experiments.metrics import AGGREGATED, CURVE
from experiments.planning.plan import PlannedTrial
from experiments.planning.snapshot import Snapshot
from experiments.spec.experiment import Experiment
from experiments.sweep.retention import Archiving
from experiments.tracking.run_record import RunRecord, finished_runs, seeds_asked_for
from experiments.tracking.writer import ExperimentWriter
from vae.configuration import Configuration


@dataclass
class _Row:
    """A configuration run and what is known of its trials.

    Attributes:
        expected: the seeds that any sweep has asked for so far
        left: those of them that this sweep has still to hear of
        pruned: why the configuration was given up, if it was
        logged: the metrics that the run has
    """

    configuration: Configuration
    expected: set[int]
    left: set[int]
    failed: set[int]
    finished: dict[int, tuple[str, Mapping[str, float]]]
    pruned: str = ""
    run_id: str = ""
    logged: Mapping[str, float] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """What the run's status should be."""
        if self.left:
            return "RUNNING"
        if self.failed:
            return "FAILED"
        if self.pruned or len(self.finished) < len(self.expected):
            return "KILLED"  # given up; or another sweep asked for more seeds and was stopped
        return "FINISHED"

    @property
    def over(self) -> bool:
        """Whether nothing more is to come, so that the mean curve can be drawn."""
        return self.status in ("FINISHED", "FAILED") or bool(self.pruned)

    @property
    def finished_runs(self) -> dict[int, str]:
        return {seed: run_id for seed, (run_id, _) in sorted(self.finished.items())}

    @property
    def finals(self) -> list[Mapping[str, float]]:
        """The trials' final metrics by seed: in the order in which they finished, the last bits of
        a mean would tell who was first.
        """
        return [metrics for _, (_, metrics) in sorted(self.finished.items())]


class ConfigurationRuns:
    """The configuration runs of a sweep, kept up to date as trials finish.

    Everything may be done twice: a sweep that comes after a kill logs what is missing and
    leaves alone what is there.
    """

    def __init__(
        self,
        experiment: Experiment,
        tracker: ExperimentWriter,
        snapshot: Snapshot,
        archiving: Archiving,
    ) -> None:
        self._experiment = experiment
        self._tracker = tracker
        self._snapshot = snapshot
        self._archiving = archiving
        self._rows: dict[str, _Row] = {}

    def open(
        self, configuration: Configuration, trials: Sequence[PlannedTrial], pruned: str = ""
    ) -> None:
        """Make the run if it is missing, and bring it up to date.

        Args:
            trials: of this configuration, all that the sweep asks for
            pruned: why the configuration has been given up, if it has
        """
        record = self._snapshot.configurations.get(configuration.id)
        wanted = {planned.trial.seed for planned in trials}
        row = _Row(
            configuration,
            expected=wanted | (seeds_asked_for(record) if record else set()),
            left={planned.trial.seed for planned in trials if planned.todo},
            failed={p.trial.seed for p in trials if p.state == "failed" and not p.todo},
            finished=dict(self._snapshot.finished.get(configuration.id, {})),
            pruned=pruned,
        )
        self._rows[configuration.id] = row
        if record is None:
            row.run_id = self._create(row)
        elif row.left and f"{CURVE}.mean" in record.metrics:
            # A point of a metric cannot be taken back, and the mean over more seeds is another
            # curve: it gets another run, and the trials move there.
            row.run_id = self._replace(row, record)
        else:
            row.run_id, row.logged = record.run_id, record.metrics
            self._tracker.ask_for_seeds(record, wanted)
            if row.left:
                self._tracker.reopen(record)
        if not row.left and not (record and self._is_closed(row, record)):
            self._close(row)  # a kill came before

    @staticmethod
    def _is_closed(row: _Row, record: RunRecord) -> bool:
        """The status is the last thing that closing writes."""
        return record.status == row.status and finished_runs(record) == row.finished_runs

    def _create(self, row: _Row) -> str:
        label = self._experiment.label(row.configuration)
        return self._tracker.create_configuration_run(row.configuration, label, row.expected)

    def _replace(self, row: _Row, record: RunRecord) -> str:
        run_id = self._create(row)
        self._tracker.move_children(record.run_id, run_id)
        self._tracker.delete(record.run_id)
        return run_id

    def run_id(self, configuration_id: str) -> str:
        row = self._rows.get(configuration_id)
        return row.run_id if row else self._snapshot.configurations[configuration_id].run_id

    def add(
        self, configuration_id: str, seed: int, run_id: str, metrics: Mapping[str, float] | None
    ) -> None:
        """Take note of a trial's end; metrics: the final ones, or None if it failed."""
        row = self._rows[configuration_id]
        row.left.discard(seed)
        if metrics is None:
            row.failed.add(seed)
        else:
            row.finished[seed] = (run_id, metrics)
        if row.left:
            self._log_aggregates(row)
        else:
            self._close(row)

    def prune(self, configuration_id: str, reason: str) -> None:
        """Give the configuration up: what is left of its trials will not be run."""
        row = self._rows[configuration_id]
        row.pruned = reason
        row.left.clear()
        self._close(row)

    def annotate(self, configuration_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of its run."""
        for key, value in tags.items():
            self._tracker.set_tag(self.run_id(configuration_id), key, value)

    def _log_aggregates(self, row: _Row) -> None:
        aggregates = aggregate(row.finals)
        aggregates["n_expected"] = len(row.expected)
        changed = {k: v for k, v in aggregates.items() if row.logged.get(k) != v}
        self._tracker.log_metrics(row.run_id, changed, step=len(row.finished))
        self._tracker.set_tag(row.run_id, "finished", json.dumps(row.finished_runs))
        row.logged = {**row.logged, **changed}

    def _close(self, row: _Row) -> None:
        """All trials have been told: the mean curve, the contact sheet, the status, in which order
        a kill in between is made good by the next sweep.
        """
        if row.finished and row.over and f"{CURVE}.mean" not in row.logged:
            run_ids = list(row.finished_runs.values())
            for epoch, mean in mean_curve([self._tracker.curve(r, CURVE) for r in run_ids]):
                self._tracker.log_metrics(row.run_id, {f"{CURVE}.mean": mean}, step=epoch)
            self._log_contact_sheet(row, run_ids)
        if row.over and self._archiving.keeps_only_best:
            self._delete_all_but_the_best(row)
        self._log_aggregates(row)
        if row.pruned:
            self._tracker.mark_pruned(row.run_id, row.pruned)
        self._tracker.set_status(row.run_id, row.status)

    def _log_contact_sheet(self, row: _Row, trial_run_ids: list[str]) -> None:
        """One strip of samples a seed: the top row of its trial's last picture."""
        n_rows, _ = self._experiment.pictures.layout
        pictures = [self._tracker.last_image(trial, "samples") for trial in trial_run_ids]
        strips = [p[: p.shape[0] // n_rows] for p in pictures if p is not None]
        if strips:
            self._tracker.log_image(row.run_id, "samples", np.concatenate(strips, axis=0))

    def _delete_all_but_the_best(self, row: _Row) -> None:
        """Of the seeds whose weights are there, leave the best one's."""
        archived = [
            (run_id, metrics)
            for run_id, metrics in row.finished.values()
            if metrics and self._tracker.has_weights(run_id)
        ]
        for run_id in self._archiving.runs_to_delete(archived):
            self._tracker.delete_weights(run_id)

    def interrupt(self) -> None:
        """Mark the runs that are not complete as stopped."""
        for row in self._rows.values():
            if row.left:
                self._tracker.set_status(row.run_id, "KILLED")


def aggregate(finals: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Means over the final metrics of a configuration's finished trials, NaN left out."""
    from experiments.analysis.statistics import describe  # pandas takes its time to import

    finals = list(finals)
    aggregates: dict[str, float] = {"n_finished": len(finals)}
    for name, metric in AGGREGATED.items():
        values = np.array([final[metric] for final in finals if metric in final])
        statistics = describe(values)
        for statistic in ("mean", "std", "ci95_low", "ci95_high"):
            if not np.isnan(statistics[statistic]):
                aggregates[f"{name}.{statistic}"] = statistics[statistic]
    return aggregates


def mean_curve(curves: list[list[tuple[int, float]]]) -> list[tuple[int, float]]:
    """The mean over seeds at every epoch that all of them have."""
    values = [dict(curve) for curve in curves]
    epochs = sorted(set.intersection(*(set(curve) for curve in values)))
    return [(epoch, float(np.mean([curve[epoch] for curve in values]))) for epoch in epochs]
