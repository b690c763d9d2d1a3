"""Pictures of an answer, as SVG text: readable in print and for colour-blind people."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from experiments.analysis.statistics import t_interval
from experiments.formatting import format_value
from experiments.metrics import YARDSTICK
from experiments.reporting.findings import Findings
from vae.configuration import RETURN_SCALE_FIELDS

# Okabe & Ito's palette: distinct under every common colour blindness. Line styles and markers
# carry the same distinction, for print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_WIDE = 10.4
"""Inches that fill a report's page, so that text keeps its size."""

_WIDE_CHART = (_WIDE, 4.2)
_CHART = (5.2, 3.4)
"""Of two side by side."""

_BAND_SEEDS = 3

_MOST_CELLS = 12
"""Of a heat map's side."""

SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and the file stays small
    "svg.hashsalt": "report",  # the same picture is the same text
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def as_svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def plain(text: object) -> str:
    """A name for a figure, to which dollars mean mathematics, and which leaves names that begin
    with `_` out of its legend.
    """
    shown = str(text).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def look(k: int) -> dict[str, Any]:
    return {
        "color": COLOURS[k % len(COLOURS)],
        "linestyle": _STYLES[k % len(_STYLES)],
        "marker": MARKERS[k % len(MARKERS)],
    }


def learning_curves(findings: Findings, curves: pd.DataFrame) -> list[tuple[str, str]]:
    """(title, SVG) of the return per epoch, one picture per data set, loss and transform.

    Thin lines are single seeds, the thick one is their mean, the band its 95 % t-interval, from
    three seeds on: that of two is 13 standard errors wide and hides all else. Where there are
    more configurations than looks, the best have one and the others are grey.
    """
    first = findings.trials.drop_duplicates("configuration_id").set_index("configuration_id")
    rank = {i: k for k, i in enumerate(findings.summary["configuration_id"])}
    have_curves = set(curves["configuration_id"])
    groups = []
    for names, rows in first.groupby(list(RETURN_SCALE_FIELDS), sort=False):
        shown = sorted((i for i in rows.index if i in have_curves), key=rank.__getitem__)
        if shown:
            groups.append((" ".join(map(str, names)), shown))
    size = _CHART if len(groups) > 1 else _WIDE_CHART
    pictures = []
    for title, shown in groups:
        labels = {i: plain(findings.label(i)) for i in shown[: len(COLOURS)]}
        pictures.append((title, _curves_of(shown, labels, curves, size)))
    return pictures


def _curves_of(
    ids: list[str], labels: dict[str, str], curves: pd.DataFrame, size: tuple[float, float]
) -> str:
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=size)
        axes = figure.subplots()
        mine = dict(list(curves.groupby("configuration_id")))
        for k, configuration_id in enumerate(ids):
            _curve(axes, mine[configuration_id], labels.get(configuration_id), look(k))
        axes.set_xlabel("epoch")
        axes.set_ylabel("val/return")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.legend(frameon=False, fontsize=8)
        return as_svg(figure)


def _curve(axes: Axes, mine: pd.DataFrame, label: str | None, style: dict[str, Any]) -> None:
    """Args: mine: one configuration's curves; label: None for one among many"""
    table = mine.pivot(index="epoch", columns="seed", values="val/return")
    finished = mine.loc[mine["state"] == "finished", "seed"].unique()
    whole = (table[finished] if len(finished) else table).dropna()
    epochs, values = whole.index.to_numpy(), whole.to_numpy()
    if label is None:
        axes.plot(epochs, values.mean(axis=1), color="0.75", linewidth=0.8, zorder=1)
        return
    thin = {"color": style["color"], "linewidth": 0.6, "alpha": 0.5}
    axes.plot(table.index, table.to_numpy(), marker="" if len(table) > 1 else ".", **thin)
    axes.plot(epochs, values.mean(axis=1), label=label, markersize=3, linewidth=1.8, **style)
    if values.shape[1] < _BAND_SEEDS:
        return
    intervals = np.array([t_interval(row) for row in values]).reshape(-1, 2)
    axes.fill_between(epochs, *intervals.T, color=style["color"], alpha=0.12, linewidth=0)


def values_by_configuration(findings: Findings) -> str:
    """Every trial's yardstick, with mean and 95 % interval of each configuration, best on top; each
    group in which the yardstick ranks has axes of its own.
    """
    groups = dict(list(findings.yardstick.groupby("group", sort=False)["configuration_id"]))
    heights = [len(ids) for ids in groups.values()]
    with mpl.rc_context(SETTINGS):
        figure = Figure(
            figsize=(_WIDE, 0.28 * sum(heights) + 0.9 * len(groups)), layout="constrained"
        )
        charts = figure.subplots(len(groups), height_ratios=heights, squeeze=False)
        for axes, (name, ids) in zip(charts.flat, groups.items(), strict=True):
            _values(axes, findings, list(ids))
            if len(groups) > 1:
                axes.set_title(plain(name), loc="left", fontsize=9)
        charts.flat[-1].set_xlabel(f"{YARDSTICK} in nats per image (lower is better)")
        return as_svg(figure)


