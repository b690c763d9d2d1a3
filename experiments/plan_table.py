"""The plan of a sweep as a table on stdout."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from experiments.specification import Experiment


def print_plan(experiment: Experiment) -> None:
    n_configurations, n_seeds = len(experiment.configurations), len(experiment.seeds)
    table = Table(title=f"{experiment.name}", title_justify="left")
    table.add_column("configuration")
    table.add_column("id")
    table.add_column("epochs", justify="right")
    table.add_column("trials", justify="right")
    for configuration in experiment.configurations:
        table.add_row(
            experiment.label(configuration),
            configuration.id,
            str(configuration.epochs),
            str(n_seeds),
        )
    console = Console()
    console.print(table)
    n_epochs = n_seeds * sum(c.epochs for c in experiment.configurations)
    console.print(
        f"{n_configurations} configurations × {n_seeds} seeds = "
        f"{n_configurations * n_seeds} trials, {n_epochs} epochs",
        highlight=False,
    )
