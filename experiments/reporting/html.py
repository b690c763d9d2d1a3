"""An answer as one HTML file that needs no network."""

from __future__ import annotations

import base64
import datetime
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from experiments.analysis.trial_columns import is_missing
from experiments.formatting import format_number, format_value
from experiments.metrics import YARDSTICK
from experiments.reporting import latent_plots, notes, plots
from experiments.reporting.findings import (
    Findings,
    mean_and_interval,
    unfinished,
)
from experiments.reporting.latents import Kls, all_collapsed, patience_note
from experiments.reporting.sentences import conclusions, group_conclusions, method


@dataclass(frozen=True)
class Cell:
    """Attributes: value: what sorting goes by, empty if there is none"""

    text: str
    value: str
    numeric: bool = False
    link: str = ""


@dataclass(frozen=True)
class Column:
    name: str
    numeric: bool = False


@dataclass(frozen=True)
class Row:
    cells: list[Cell]
    style: str = ""


@dataclass(frozen=True)
class Table:
    columns: list[Column]
    rows: list[Row]


def render(
    findings: Findings,
    curves: pd.DataFrame,
    sample_grids: Mapping[str, np.ndarray],
    links: Mapping[str, str],
    facts: Iterable[tuple[str, str]],
    kls: Kls | None = None,
) -> str:
    """The report.

    Args:
        curves: as `load_curves` returns them
        sample_grids: the image of each configuration_id that has one
        links: where a run_id can be looked at
        facts: (name, value) of what the report was made with
        kls: KL per latent dimension
    """
    environment = Environment(
        loader=PackageLoader("experiments.reporting"), autoescape=True, undefined=StrictUndefined
    )
    some = not findings.yardstick.empty
    trials = findings.trials
    return environment.get_template("report.html").render(
        findings=findings,
        n_finished=int((trials["state"] == "finished").sum()),
        n_expected=len(trials),
        n_configurations=trials["configuration_id"].nunique(),
        made=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        conclusions=[*conclusions(findings), *all_collapsed(findings)],
        group_conclusions=group_conclusions(findings),
        method=method(findings),
        yardstick_note=notes.of_yardstick(findings),
        metric_note=notes.of_metric(findings),
        shows_metric=findings.metric != YARDSTICK,
        yardstick_table=_comparison_table(findings, findings.yardstick, YARDSTICK),
        metric_table=_comparison_table(findings, findings.comparison, findings.metric),
        values_picture=plots.values_by_configuration(findings) if some else None,
        effects_picture=plots.main_effect_intervals(findings) if some else None,
        heat_maps=list(plots.heat_maps(findings)) if some and not findings.study_summary else [],
        slices=list(plots.slices(findings)) if some and findings.study_summary else [],
        curves=plots.learning_curves(findings, curves) if not curves.empty else [],
        patience_note=patience_note(findings, curves),
        kl_charts=latent_plots.kl_charts(findings, kls or {}) if some else None,
        rate_distortion=list(latent_plots.rate_distortion(findings)) if some else [],
        sample_grids=_sample_grids(findings, sample_grids),
        unfinished=unfinished(trials, findings.fields),
        trials_table=_trials_table(findings, links),
        facts=list(facts),
    )


def _number(value: float, digits: int = 2, signed: bool = False) -> Cell:
    if pd.isna(value):
        return Cell("–", "", numeric=True)
    if math.isinf(value):
        return Cell("∞" if value > 0 else "−∞", str(value), numeric=True)
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return Cell(text.replace("-", "−"), repr(float(value)), numeric=True)


def _p_value(value: float) -> Cell:
    if pd.isna(value):
        return Cell("–", "", numeric=True)
    return Cell("< 0.001" if value < 0.001 else f"{value:.3f}", repr(float(value)), numeric=True)


def _field(value: object) -> Cell:
    if isinstance(value, str):
        return Cell(value, value)
    if is_missing(value):
        return Cell("–", "")
    return Cell(format_value(value), str(value), numeric=True)


_TOP = ("best", "control", "identical", "equal", "not distinguishable")


