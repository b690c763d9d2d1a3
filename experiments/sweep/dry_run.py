"""The plan of a sweep as a table on stdout; touches nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from experiments.cli import plain_console
from experiments.formatting import count, duration
from experiments.planning.changed_code import changed_code
from experiments.planning.checkpoint_files import find_checkpoints
from experiments.planning.estimate import Estimate
from experiments.planning.lessons import describe_lessons
from experiments.planning.plan import Plan, PlanState, make_plan
from experiments.planning.results import Results
from experiments.planning.snapshot import outcomes_of, settled
from experiments.spec.experiment import Experiment
from experiments.spec.ranges import Range
from experiments.spec.search_space import StudyPlan, rungs
from experiments.sweep.study_stores import check_stores, find_study, read_lessons
from experiments.tracking.reachable import check_reachable
from experiments.tracking.run_record import RunRecord, Stops, by_trial
from experiments.tracking.uris import sqlite_path

if TYPE_CHECKING:
    from experiments.tracking.reader import Reader


def print_plan(
    experiment: Experiment,
    tracking_uri: str,
    checkpoints: Path,
    n_workers: int,
    retry_failed: bool = False,
    study_storage: str = "",
) -> None:
    """What a sweep would run, what is done already, and how long the rest takes.

    Args:
        study_storage: Optuna's, of a study
    """
    tracker = _tracker(experiment.name, tracking_uri)
    records = tracker.records("trial") if tracker else []
    stops = tracker.stops() if tracker else Stops()
    shown: list[Table | str]
    if experiment.study:
        runs = tracker.records("configuration") if tracker else []
        tracked = _Tracked(tracking_uri, study_storage, records, runs)
        shown = [_space(experiment.study), *_study_lines(experiment, experiment.study, tracked)]
    else:
        plan = _plan(experiment, records, stops, checkpoints, retry_failed)
        shown = [_table(experiment, plan), *_grid_lines(experiment, plan, records, n_workers)]
    shown += experiment.notes
    shown += [f"{kind}: {change}" for kind, change in changed_code(experiment, records)]
    console = plain_console()
    for table_or_line in shown:
        console.print(table_or_line)


def _tracker(name: str, tracking_uri: str) -> Reader | None:
    """The experiment, if something of it is tracked."""
    check_reachable(tracking_uri, read_only=True)
    database = sqlite_path(tracking_uri)
    if database is not None and not database.exists():
        return None
    from experiments.tracking.reader import Reader  # MLflow takes its time to import

    return Reader.find(tracking_uri, name)


# ----------------------------------------------------------------------------- a grid


def _plan(
    experiment: Experiment,
    records: list[RunRecord],
    stops: Stops,
    checkpoints: Path,
    retry_failed: bool,
) -> Plan:
    tracked, stopped = by_trial(records), stops.configurations
    known = settled(outcomes_of(tracked.values()), retry_failed, stopped)
    results = Results(known, stopped=stopped)
    for configuration in experiment.configurations:
        results.ask_for(configuration, experiment.seeds)
    if experiment.racing:
        from experiments.proposers.racing_grid import hold_race  # and with it NumPy

        hold_race(results, experiment.seeds, experiment.metric, experiment.racing)
    return make_plan(experiment.trials(), results, tracked, find_checkpoints(checkpoints))


def _table(experiment: Experiment, plan: Plan) -> Table:
    shown = [s for s in PlanState if any(states[s] for states in plan.states.values())]
    table = Table(title=experiment.name, title_justify="left")
    table.add_column("configuration")
    table.add_column("id", no_wrap=True)
    for column in ("epochs", *shown):
        table.add_column(column, justify="right")
    for configuration in experiment.configurations:
        states = plan.states[configuration.id]
        counts = [str(states[state] or "·") for state in shown]
        label = experiment.label(configuration)
        table.add_row(label, configuration.id, str(configuration.epochs), *counts)
    return table


def _grid_lines(
    experiment: Experiment, plan: Plan, records: list[RunRecord], n_workers: int
) -> Iterator[str]:
    totals = sum(plan.states.values(), Counter())
    told = ", ".join(f"{totals[state]} {state}" for state in PlanState if totals[state])
    yield (
        f"{count(len(experiment.configurations), 'configuration')} × "
        f"{count(len(experiment.seeds), 'seed')} = {count(len(plan.trials), 'trial')}: {told}"
    )
    if experiment.racing:
        yield f"a race in {experiment.metric}: what is decided gets no more seeds"
    n_epochs = sum(trial.configuration.epochs for trial in plan.todo)
    time_left = _time_left(experiment, plan, records, n_workers)
    yield f"to run: {count(len(plan.todo), 'trial')}, at most {count(n_epochs, 'epoch')}{time_left}"


def _time_left(experiment: Experiment, plan: Plan, records: list[RunRecord], n_workers: int) -> str:
    estimate = Estimate(experiment.configurations)
    estimate.learn_from(records)
    n_trials = Counter(trial.configuration.id for trial in plan.todo)
    seconds = estimate.seconds(n_trials, n_workers)
    if not plan.todo or seconds is None:
        return ""
    return f", about {duration(seconds)} with {n_workers} workers (from measured epochs)"


# ---------------------------------------------------------------------------- a study


def _space(plan: StudyPlan) -> Table:
    table = Table(title="space", title_justify="left")
    table.add_column("field")
    table.add_column("values")
    for field, values in plan.space.items():
        shown = values if isinstance(values, Range) else ", ".join(map(str, values))
        table.add_row(field, str(shown))
    return table


@dataclass(frozen=True)
class _Tracked:
    """What a study has: its stores, and the runs in the one of them."""

    tracking_uri: str
    study_storage: str
    trials: list[RunRecord]
    configurations: list[RunRecord]


def _study_lines(experiment: Experiment, plan: StudyPlan, tracked: _Tracked) -> Iterator[str]:
    n_seeds = count(len(experiment.seeds), "seed")
    yield (
        f"{experiment.name}: {count(plan.n_configurations, 'configuration')} × {n_seeds}, "
        f"proposed by {plan.sampler}, for the mean {plan.metric} over the seeds"
    )
    if plan.pruner != "none":
        epochs = ", ".join(map(str, rungs(plan.pruner, plan.most_epochs)))
        yield f"{plan.pruner} may stop them after epoch {epochs}"
    if experiment.racing:
        yield "a configuration that has lost against the best gets no more seeds"
    if plan.first:
        yield f"tried first: {len(plan.first)} of `first`, unless they were already"
    yield from _state_lines(experiment, plan, tracked)


def _state_lines(experiment: Experiment, plan: StudyPlan, tracked: _Tracked) -> Iterator[str]:
    """How far the study has come, in both of its stores."""
    storage = tracked.study_storage
    study = find_study(experiment, plan, storage)
    learned = study.learned_from if study else {}
    yield from learned.values()
    for lessons in read_lessons(experiment, plan, tracked.tracking_uri, learned):
        yield describe_lessons(lessons.experiment, len(lessons.taken), lessons.left_out)
    runs = {record.tags["configuration_id"]: record for record in tracked.configurations}
    outcomes = outcomes_of(by_trial(tracked.trials).values())
    check = check_stores(experiment, plan, study, storage, runs, outcomes)
    n_proposed = 0
    if study:
        summary = replace(study.study_summary(), n_not_tracked=len(check.not_tracked))
        yield from summary.lines()
        n_proposed = summary.n_over
    yield from check.remarks
    n_left = max(0, plan.n_configurations - n_proposed)
    n_epochs = n_left * len(experiment.seeds) * plan.most_epochs
    yield f"to try: {count(n_left, 'configuration')}, at most {count(n_epochs, 'epoch')}"
