"""Summaries in the forms that people and programs read."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import pandas as pd
from rich.console import Console
from rich.table import Table


def print_summary(summary: pd.DataFrame, trials: pd.DataFrame, metric: str, name: str) -> None:
    """A table for a terminal, and below it whatever did not finish."""
    console = Console()
    shown = tidy(summary, metric)
    table = Table(title=f"{name}: {metric}, mean over seeds", title_justify="left")
    for column in shown.columns:
        table.add_column(column, justify="left" if shown[column].dtype == object else "right")
    for row, complete in zip(
        shown.itertuples(index=False), summary["n_finished"] == summary["n_expected"], strict=True
    ):
        table.add_row(*(str(cell) for cell in row), style=None if complete else "yellow")
    console.print(table)
    for line in holes(trials):
        console.print(line, style="yellow", highlight=False, soft_wrap=True)


def tidy(summary: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The columns a reader compares, as text: fields that vary, n, mean ± interval, sd."""
    statistics = [c for c in summary.columns if c.startswith(f"{metric}.")]
    first = statistics[0] if statistics else None
    fields = [c for c in summary.columns[1:] if c not in ("n_finished", "n_expected")]
    fields = [c for c in fields if "." not in c] if first else fields
    shown = (
        summary[fields].astype(object).map(lambda v: f"{v:g}" if isinstance(v, float) else str(v))
    )
    if not fields:
        shown["configuration"] = summary["configuration_id"]
    shown["n"] = [
        f"{finished}/{expected}"
        for finished, expected in zip(summary["n_finished"], summary["n_expected"], strict=True)
    ]
    shown["mean"] = summary[f"{metric}.mean"].map(_number)
    shown["sd"] = summary[f"{metric}.std"].map(_number)
    shown["95 % interval"] = [
        "–" if math.isnan(low) else f"{low:.3f} … {high:.3f}"
        for low, high in zip(
            summary[f"{metric}.ci95_low"], summary[f"{metric}.ci95_high"], strict=True
        )
    ]
    return shown


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def holes(trials: pd.DataFrame) -> list[str]:
    """One line per trial that did not finish, and why."""
    lines = []
    for trial in trials[trials["state"] != "finished"].itertuples():
        reason = f": {trial.error}" if trial.error else ""
        lines.append(
            f"{trial.state}: {trial.encoder} {trial.loss} {trial.transform} "
            f"({trial.configuration_id}) seed {trial.seed}{reason}"
        )
    return lines


def as_text(summary: pd.DataFrame, form: str) -> str:
    """csv, markdown, latex or json, with every column and full precision where a program reads."""
    if form == "csv":
        buffer = io.StringIO()
        summary.to_csv(buffer, index=False)
        return buffer.getvalue()
    forms: dict[str, Callable[[], str]] = {
        "markdown": lambda: summary.to_markdown(index=False, floatfmt=".3f") + "\n",
        "latex": lambda: summary.to_latex(index=False, float_format="%.3f", escape=True),
        "json": lambda: summary.to_json(orient="records", indent=2, double_precision=15) + "\n",
    }
    return forms[form]()
