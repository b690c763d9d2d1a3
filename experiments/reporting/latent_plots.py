"""Figures of the latent space, as SVG text: KL per dimension, and rate against distortion."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.statistics import t_interval
from experiments.formatting import format_value
from experiments.reporting.findings import Findings
from experiments.reporting.latents import Kls, lines_along_beta, used_dimensions
from experiments.reporting.plots import COLOURS, SETTINGS, as_svg, look, plain
from vae.configuration import RETURN_SCALE_FIELDS

_MOST_CHARTS = 24
_COLUMNS = 4

_RATE, _DISTORTION = "test/kl", "test/reconstruction"


def kl_charts(findings: Findings, kls: Kls) -> str | None:
    """Sorted KL per latent dimension: a bar chart for each configuration, the best first.

    One scale for all, so that a chart without bars is one without information.
    """
    ranked = [i for i in findings.yardstick["configuration_id"] if i in kls][:_MOST_CHARTS]
    if not ranked:
        return None
    n_columns = min(_COLUMNS, len(ranked))
    n_rows = math.ceil(len(ranked) / n_columns)
    with mpl.rc_context({**SETTINGS, "font.size": 7}):
        figure = Figure(figsize=(2.6 * n_columns, 1.7 * n_rows), layout="constrained")
        charts = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
        for axes, configuration_id in zip(charts.flat, ranked, strict=False):
            kl = kls[configuration_id]
            axes.bar(range(1, len(kl) + 1), kl, width=0.8, color=COLOURS[0])
            axes.set_xlim(0, len(kl) + 1)
            used = used_dimensions(findings, configuration_id)
            axes.set_title("\n".join(filter(None, (plain(findings.label(configuration_id)), used))))
        for axes in charts.flat[len(ranked) :]:
            axes.set_axis_off()
        for axes in charts[:, 0]:
            axes.set_ylabel("KL in nats")
        return as_svg(figure)


@dataclass(frozen=True)
class _Point:
    """A configuration's mean and 95 % interval, in nats per image."""

    beta: float
    rate: float
    rate_interval: tuple[float, float]
    distortion: float
    distortion_interval: tuple[float, float]


def rate_distortion(findings: Findings) -> Iterator[tuple[str, str]]:
    """(title, SVG) of KL against reconstruction on the test set, for each likelihood.

    Source: Alemi et al., Fixing a broken ELBO, ICML 2018, figure 3.
    """
    finished = findings.trials[findings.trials["state"] == "finished"]
    for names, rows in finished.groupby(list(RETURN_SCALE_FIELDS), sort=False):
        ids = list(rows["configuration_id"].unique())
        if len(ids) > 1 and rows[[_RATE, _DISTORTION]].notna().all(axis=None):
            lines = lines_along_beta(findings, ids)
            points = {label: [_point(rows, i) for i in line] for label, line in lines.items()}
            yield " ".join(map(str, names)), _chart(points)


def _point(rows: pd.DataFrame, configuration_id: str) -> _Point:
    mine = rows[rows["configuration_id"] == configuration_id]
    rate, distortion = (mine[m].to_numpy(dtype=float) for m in (_RATE, _DISTORTION))
    return _Point(
        float(mine["beta"].iloc[0]),
        float(rate.mean()),
        t_interval(rate),
        float(distortion.mean()),
        t_interval(distortion),
    )


def _chart(lines: dict[str, list[_Point]]) -> str:
    """Where there are more lines than looks, the others are grey."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.2, 3.8))
        axes = figure.subplots()
        betas = {point.beta for points in lines.values() for point in points}
        for k, (label, points) in enumerate(lines.items()):
            shown = k < len(COLOURS)
            style = look(k) if shown else {"color": "0.75", "linestyle": "-", "marker": "."}
            name = plain(label) if shown and len(lines) > 1 else None
            _line(axes, points, name, style, named=len(betas) > 1 and shown)
        _equal_returns(axes, [point for points in lines.values() for point in points])
        axes.set_xlabel(f"rate: {_RATE} in nats per image")
        axes.set_ylabel(f"distortion: {_DISTORTION}")
        if len(lines) > 1:
            axes.legend(frameon=False, fontsize=8)
        return as_svg(figure)


def _line(
    axes: Axes, points: Sequence[_Point], label: str | None, style: dict[str, Any], named: bool
) -> None:
    """Args: named: write β beside each point"""
    rates, distortions = [p.rate for p in points], [p.distortion for p in points]
    axes.plot(rates, distortions, label=label, markersize=4, linewidth=1, **style)
    for point in points:
        bar: dict[str, Any] = {"color": style["color"], "linewidth": 1}
        axes.plot(point.rate_interval, [point.distortion] * 2, **bar)
        axes.plot([point.rate] * 2, point.distortion_interval, **bar)
        if named:
            place = (point.rate, point.distortion)
            text = f"β={format_value(point.beta)}"
            axes.annotate(text, place, (4, 4), textcoords="offset points", fontsize=7)


def _equal_returns(axes: Axes, points: Sequence[_Point]) -> None:
    """A dashed line through the best return: all on it have the same sum of the two."""
    best = min(points, key=lambda p: p.rate + p.distortion)
    limits = axes.get_xlim(), axes.get_ylim()
    axes.axline((best.rate, best.distortion), slope=-1, color="0.6", linestyle="--", linewidth=0.8)
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
