"""The plan of a sweep as a table on stdout; touches nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from experiments.planning import Estimate, Plan, make_plan
from experiments.progress import duration
from experiments.specification import Experiment
from experiments.tracking.addresses import check_reachable, sqlite_path
from experiments.tracking.records import RunRecord, by_trial

_STATES = ("done", "pruned", "failed", "resumable", "missing")


def print_plan(
    experiment: Experiment,
    tracking_uri: str,
    checkpoints: Path,
    n_workers: int,
    retry_failed: bool = False,
) -> None:
    records = _tracked(experiment.name, tracking_uri)
    plan = make_plan(experiment.trials(), by_trial(records), checkpoints, retry_failed)
    console = Console()
    console.print(_table(experiment, plan))
    totals = sum(plan.states.values(), Counter())
    told = ", ".join(f"{totals[state]} {state}" for state in _STATES if totals[state])
    n_epochs = sum(planned.trial.configuration.epochs for planned in plan.todo)
    lines = [
        f"{len(experiment.configurations)} configurations × {len(experiment.seeds)} seeds = "
        f"{len(plan.trials)} trials: {told}",
        f"to run: {len(plan.todo)} trials, at most {n_epochs} epochs"
        + _time_left(experiment, plan, records, n_workers),
    ]
    for line in lines:
        console.print(line, highlight=False)


def _tracked(name: str, tracking_uri: str) -> list[RunRecord]:
    check_reachable(tracking_uri)
    database = sqlite_path(tracking_uri)
    if database is not None and not database.exists():
        return []
    from experiments.tracking.tracker import Tracker  # MLflow takes its time to import

    tracker = Tracker.find(tracking_uri, name)
    return tracker.records("trial") if tracker else []


def _table(experiment: Experiment, plan: Plan) -> Table:
    shown = [s for s in _STATES if any(states[s] for states in plan.states.values())]
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


def _time_left(experiment: Experiment, plan: Plan, records: list[RunRecord], n_workers: int) -> str:
    estimate = Estimate(experiment.configurations)
    estimate.learn_from(records)
    n_trials = Counter(planned.trial.configuration.id for planned in plan.todo)
    seconds = estimate.seconds(n_trials, n_workers)
    if not plan.todo or seconds is None:
        return ""
    return f", about {duration(seconds)} with {n_workers} workers (from measured epochs)"
