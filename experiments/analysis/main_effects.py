"""Main effects: what changing one axis does, all else equal."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pandas as pd

from experiments.analysis.checks import check_trials
from experiments.analysis.statistics import holm, paired_p_value, t_interval
from experiments.analysis.trial_columns import (
    NOT_TAKEN,
    VERSIONS,
    comparable,
    varying_fields,
    with_options_filled,
)
from experiments.metrics import find_metric
from vae.configuration import NLL_FIELDS

_MOST_VALUES = 10


def main_effects(trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """What changing one axis does, all else equal: a mean paired difference for every two values.

    Differences are taken between trials that differ in this axis alone, averaged within each
    seed over all other axes, and the seeds are the replicates of the interval. For a return,
    the axes that change what it measures are left out; so are axes of more than ten values, which
    are continua rather than alternatives, and of which one would look at every pair.

    Returns:
        One row per axis and pair of its values. Columns: `axis`, `better`, `worse` (by the sign
        of the mean), `difference` (`better` minus `worse`), `difference_low`, `difference_high`
        (95 % t-interval over seeds), `n_pairs` (trials paired), `n_seeds`, `p`, `p_holm`
        (corrected over all rows).
    """
    check_trials(trials, [metric])
    finished = trials[trials["state"] == "finished"].dropna(subset=[metric])
    finished = with_options_filled(finished)
    axes = varying_fields(trials)
    # Never across what the metric does not compare, such as the shape of the images.
    scale = [c for c in comparable(finished, find_metric(metric).scale) if c not in axes]
    rows = [
        row
        for axis in axes
        if axis not in ("dataset", *NLL_FIELDS, *VERSIONS)
        and axis not in find_metric(metric).scale
        and finished[axis].nunique() <= _MOST_VALUES
        # Of a component's options, every value counts as that component.
        for row in _effects_of(
            axis,
            scale + [a for a in axes if a != axis and not a.startswith(f"{axis}.")],
            finished,
            metric,
        )
    ]
    frame = pd.DataFrame(rows, columns=[*_EFFECT[:-1]])
    frame["p_holm"] = holm(frame["p"].to_numpy(dtype=float))
    return frame


_EFFECT = (
    "axis", "better", "worse", "difference", "difference_low", "difference_high", "n_pairs",
    "n_seeds", "p", "p_holm",
)  # fmt: skip


def _effects_of(
    axis: str, others: list[str], finished: pd.DataFrame, metric: str
) -> Iterator[dict[str, object]]:
    finished = finished[finished[axis] != NOT_TAKEN]
    table = finished.pivot_table(index=["seed", *others], columns=axis, values=metric)
    lower = find_metric(metric).lower_is_better
    for first, second in itertools.combinations(table.columns, 2):
        paired = (table[first] - table[second]).dropna()
        if paired.empty:
            continue
        means = paired.groupby(level="seed").mean()
        first_is_better = (means.mean() < 0) == lower
        better, worse = (first, second) if first_is_better else (second, first)
        differences = paired if first_is_better else -paired
        per_seed = differences.groupby(level="seed").mean().to_numpy()
        low, high = t_interval(per_seed)
        yield {
            "axis": axis,
            "better": better,
            "worse": worse,
            "difference": float(per_seed.mean()),
            "difference_low": low,
            "difference_high": high,
            "n_pairs": len(paired),
            "n_seeds": len(per_seed),
            "p": paired_p_value(per_seed),
        }
