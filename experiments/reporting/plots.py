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
    """(title, SVG) of the mean return per epoch, one picture per data set, loss and transform.

    The band is the 95 % t-interval of the mean over seeds. Where there are more configurations
    than looks, the best have one and the others are grey.
    """
    first = findings.trials.drop_duplicates("configuration_id").set_index("configuration_id")
    rank = {i: k for k, i in enumerate(findings.summary["configuration_id"])}
    have_curves = set(curves["configuration_id"])
    pictures = []
    for names, rows in first.groupby(list(RETURN_SCALE_FIELDS), sort=False):
        ids = rows.index
        shown = sorted((i for i in ids if i in have_curves), key=rank.__getitem__)
        if shown:
            labels = {i: plain(findings.label(i)) for i in shown[: len(COLOURS)]}
            pictures.append((" ".join(map(str, names)), _curves_of(shown, labels, curves)))
    return pictures


def _curves_of(ids: list[str], labels: dict[str, str], curves: pd.DataFrame) -> str:
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(4.2, 2.8) if len(ids) == len(labels) else (6.4, 4.2))
        axes = figure.subplots()
        for k, configuration_id in enumerate(ids):
            mine = curves[curves["configuration_id"] == configuration_id]
            table = mine.pivot(index="epoch", columns="seed", values="val/return").dropna()
            _curve(axes, table, labels.get(configuration_id), look(k))
        axes.set_xlabel("epoch")
        axes.set_ylabel("val/return")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, fontsize=8)
        return as_svg(figure)


def _curve(axes: Axes, table: pd.DataFrame, label: str | None, style: dict[str, Any]) -> None:
    """Args: table: by epoch and seed; label: None for one among many"""
    epochs, values = table.index.to_numpy(), table.to_numpy()
    if label is None:
        axes.plot(epochs, values.mean(axis=1), color="0.75", linewidth=0.8, zorder=1)
        return
    intervals = np.array([t_interval(row) for row in values]).reshape(-1, 2)
    axes.plot(epochs, values.mean(axis=1), label=label, markersize=3, **style)
    axes.fill_between(epochs, *intervals.T, color=style["color"], alpha=0.2, linewidth=0)


def values_by_configuration(findings: Findings) -> str:
    """Every trial's yardstick, with mean and 95 % interval of each configuration, best on top."""
    ranked = list(findings.yardstick["configuration_id"])
    finished = findings.trials[findings.trials["state"] == "finished"]
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(6.4, 0.6 + 0.28 * len(ranked)))
        axes = figure.subplots()
        labels = []
        for k, configuration_id in enumerate(ranked):
            rows = finished[finished["configuration_id"] == configuration_id]
            values = rows[YARDSTICK].to_numpy(dtype=float)
            labels.append(plain(findings.label(configuration_id)))
            axes.plot(values, [k] * len(values), "o", color=COLOURS[5], markersize=4, alpha=0.8)
            _interval(axes, k, float(values.mean()), *t_interval(values))
        axes.set_yticks(range(len(ranked)), labels)
        axes.set_ylim(len(ranked) - 0.5, -0.5)
        axes.set_xlabel(f"{YARDSTICK} in nats per image (lower is better)")
        return as_svg(figure)


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
        figure = Figure(figsize=(6.4, 0.6 + 0.32 * len(effects)))
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
    """(title, SVG) of the mean yardstick for every pair of axes, over all else."""
    finished = findings.trials[findings.trials["state"] == "finished"]
    axes_names = [f for f in findings.fields if findings.trials[f].nunique() > 1]
    for first, second in itertools.combinations(axes_names, 2):
        table = finished.pivot_table(index=first, columns=second, values=YARDSTICK)
        if table.size > 1:
            yield f"{first} × {second}", _heat_map(table)


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
