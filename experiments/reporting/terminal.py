"""An answer as a table for a terminal, 80 columns wide."""

from __future__ import annotations

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.metrics import YARDSTICK
from experiments.reporting.findings import (
    Findings,
    grouped_rows,
    mean_and_interval,
    unfinished,
)
from experiments.reporting.latents import all_collapsed
from experiments.reporting.sentences import (
    conclusions,
    differing,
    group_conclusions,
    listing,
    method,
)

_BARS = "▁▂▃▄▅▆▇█"
_SPARKLINE_WIDTH = 8
_MARKS = {
    "best": ("best", "bold green"),
    "not distinguishable": ("≈ best", "green"),
    "equal": ("equal", "green"),
    "identical": ("= best", "green"),
    "control": ("control", "bold"),
}


def print_answer(findings: Findings, curves: pd.DataFrame) -> None:
    """Ranked tables, then what did not finish, then what it means."""
    console = Console()
    console.print(_table(findings, curves))
    for line in unfinished(findings.trials, findings.fields):
        console.print(line, style="yellow", highlight=False)
    console.print()
    asked = group_conclusions(findings) if findings.metric != "return" else []
    for sentence in [*conclusions(findings), *asked, *all_collapsed(findings)]:
        console.print(f"• {sentence}", highlight=False)
    console.print(f"• {method(findings)}", highlight=False, style="dim")


def _table(findings: Findings, curves: pd.DataFrame) -> Table:
    apart = listing(differing(findings, findings.metric))
    table = Table(
        title=f"{findings.name}: {findings.metric}, mean over seeds ± 95 % interval",
        title_justify="left",
        caption=f"{findings.metric} does not rank across groups: other {apart}" if apart else "",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("configuration")
    metrics = [findings.metric] + [m for m in (YARDSTICK,) if m != findings.metric]
    for column in ("n", *metrics, f"vs {findings.rival}"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("curve", no_wrap=True)
    for rows in grouped_rows(findings):
        for row in rows:
            table.add_row(*_cells(row, findings, metrics, curves))
        table.add_section()
    return table


def _cells(
    row: pd.Series, findings: Findings, metrics: list[str], curves: pd.DataFrame
) -> list[str | Text]:
    complete = row["n_finished"] == row["n_expected"]
    count = Text(
        f"{row['n_finished']}/{row['n_expected']}", style="" if complete else "bold yellow"
    )
    configuration_id = row["configuration_id"]
    numbers = [mean_and_interval(row, metric) for metric in metrics]
    label = findings.label(configuration_id)
    return [label, count, *numbers, _verdict(row, findings.rival), _curve(configuration_id, curves)]


def _verdict(row: pd.Series, rival: str) -> Text:
    if pd.isna(row["verdict"]):
        return Text("–")
    mark, style = _MARKS.get(row["verdict"], ("", ""))
    if mark:
        return Text(mark.replace("best", rival) if mark != "best" else mark, style)
    return Text(f"{row['difference']:+.2f}", "dim" if row["verdict"] == "pruned" else "")


def _curve(configuration_id: str, curves: pd.DataFrame) -> str:
    mine = curves[curves["configuration_id"] == configuration_id]
    return sparkline(mine.groupby("epoch")["val/return"].mean().to_list())


def sparkline(values: list[float], width: int = _SPARKLINE_WIDTH) -> str:
    """Values as a row of bars, lowest to highest; longer lists are sampled, ends included."""
    if not values:
        return ""
    if len(values) > width:
        values = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(_BARS[round((v - low) / span * (len(_BARS) - 1))] for v in values)