def _values(axes: Axes, findings: Findings, ranked: list[str]) -> None:
    finished = findings.trials[findings.trials["state"] == "finished"]
    of = finished.groupby("configuration_id")[YARDSTICK]
    for k, configuration_id in enumerate(ranked):
        values = of.get_group(configuration_id).to_numpy(dtype=float)
        axes.plot(values, [k] * len(values), "o", color=COLOURS[5], markersize=4, alpha=0.8)
        _interval(axes, k, float(values.mean()), *t_interval(values))
    axes.set_yticks(range(len(ranked)), [plain(findings.label(i)) for i in ranked])
    axes.set_ylim(len(ranked) - 0.5, -0.5)


def _interval(axes: Axes, y: float, mean: float, low: float, high: float) -> None:
    if not math.isnan(low):
        axes.plot([low, high], [y, y], color="black", linewidth=1.2)
    axes.plot([mean], [y], "|", color="black", markersize=9, markeredgewidth=2)


def main_effect_intervals(findings: Findings) -> str | None:
    """How much better one value of an axis is than another, with its interval."""
    effects = findings.yardstick_effects
    if effects.empty:
        return None
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(_WIDE, 0.6 + 0.32 * len(effects)))
        axes = figure.subplots()
        labels = []
        for k, (_, row) in enumerate(effects.iterrows()):
            better, worse = format_value(row["better"]), format_value(row["worse"])
            labels.append(plain(f"{row['axis']}: {better} against {worse}"))
            bounds = (-row["difference_high"], -row["difference_low"])
            _interval(axes, k, -row["difference"], *bounds)
        axes.axvline(0, color="grey", linewidth=1)
        axes.set_yticks(range(len(effects)), labels)
        axes.set_ylim(len(effects) - 0.5, -0.5)
        axes.set_xlabel(f"nats per image of {YARDSTICK} gained, all else equal")
        return as_svg(figure)


def heat_maps(findings: Findings) -> Iterator[tuple[str, str]]:
    """(title, SVG) of the mean yardstick for every pair of axes, over all else; of each group in
    which it ranks.
    """
    finished = findings.trials[findings.trials["state"] == "finished"]
    groups = findings.yardstick.groupby("group", sort=False)["configuration_id"]
    for name, ids in groups:
        rows = finished[finished["configuration_id"].isin(ids)]
        n_values = {f: rows[f].nunique() for f in findings.fields}
        axes_names = [f for f, n in n_values.items() if 1 < n <= _MOST_CELLS]
        for first, second in itertools.combinations(axes_names, 2):
            table = rows.pivot_table(index=first, columns=second, values=YARDSTICK)
            if table.size > 1:
                of = f"{name}: " if groups.ngroups > 1 else ""
                yield f"{of}{first} × {second}", _heat_map(table)


def _heat_map(table: pd.DataFrame) -> str:
    values = table.to_numpy(dtype=float)
    with mpl.rc_context({**SETTINGS, "axes.grid": False}):
        n_rows, n_columns = values.shape
        figure = Figure(figsize=(1.4 + 0.95 * n_columns, 0.8 + 0.42 * n_rows))
        axes = figure.subplots()
        picture = axes.imshow(values, cmap="cividis_r", aspect="auto")
        middle = (np.nanmin(values) + np.nanmax(values)) / 2
        for (i, j), value in np.ndenumerate(values):
            colour = "white" if value > middle else "black"
            text = "–" if math.isnan(value) else f"{value:.1f}"
            axes.text(j, i, text, ha="center", va="center", color=colour)
        axes.set_xticks(range(n_columns), [plain(format_value(v)) for v in table.columns])
        axes.set_yticks(range(n_rows), [plain(format_value(v)) for v in table.index])
        axes.set_xlabel(str(table.columns.name))
        axes.set_ylabel(str(table.index.name))
        figure.colorbar(picture, ax=axes, label=YARDSTICK)
        return as_svg(figure)


def slices(findings: Findings) -> Iterator[tuple[str, str]]:
    """(title, SVG) of the mean yardstick over every field that a study searched."""
    complete = findings.summary.dropna(subset=[f"{YARDSTICK}.mean"])
    for field in findings.fields:
        if complete[field].nunique() > 1:
            taken = complete.dropna(subset=[field])
            yield field, _slice(taken[field], taken[f"{YARDSTICK}.mean"])


def _slice(values: pd.Series, means: pd.Series) -> str:
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(3.2, 2.4))
        axes = figure.subplots()
        numeric = pd.api.types.is_numeric_dtype(values)
        values = values.astype(float) if numeric else values.map(plain)
        axes.plot(values, means, "o", color=COLOURS[0], markersize=4, alpha=0.8)
        if numeric and values.max() > 20 * values.min() > 0:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.xaxis.set_major_formatter(lambda x, _: format_value(x))
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(str(values.name))
        axes.set_ylabel(YARDSTICK)
        return as_svg(figure)
