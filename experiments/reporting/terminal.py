"""An answer as a table for a terminal, whatever its width."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from experiments.cli import plain_console
from experiments.formatting import format_number
from experiments.metrics import CURVE, YARDSTICK
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

_LABEL, _COUNT = "configuration", "n"
_ALWAYS = (_LABEL, _COUNT)
"""Columns that are never left out."""
_LONG_WORD = 24
"""Characters, from which on a word of a label is broken rather than a column left out."""

Column = list[list[str | Text]]
"""The cells of a column, group by group."""

_MARKS = {
    "best": ("best", "bold green"),
    "not distinguishable": ("≈ best", "green"),
    "equal": ("equal", "green"),
    "identical": ("= best", "green"),
    "control": ("control", "bold"),
}


def print_answer(findings: Findings, curves: pd.DataFrame) -> None:
    """Ranked tables, then what did not finish, then what it means.

    Args:
        curves: as `curves_of` or `mean_curves_of` returns them
    """
    console = plain_console()
    console.print(_table(findings, curves, console.width))
    for line in unfinished(findings.trials, findings.fields):
        console.print(line, style="yellow")
    console.print()
    asked = group_conclusions(findings) if findings.metric != "return" else []
    for sentence in [*conclusions(findings), *asked, *all_collapsed(findings)]:
        console.print(f"• {sentence}")
    console.print(f"• {method(findings)}", style="dim")


def _table(findings: Findings, curves: pd.DataFrame, width: int) -> Table:
    """With as many columns as have room; the configuration and its `n` always have."""
    columns = _columns(findings, curves)
    fits = (names for names in _layouts(findings) if _width(columns, names) <= width)
    names = next(fits, _ALWAYS)
    return _table_of({name: columns[name] for name in names}, findings)


def _width(columns: Mapping[str, Column], names: Sequence[str]) -> int:
    """Characters that a table of these columns takes, with its padding, at least."""
    return sum(_least_width(name, columns[name]) + 2 for name in names) + 1


def _least_width(name: str, column: Column) -> int:
    """A label may be broken between its words, and where they are long, in them."""
    texts = [name, *(str(cell) for group in column for cell in group)]
    if name == _LABEL:
        return min(max(cell_len(word) for text in texts for word in text.split()), _LONG_WORD)
    return max(map(cell_len, texts))


def _layouts(findings: Findings) -> Iterator[list[str]]:
    """The names of columns, from all of them to few."""
    metrics, rival = _metrics(findings), f"vs {findings.rival}"
    yield [*_ALWAYS, *metrics, rival, "curve"]
    yield [*_ALWAYS, *metrics, rival]
    yield [*_ALWAYS, metrics[0], rival]
    yield [*_ALWAYS, metrics[0]]


def _metrics(findings: Findings) -> list[str]:
    return list(dict.fromkeys((findings.metric, YARDSTICK)))


def _columns(findings: Findings, curves: pd.DataFrame) -> dict[str, Column]:
    """All that there are, by name."""
    groups, drawn = grouped_rows(findings), _drawn(curves)
    cells: dict[str, Callable[[pd.Series], str | Text]] = {
        _LABEL: lambda row: findings.label(row["configuration_id"]),
        _COUNT: _count,
        **{m: functools.partial(mean_and_interval, metric=m) for m in _metrics(findings)},
        f"vs {findings.rival}": lambda row: _verdict(row, findings.rival),
        "curve": lambda row: drawn.get(row["configuration_id"], ""),
    }
    return {name: [[cell(row) for row in rows] for rows in groups] for name, cell in cells.items()}


def _table_of(columns: Mapping[str, Column], findings: Findings) -> Table:
    apart = listing(differing(findings, findings.metric))
    table = Table(
        title=f"{findings.name}: {findings.metric}, mean over seeds ± 95 % interval",
        title_justify="left",
        caption=apart and f"groups are not to be compared by {findings.metric}: other {apart}",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for name in columns:
        if name == _LABEL:
            room = _least_width(name, columns[name]) if len(columns) > len(_ALWAYS) else None
            table.add_column(name, overflow="fold", min_width=room)
        else:
            table.add_column(name, no_wrap=True, justify="left" if name == "curve" else "right")
    for group in zip(*columns.values(), strict=True):
        for cells in zip(*group, strict=True):
            table.add_row(*cells)
        table.add_section()
    return table


def _count(row: pd.Series) -> Text:
    complete = row["n_finished"] == row["n_expected"]
    return Text(f"{row['n_finished']}/{row['n_expected']}", "" if complete else "bold yellow")


def _verdict(row: pd.Series, rival: str) -> Text:
    if pd.isna(row["verdict"]):
        return Text("–")
    mark, style = _MARKS.get(row["verdict"], ("", ""))
    if mark:
        return Text(mark.replace("best", rival) if mark != "best" else mark, style)
    difference = format_number(row["difference"], "+")
    return Text(difference, "dim" if row["verdict"] == "pruned" else "")


def _drawn(curves: pd.DataFrame) -> dict[str, str]:
    """Of each configuration_id, the sparkline of its mean; in one pass over all of them."""
    means = curves.groupby(["configuration_id", "epoch"])[CURVE].mean().reset_index()
    values: dict[str, list[float]] = {}
    for configuration_id, mean in zip(means["configuration_id"], means[CURVE], strict=True):
        values.setdefault(configuration_id, []).append(mean)
    return {configuration_id: sparkline(of_one) for configuration_id, of_one in values.items()}


def sparkline(values: list[float], width: int = _SPARKLINE_WIDTH) -> str:
    """Values as a row of bars, lowest to highest; longer lists are sampled, ends included."""
    if not values:
        return ""
    if len(values) > width:
        values = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(_BARS[round((v - low) / span * (len(_BARS) - 1))] for v in values)
