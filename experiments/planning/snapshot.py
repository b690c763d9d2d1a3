"""What is tracked of an experiment when a sweep starts: one look, on which it then decides."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from experiments.spec.experiment import Experiment
from experiments.tracking.run_record import RunRecord, by_trial, finished_runs
from experiments.tracking.writer import ExperimentWriter
from vae.configuration import Trial

FinishedSeeds = Mapping[int, tuple[str, Mapping[str, float]]]
"""By seed, the run and the final metrics of a finished trial."""


@dataclass(frozen=True)
class Snapshot:
    """The runs that an experiment has.

    Attributes:
        trials: the run of each trial_id
        configurations: the run of each configuration_id
        finished: of each configuration_id, over all seeds that were ever asked for
    """

    trials: Mapping[str, RunRecord]
    configurations: Mapping[str, RunRecord]
    finished: Mapping[str, FinishedSeeds]


def read_snapshot(tracker: ExperimentWriter, experiment: Experiment) -> Snapshot:
    """Read what is tracked, and mend what a kill or a lost answer left double."""
    configurations = tracker.only_configuration_runs()
    deleted = {record.run_id for record in tracker.records("trial", deleted=True)}
    known = _all_done(experiment, configurations, deleted)
    if known is not None and not tracker.any_trial_running():  # one that is left has to be ended
        finished: dict[str, FinishedSeeds] = {
            configuration_id: {seed: (run_id, {}) for seed, run_id in finished_runs(r).items()}
            for configuration_id, r in configurations.items()
        }
        return Snapshot(known, configurations, finished)
    records = tracker.records("trial")
    trials = by_trial(records)
    tracker.end_doubles(records, trials)
    return Snapshot(trials, configurations, _finished_seeds(trials.values()))


def _all_done(
    experiment: Experiment,
    configuration_runs: Mapping[str, RunRecord],
    deleted_run_ids: Collection[str],
) -> dict[str, RunRecord] | None:
    """The run of each trial_id, if the configuration runs alone tell that nothing is left to do.

    Reading a run from MLflow takes a millisecond. When everything is done, which is when nobody
    wants to wait, this reads one run per configuration instead of one per trial.
    """
    if experiment.racing or experiment.study:  # what is left depends on the trials' metrics
        return None
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


def _finished_seeds(trial_runs: Iterable[RunRecord]) -> dict[str, FinishedSeeds]:
    """The finished trials of each configuration_id."""
    found: dict[str, dict[int, tuple[str, Mapping[str, float]]]] = {}
    for record in trial_runs:
        if record.state == "finished":
            seed = json.loads(record.tags["trial"])["seed"]
            seeds = found.setdefault(record.tags["configuration_id"], {})
            seeds[seed] = (record.run_id, record.metrics)
    return dict(found)
