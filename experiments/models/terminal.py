"""An evaluation as a table for a terminal, 80 columns wide."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table

from experiments.cli import plain_console
from experiments.models.evaluate import LoadedModel, Row, notes


def print_evaluation(subject: LoadedModel, rows: Iterable[Row]) -> None:
    """What the model is, then its numbers beside those that its trial logged."""
    protocol, description = subject.protocol, subject.description
    console = plain_console()
    for note in notes(subject):
        console.print(f"• {note}")
    console.print(
        f"{subject.chosen.name}, epoch {description.best_epoch}",
        f"run {subject.chosen.run.run_id}",
        f"test set of {protocol.dataset}; test/nll: K = {protocol.n_samples}, "
        f"{protocol.n_images} images",
        sep="\n",
    )
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("per image", no_wrap=True)
    for column in ("value", "logged"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        logged = "–" if row.logged is None else f"{row.logged:.4f}"
        table.add_row(row.name, f"{row.value:.4f}", logged, row.verdict)
    console.print(table)
