"""Configuration runs: the means over seeds, where MLflow's own table and charts show them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from experiments.metrics import CURVE, MEAN_CURVE
from experiments.planning.results import ConfigurationResults
from experiments.spec.experiment import Experiment
from experiments.sweep.aggregates import aggregate, mean_curve, mean_sorted, sample_grid
from experiments.sweep.retention import Archiving
from experiments.tracking.errors import TrackingRefused
from experiments.tracking.long_tags import run_tags
from experiments.tracking.run_record import (
    RunRecord,
    State,
    finished_runs,
    mlflow_status,
    seeds_asked_for,
)
from experiments.tracking.writer import ExperimentWriter
from vae.configuration import Configuration


@dataclass
class _Run:
    """A configuration's run: what it is of, and which metrics and tags it has."""

    run_id: str
    results: ConfigurationResults
    logged: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


class ConfigurationRuns:
    """The configuration runs of a sweep, kept up to date as trials finish.

    All methods are idempotent: a sweep that comes after a kill logs what is missing and leaves
    alone what is there.
    """

    def __init__(
        self,
        experiment: Experiment,
        tracker: ExperimentWriter,
        records: Mapping[str, RunRecord],
        archiving: Archiving,
    ) -> None:
        """Args: records: the run that each configuration_id had when the sweep started"""
        self._experiment = experiment
        self._tracker = tracker
        self._records = records
        self._archiving = archiving
        self._runs: dict[str, _Run] = {}

    def open(self, results: ConfigurationResults) -> str:
        """Make the run if it is missing, and bring it up to date; returns its id."""
        configuration = results.configuration
        if configuration.id not in self._runs:
            record = self._records.get(configuration.id)
            run = _Run("", results) if record is None else _Run(record.run_id, results)
            self._runs[configuration.id] = run
            if record is None:
                self._make(run)
            else:
                self._write(run, lambda: self._go_on(run, record))
            if not results.left and not (record and self._is_closed(results, record)):
                self._write(run, lambda: self._close(run))  # a kill came before
        return self._runs[configuration.id].run_id

    def _go_on(self, run: _Run, record: RunRecord) -> None:
        """Bring the run that an earlier sweep has made up to date."""
        results = run.results
        if run.run_id != record.run_id:  # made anew, and up to date
            return
        run.logged, run.tags = record.metrics, record.tags
        self._tracker.ask_for_seeds(record, set(results.seeds))
        if results.settled and seeds_asked_for(record) != results.expected:
            self._tracker.expect_seeds(record.run_id, results.expected)
        if results.left:
            self._tracker.reopen(record)

    def _make(self, run: _Run) -> None:
        """A new run, below which the trials come that are there already: a person may have deleted
        the one that they had.
        """
        configuration, expected = run.results.configuration, run.results.expected
        label = self._experiment.label(configuration)
        run.run_id = self._tracker.create_configuration_run(configuration, label, expected)
        run.logged, run.tags = {}, {}
        if run.results.outcomes:
            self._tracker.adopt_trials(configuration.id, run.run_id)

    def _write(self, run: _Run, write: Callable[[], None]) -> None:
        """Write to a run; where a person has deleted it meanwhile, to a new one in its place."""
        try:
            write()
        except TrackingRefused:
            if not self._tracker.is_deleted(run.run_id):
                raise
            self._make(run)
            write()

    @staticmethod
    def _is_closed(results: ConfigurationResults, record: RunRecord) -> bool:
        """The status is the last thing that closing writes."""
        same_status = record.status == mlflow_status(results.state)
        same_reason = record.tags.get("pruned.reason", "") == results.why_pruned
        return same_status and same_reason and finished_runs(record) == _run_ids(results)

    def update(self, configuration: Configuration) -> None:
        """One of its trials has come to its end, or no more of them are run."""
        run = self._runs[configuration.id]
        if run.results.left:
            self._write(run, lambda: self._log_aggregates(run))
        else:
            self._write(run, lambda: self._close(run))

    def settle(self, configuration: Configuration) -> None:
        """It needs no more seeds than it has had: those are what its run expects."""
        run = self._runs[configuration.id]
        self._write(run, lambda: self._tracker.expect_seeds(run.run_id, run.results.expected))
        self._write(run, lambda: self._close(run))

    def annotate(self, configuration: Configuration, tags: Mapping[str, str]) -> None:
        """Set tags of its run."""
        run = self._runs[configuration.id]
        self._write(run, lambda: self._tracker.set_tags(run.run_id, tags))

    def interrupt(self) -> None:
        """Mark the runs of which something is left as stopped."""
        for run in self._runs.values():
            if run.results.left:
                with contextlib.suppress(TrackingRefused):  # a person has deleted it
                    self._tracker.set_state(run.run_id, State.MISSING)

    def _close(self, run: _Run) -> None:
        """All trials have ended: the mean curve, the grid of samples, the status, in which order
        a kill in between is made good by the next sweep.
        """
        if run.results.finished and run.results.ended:
            self._log_curve(run)
            self._log_sample_grid(run)
            self._log_kl_per_dimension(run)
            self._archiving.delete_all_but_the_best(self._tracker, run.results.finished.values())
        self._log_aggregates(run)
        if run.results.why_pruned:
            self._tracker.mark_pruned(run.run_id, run.results.why_pruned)
        self._tracker.set_state(run.run_id, run.results.state)

    def _log_aggregates(self, run: _Run) -> None:
        finished = run.results.finished
        aggregates = aggregate(outcome.metrics for outcome in finished.values())
        aggregates["n_expected"] = len(run.results.expected)
        changed = {k: v for k, v in aggregates.items() if run.logged.get(k) != v}
        self._tracker.log_metrics(run.run_id, changed, step=len(finished))
        run.logged = {**run.logged, **changed}
        finished_tags = run_tags("finished", _run_ids(run.results))
        new = {key: text for key, text in finished_tags.items() if run.tags.get(key) != text}
        self._tracker.set_tags(run.run_id, new)
        run.tags = {**run.tags, **new}

    def _log_curve(self, run: _Run) -> None:
        """The mean over more seeds is another curve: its points take the place of the older."""
        curves = [self._tracker.curve(r, CURVE) for r in _run_ids(run.results).values()]
        logged = dict(self._tracker.curve(run.run_id, MEAN_CURVE))
        changed = [(e, mean) for e, mean in mean_curve(curves) if logged.get(e) != mean]
        self._tracker.log_curve(run.run_id, MEAN_CURVE, changed)

    def _log_sample_grid(self, run: _Run) -> None:
        step = len(run.results.finished)
        if self._tracker.has_image(run.run_id, "samples", step):
            return
        n_rows, _ = self._experiment.pictures.layout
        trial_run_ids = _run_ids(run.results).values()
        images = [self._tracker.last_image(run_id, "samples") for run_id in trial_run_ids]
        grid = sample_grid((image for image in images if image is not None), n_rows)
        if grid is not None:
            self._tracker.log_image(run.run_id, "samples", grid, step)

    def _log_kl_per_dimension(self, run: _Run) -> None:
        trial_run_ids = _run_ids(run.results).values()
        kls = [self._tracker.kl_per_dimension(run_id) for run_id in trial_run_ids]
        if kl := mean_sorted(kl for kl in kls if kl):
            self._tracker.log_kl_per_dimension(run.run_id, kl)


def _run_ids(results: ConfigurationResults) -> dict[int, str]:
    """Of its finished trials, by seed."""
    return {seed: outcome.run_id for seed, outcome in results.finished.items()}
