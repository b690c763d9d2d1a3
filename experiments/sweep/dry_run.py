"""The plan of a sweep as a table on stdout; touches nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from experiments.cli import plain_console
from experiments.formatting import duration
from experiments.planning.changed_code import changed_code
from experiments.planning.checkpoint_files import find_checkpoints
from experiments.planning.estimate import Estimate
from experiments.planning.plan import Plan, PlanState, make_plan
from experiments.planning.results import Results
from experiments.planning.snapshot import outcomes_of, settled
from experiments.spec.experiment import Experiment
from experiments.spec.search_space import Range, StudyPlan, rungs
from experiments.tracking.reachable import check_reachable
from experiments.tracking.run_record import RunRecord, by_trial
from experiments.tracking.study_summary import TAG, StudySummary
from experiments.tracking.uris import sqlite_path


def print_plan(
    experiment: Experiment,
    tracking_uri: str,
    checkpoints: Path,
    n_workers: int,
    retry_failed: bool = False,
) -> None:
    """What a sweep would run, what is done already, and how long the rest takes."""
    records, study_summary = _tracked(experiment.name, tracking_uri)
    if experiment.study:
        if study_summary and study_summary.study != experiment.study_name:
            study_summary = None
        shown = [
            _space(experiment.study),
            *_study_lines(experiment, experiment.study, study_summary),
        ]
    else:
        plan = _plan(experiment, records, checkpoints, retry_failed)
        shown = [_table(experiment, plan), *_grid_lines(experiment, plan, records, n_workers)]
    shown += experiment.notes
    shown += [f"{kind}: {change}" for kind, change in changed_code(experiment, records)]
    console = plain_console()
    for table_or_line in shown:
        console.print(table_or_line)


def _tracked(name: str, tracking_uri: str) -> tuple[list[RunRecord], StudySummary | None]:
    """The trial runs, and how far a study had come."""
    check_reachable(tracking_uri, read_only=True)
    database = sqlite_path(tracking_uri)
    if database is not None and not database.exists():
        return [], None
    from experiments.tracking.reader import Reader  # MLflow takes its time to import

    tracker = Reader.find(tracking_uri, name)
    if tracker is None:
        return [], None
    return tracker.records("trial"), StudySummary.from_json(tracker.experiment_tag(TAG))


# ----------------------------------------------------------------------------- a grid


def _plan(
    experiment: Experiment, records: list[RunRecord], checkpoints: Path, retry_failed: bool
) -> Plan:
    tracked = by_trial(records)
    results = Results(settled(outcomes_of(tracked.values()), retry_failed))
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
        f"{len(experiment.configurations)} configurations × {len(experiment.seeds)} seeds = "
        f"{len(plan.trials)} trials: {told}"
    )
    if experiment.racing:
        yield f"a race in {experiment.metric}: what is decided gets no more seeds"
    n_epochs = sum(trial.configuration.epochs for trial in plan.todo)
    time_left = _time_left(experiment, plan, records, n_workers)
    yield f"to run: {len(plan.todo)} trials, at most {n_epochs} epochs{time_left}"


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


def _study_lines(
    experiment: Experiment, plan: StudyPlan, study_summary: StudySummary | None
) -> Iterator[str]:
    n_seeds = len(experiment.seeds)
    yield (
        f"{experiment.name}: {plan.n_configurations} configurations × {n_seeds} seeds, "
        f"proposed by {plan.sampler}, for the mean {plan.metric} over the seeds"
    )
    if plan.pruner != "none":
        epochs = ", ".join(map(str, rungs(plan.pruner, plan.most_epochs)))
        yield f"{plan.pruner} may stop them after epoch {epochs}"
    if experiment.racing:
        yield "a configuration that has lost against the best gets no more seeds"
    if study_summary:
        yield from study_summary.lines()
    n_left = max(0, plan.n_configurations - (study_summary.n_over if study_summary else 0))
    n_epochs = n_left * n_seeds * plan.most_epochs
    yield f"to try: {n_left} configurations, at most {n_epochs} epochs"