def _comparison_table(findings: Findings, comparison: pd.DataFrame, metric: str) -> Table:
    names = [*findings.fields, "n", metric, f"vs {findings.rival}"]
    names += ["95 % interval", "p (corrected)", "verdict", "seeds needed", "effect size"]
    names += [f"P({findings.rival} is better)", *_spread(findings, metric)]
    text_columns = {*findings.fields, "verdict"}
    columns = [Column(name, numeric=name not in text_columns) for name in names]
    rows = [
        Row(_comparison_cells(findings, row, metric), "top" if row["verdict"] in _TOP else "")
        for _, row in comparison.iterrows()
    ]
    compared = set(comparison["configuration_id"])
    pruned = set(findings.trials.loc[findings.trials["state"] == "pruned", "configuration_id"])
    rows += [
        Row(
            [
                *(_field(value) for value in findings.values(row["configuration_id"])),
                Cell(f"0/{row['n_expected']}", "0", numeric=True),
                *(Cell("–", "", numeric=True) for _ in range(4)),
                _no_result(row["configuration_id"] in pruned),
                *(Cell("–", "", numeric=True) for _ in range(3 + len(_spread(findings, metric)))),
            ],
            "hole",
        )
        for _, row in findings.summary.iterrows()
        if row["configuration_id"] not in compared
    ]
    return Table(columns, rows)


def _spread(findings: Findings, metric: str) -> list[str]:
    """Statistics of the summary that a table shows; an interquartile mean needs many seeds."""
    return [s for s in ("std", "iqm") if f"{metric}.{s}" in findings.summary]


def _no_result(pruned: bool) -> Cell:
    text = "pruned" if pruned else "no result"
    return Cell(text, text)


def _comparison_cells(findings: Findings, row: pd.Series, metric: str) -> list[Cell]:
    summary = findings.summary.set_index("configuration_id").loc[row["configuration_id"]]
    count = f"{summary['n_finished']}/{summary['n_expected']}"
    low, high = row["difference_low"], row["difference_high"]
    both = f"{format_number(low, '+')} to {format_number(high, '+')}".replace("-", "−")
    interval = "–" if pd.isna(low) else both
    return [
        *(_field(value) for value in findings.values(row["configuration_id"])),
        Cell(count, str(summary["n_finished"]), numeric=True),
        Cell(mean_and_interval(summary, metric).replace("-", "−"), repr(row["mean"]), numeric=True),
        _number(row["difference"], signed=True),
        Cell(interval, "" if pd.isna(low) else repr(float(low)), numeric=True),
        _p_value(row["p_corrected"]),
        Cell(row["verdict"], row["verdict"]),
        _number(row["seeds_needed"], digits=0),
        _number(row["effect_size"], signed=True),
        _number(row["p_improvement"]),
        *(_number(summary[f"{metric}.{s}"]) for s in _spread(findings, metric)),
    ]


def _trials_table(findings: Findings, links: Mapping[str, str]) -> Table:
    metrics = ("return", "test/return", YARDSTICK, "best_epoch")
    columns = [
        *(Column(f) for f in findings.fields),
        Column("seed", numeric=True),
        Column("state"),
        *(Column(m, numeric=True) for m in metrics),
        Column("run"),
        Column("error"),
    ]
    rows = []
    for _, trial in findings.trials.iterrows():
        run_id = trial["run_id"]
        cells = [
            *(_field(trial[f]) for f in findings.fields),
            Cell(str(trial["seed"]), str(trial["seed"]), numeric=True),
            Cell(trial["state"], trial["state"]),
            *(_number(trial[m], digits=0 if m == "best_epoch" else 2) for m in metrics),
            Cell(run_id[:8] or "–", run_id, link=links.get(run_id, "")),
            Cell(trial["error"], trial["error"]),
        ]
        rows.append(Row(cells, "" if trial["state"] == "finished" else "hole"))
    return Table(columns, rows)


def _sample_grids(
    findings: Findings, sample_grids: Mapping[str, np.ndarray]
) -> list[tuple[str, str]]:
    """(label, data URI) in the order of the yardstick."""
    order = list(findings.yardstick["configuration_id"])
    return [(findings.label(i), _data_uri(sample_grids[i])) for i in order if i in sample_grids]


def _data_uri(picture: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
