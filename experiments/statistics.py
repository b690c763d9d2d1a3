"""Statistics over seeds: pure functions on frames and arrays, no input or output."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from experiments.frames import varying_fields

CONFIDENCE = 0.95


def t_interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of `values` `(n,)` by Student's t; NaN for n < 2.

    Source: Student, The probable error of a mean, Biometrika 1908.
    """
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    mean = float(np.mean(values))
    quantile = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2))
    half_width = quantile * float(np.std(values, ddof=1)) / math.sqrt(n)
    return mean - half_width, mean + half_width


def summarize(trials: pd.DataFrame, metrics: Sequence[str] = ("return",)) -> pd.DataFrame:
    """Means over the seeds of each configuration; a trial that is not finished counts as absent.

    Args:
        trials: as `load_trials` returns them
        metrics: columns of `trials`

    Returns:
        One row per configuration, best mean of the first metric first, configurations without a
        finished trial last. Columns: `configuration_id`, the fields that vary, `n_finished`,
        `n_expected`, and for each metric `<metric>.mean`, `.std` (of the sample, ddof = 1),
        `.ci95_low`, `.ci95_high` (of the mean, by Student's t), `.min`, `.max`.
    """
    fields = varying_fields(trials)
    rows = []
    for configuration_id, group in trials.groupby("configuration_id", sort=False):
        finished = group[group["state"] == "finished"].sort_values("seed")
        row = {"configuration_id": configuration_id}
        row |= {field: group[field].iloc[0] for field in fields}
        row |= {"n_finished": len(finished), "n_expected": len(group)}
        for metric in metrics:
            row |= _describe(metric, finished[metric].to_numpy(dtype=float))
        rows.append(row)
    summary = pd.DataFrame(rows)
    if summary.empty:
        return summary
    return summary.sort_values(
        f"{metrics[0]}.mean",
        ascending=lower_is_better(metrics[0]),
        na_position="last",
        kind="stable",
    ).reset_index(drop=True)


def lower_is_better(metric: str) -> bool:
    """Everything but a return is a loss."""
    return not metric.endswith("return")


def _describe(metric: str, values: np.ndarray) -> dict[str, float]:
    n = len(values)
    low, high = t_interval(values)
    return {
        f"{metric}.mean": float(np.mean(values)) if n else math.nan,
        f"{metric}.std": float(np.std(values, ddof=1)) if n > 1 else math.nan,
        f"{metric}.ci95_low": low,
        f"{metric}.ci95_high": high,
        f"{metric}.min": float(np.min(values)) if n else math.nan,
        f"{metric}.max": float(np.max(values)) if n else math.nan,
    }
