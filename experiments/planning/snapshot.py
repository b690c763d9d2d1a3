"""What is tracked of an experiment when a sweep starts: one look, on which it then decides."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from experiments.planning.results import Outcomes, Results, TrialOutcome
from experiments.spec.experiment import Experiment
from experiments.tracking.run_record import (
    OVER,
    RunRecord,
    State,
    Stops,
    by_trial,
    finished_runs,
    seeds_asked_for,
)
from vae.configuration import Trial

if TYPE_CHECKING:
    from experiments.tracking.writer import ExperimentWriter  # a dry run does without MLflow


@dataclass(frozen=True)
class Snapshot:
    """The runs that an experiment has.

    Attributes:
        trials: the run of each trial_id
        configurations: the run of each configuration_id
        outcomes: of each configuration_id, over all seeds that were ever asked for
        deleted: the run_ids of trials that were deleted in MLflow
        stops: what persons have stopped
    """

    trials: Mapping[str, RunRecord]
    configurations: Mapping[str, RunRecord]
    outcomes: Mapping[str, Outcomes]
    deleted: Set[str] = frozenset()
    stops: Stops = field(default_factory=Stops)

    @property
    def stopped(self) -> dict[str, RunRecord]:
        """By trial_id, the runs that are still to be ended because a person has stopped them."""
        return {
            trial_id: record
            for trial_id, record in self.trials.items()
            if record.state not in OVER
            and (record.is_stopped or record.tags["configuration_id"] in self.stops.configurations)
        }

    def results(self, retry_failed: bool = False) -> Results:
        """What a sweep knows when it starts."""
        asked = {c: seeds_asked_for(record) for c, record in self.configurations.items()}
        stopped = self.stops.configurations
        return Results(settled(self.outcomes, retry_failed, stopped), asked, stopped)


def read_snapshot(tracker: ExperimentWriter, experiment: Experiment) -> Snapshot:
    """Read what is tracked, and mend what a kill or a lost answer left double."""
    configurations = tracker.only_configuration_runs()
    deleted = {record.run_id for record in tracker.records("trial", deleted=True)}
    known = _all_finished(experiment, configurations, deleted)
    if known is not None and not tracker.any_trial_running():  # one that is left has to be ended
        finished = {
            configuration_id: {
                seed: TrialOutcome(State.FINISHED, run_id=run_id)
                for seed, run_id in finished_runs(r).items()
            }
            for configuration_id, r in configurations.items()
        }
        return Snapshot(known, configurations, finished, deleted)
    records = tracker.records("trial")
    trials = by_trial(records)
    tracker.end_doubles(records, trials)
    stops = Stops.among([*trials.values(), *configurations.values()])
    return Snapshot(trials, configurations, outcomes_of(trials.values()), deleted, stops)


def _all_finished(
    experiment: Experiment,
    configuration_runs: Mapping[str, RunRecord],
    deleted_run_ids: Collection[str],
) -> dict[str, RunRecord] | None:
    """The run of each trial_id, if the configuration runs alone tell that nothing is left to run.

    Reading a run from MLflow takes a millisecond. When everything is finished, which is when
    nobody wants to wait, this reads one run per configuration instead of one per trial.
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


def settled(
    outcomes: Mapping[str, Outcomes], retry_failed: bool = False, stopped: Collection[str] = ()
) -> dict[str, dict[int, TrialOutcome]]:
    """Those that are not to be run again. What a study or a race pruned, they do not ask for
    again; somebody else may. What a person has stopped, nobody runs.

    Args:
        stopped: the configuration_ids that a person has stopped
    """
    states = (State.FINISHED,) if retry_failed else (State.FINISHED, State.FAILED)
    found: dict[str, dict[int, TrialOutcome]] = {}
    for configuration_id, by_seed in outcomes.items():
        known = {
            seed: outcome.when_stopped() if configuration_id in stopped else outcome
            for seed, outcome in by_seed.items()
        }
        found[configuration_id] = {s: o for s, o in known.items() if o.stopped or o.state in states}
    return found


def outcomes_of(trial_runs: Iterable[RunRecord]) -> dict[str, Outcomes]:
    """What is known of the trials of each configuration_id."""
    found: dict[str, dict[int, TrialOutcome]] = {}
    for record in trial_runs:
        trial = json.loads(record.tags["trial"])
        finished = record.state is State.FINISHED
        outcome = TrialOutcome(
            record.state,
            # Of a trial that is finished only the end is known; of others, nothing for sure.
            epoch=trial["configuration"]["epochs"] if finished else 0,
            metrics=record.metrics if finished else {},
            error=record.error,
            run_id=record.run_id,
        )
        by_seed = found.setdefault(record.tags["configuration_id"], {})
        by_seed[trial["seed"]] = outcome.when_stopped() if record.is_stopped else outcome
    return dict(found)
