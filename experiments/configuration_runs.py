"""Configuration runs: the means over seeds, where MLflow's own table and charts show them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from experiments.planning import Plan
from experiments.specification import Experiment
from experiments.tracking.records import RunRecord, finished_runs, seeds_asked_for
from experiments.tracking.tracker import Tracker

_AGGREGATED = {"return": "return", "nll": "test/nll"}
"""Name of the aggregate, name of the trials' metric."""

_CURVE = "val/return"


FinishedSeeds = dict[int, tuple[str, Mapping[str, float]]]
"""By seed, the run and the final metrics of a finished trial."""


@dataclass
class _Seeds:
    """What is known of a configuration's trials."""

    run_id: str
    expected: set[int]
    logged: Mapping[str, float]
    n_left: int
    any_failed: bool
    finished: FinishedSeeds
    closed: bool = False


class ConfigurationRuns:
    """The configuration runs of a sweep, kept up to date as trials finish.

    Everything may be done twice: a sweep that comes after a kill logs what is missing and
    leaves alone what is there.
    """

    def __init__(
        self,
        experiment: Experiment,
        plan: Plan,
        tracker: Tracker,
        tracked: Mapping[str, RunRecord],
        finished: Mapping[str, FinishedSeeds],
    ) -> None:
        """Make the runs that are missing; all exist from the start, so that what is missing can
        be seen however early the sweep ends.

        Args:
            tracked: the run that each configuration_id has already
            finished: of each configuration_id, over all seeds that were ever asked for
        """
        self._experiment = experiment
        self._finished = finished
        self._tracker = tracker
        self._seeds = {
            configuration.id: self._open(configuration.id, tracked.get(configuration.id), plan)
            for configuration in experiment.configurations
        }
        for configuration_id, seeds in self._seeds.items():
            if not seeds.n_left and not seeds.closed:
                self._close(configuration_id)  # a kill came before

    def _open(self, configuration_id: str, record: RunRecord | None, plan: Plan) -> _Seeds:
        wanted = set(self._experiment.seeds)
        finished = dict(self._finished.get(configuration_id, {}))
        states = plan.states[configuration_id]
        n_left = sum(states[state] for state in plan.runnable_states)
        any_failed = bool(states["failed"]) and "failed" not in plan.runnable_states
        if record is not None and f"{_CURVE}.mean" in record.metrics and n_left:
            # A point of a metric cannot be taken back, and the mean over more seeds is another
            # curve: it gets another run, and the trials move there.
            record = self._replace(record, wanted)
        elif record is not None:
            self._tracker.ask_for_seeds(record, wanted)
        if record is None:
            run_id = self._create(configuration_id, wanted)
            return _Seeds(run_id, wanted, {}, n_left, any_failed, finished)
        if n_left and record.status != "RUNNING":
            self._tracker.set_status(record.run_id, "RUNNING")
        expected = seeds_asked_for(record) | wanted
        # The status is the last thing that closing writes.
        closed = (
            record.status in ("FINISHED", "FAILED")
            and record.metrics.get("n_finished", 0) == len(finished)
            and finished_runs(record) == {seed: run_id for seed, (run_id, _) in finished.items()}
        )
        return _Seeds(record.run_id, expected, record.metrics, n_left, any_failed, finished, closed)

    def _create(self, configuration_id: str, seeds: Iterable[int]) -> str:
        configuration = self._experiment.configuration(configuration_id)
        label = self._experiment.label(configuration)
        return self._tracker.create_configuration_run(configuration, label, seeds)

    def _replace(self, record: RunRecord, wanted: set[int]) -> RunRecord:
        expected = seeds_asked_for(record) | wanted
        run_id = self._create(record.tags["configuration_id"], expected)
        self._tracker.move_children(record.run_id, run_id)
        self._tracker.delete(record.run_id)
        tags = {**record.tags, "seeds": json.dumps(sorted(expected))}
        return replace(record, run_id=run_id, status="RUNNING", tags=tags, metrics={})

    def run_id(self, configuration_id: str) -> str:
        return self._seeds[configuration_id].run_id

    def add(
        self, configuration_id: str, seed: int, run_id: str, metrics: Mapping[str, float] | None
    ) -> None:
        """Take note of a trial's end; metrics: the final ones, or None if it failed."""
        seeds = self._seeds[configuration_id]
        seeds.n_left -= 1
        if metrics is None:
            seeds.any_failed = True
        else:
            seeds.finished[seed] = (run_id, metrics)
        if seeds.n_left:
            self._log_aggregates(seeds)
        else:
            self._close(configuration_id)

    def _log_aggregates(self, seeds: _Seeds) -> None:
        aggregates = aggregate([metrics for _, metrics in seeds.finished.values()])
        aggregates["n_expected"] = len(seeds.expected)
        changed = {k: v for k, v in aggregates.items() if seeds.logged.get(k) != v}
        self._tracker.log_metrics(seeds.run_id, changed, step=len(seeds.finished))
        run_ids = {seed: run_id for seed, (run_id, _) in sorted(seeds.finished.items())}
        self._tracker.set_tag(seeds.run_id, "finished", json.dumps(run_ids))
        seeds.logged = {**seeds.logged, **changed}

    def _close(self, configuration_id: str) -> None:
        """All trials have been told: the mean curve, the contact sheet, the status."""
        seeds = self._seeds[configuration_id]
        run_ids = [run_id for _, (run_id, _) in sorted(seeds.finished.items())]
        complete = len(seeds.finished) == len(seeds.expected) or seeds.any_failed
        if run_ids and complete and f"{_CURVE}.mean" not in seeds.logged:
            for epoch, mean in mean_curve([self._tracker.curve(r, _CURVE) for r in run_ids]):
                self._tracker.log_metrics(seeds.run_id, {f"{_CURVE}.mean": mean}, step=epoch)
            self._log_contact_sheet(configuration_id, seeds.run_id, run_ids)
        self._log_aggregates(seeds)
        if complete:
            self._tracker.set_status(seeds.run_id, "FAILED" if seeds.any_failed else "FINISHED")
        else:  # another sweep asked for more seeds and was stopped
            self._tracker.set_status(seeds.run_id, "KILLED")

    def _log_contact_sheet(
        self, configuration_id: str, run_id: str, trial_run_ids: list[str]
    ) -> None:
        """One strip of samples a seed: the top row of its trial's last picture."""
        n_rows, _ = self._experiment.configuration(configuration_id).samples_layout
        pictures = [self._tracker.last_picture(trial, "samples") for trial in trial_run_ids]
        strips = [p[: p.shape[0] // n_rows] for p in pictures if p is not None]
        if strips:
            self._tracker.log_picture(run_id, "samples", np.concatenate(strips, axis=0))

    def interrupt(self) -> None:
        """Mark the runs that are not complete as stopped."""
        for seeds in self._seeds.values():
            if seeds.n_left:
                self._tracker.set_status(seeds.run_id, "KILLED")


def finished_seeds(trial_runs: Iterable[RunRecord]) -> dict[str, FinishedSeeds]:
    """The finished trials of each configuration_id."""
    found: dict[str, FinishedSeeds] = {}
    for record in trial_runs:
        if record.state == "finished":
            seed = json.loads(record.tags["trial"])["seed"]
            seeds = found.setdefault(record.tags["configuration_id"], {})
            seeds[seed] = (record.run_id, record.metrics)
    return found


def aggregate(finals: list[Mapping[str, float]]) -> dict[str, float]:
    """Means over the final metrics of a configuration's finished trials, NaN left out."""
    from experiments.statistics import describe  # pandas takes its time to import

    aggregates: dict[str, float] = {"n_finished": len(finals)}
    for name, metric in _AGGREGATED.items():
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
