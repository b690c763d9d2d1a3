"""Statistics over seeds: pure functions on frames and arrays, no input or output.

Seeds are the replicates. A configuration is known by its values over seeds, two of them by the
differences seed by seed, and every claim of a difference is corrected for the number of
differences that were looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from experiments.analysis.checks import check_trials, names_of
from experiments.analysis.trial_columns import varying_fields
from experiments.metrics import find_metric

CONFIDENCE = 0.95
IQM_SEEDS = 10
"""From how many seeds on the interval of an interquartile mean covers what it says."""

_BOOTSTRAP_RESAMPLES = 2000
_BOOTSTRAP_SEED = 0


# ------------------------------------------------------------------ one configuration


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


def interquartile_mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """The mean of what is left when the lowest and the highest quarter (rounded down) are cut.

    Source: Agarwal et al., Deep RL at the edge of the statistical precipice, NeurIPS 2021.
    """
    n = values.shape[axis]
    cut = n // 4
    middle = np.sort(values, axis=axis).take(range(cut, n - cut), axis=axis)
    return np.asarray(middle.mean(axis=axis))


def bootstrap_interval(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    generator: np.random.Generator,
) -> tuple[float, float]:
    """The 95 % percentile interval of `statistic`, which maps `(resamples, n)` to `(resamples,)`.

    Source: Efron & Tibshirani, An introduction to the bootstrap, 1993, chapter 13.
    """
    if len(values) < 2:
        return math.nan, math.nan
    chosen = generator.integers(0, len(values), (_BOOTSTRAP_RESAMPLES, len(values)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(statistic(values[chosen]), [tail, 1 - tail])
    return float(low), float(high)


def summarize(trials: pd.DataFrame, metrics: str | Sequence[str] = "return") -> pd.DataFrame:
    """Means over the seeds of each configuration; a trial without a finite value counts as absent.

    Args:
        trials: as `load_trials` returns them
        metrics: columns of `trials`, or one

    Returns:
        One row per configuration, best mean of the first metric first; then those that failed
        with some seed, then what was pruned, then what has no value. Columns: `configuration_id`,
        the fields that vary, `n_finished`, `n_expected`, and for each metric `<metric>.mean`,
        `.std` (of the sample, ddof = 1), `.ci95_low`, `.ci95_high` (of the mean, by Student's t),
        `.min`, `.max`; where some configuration has ten seeds also `.iqm`, `.iqm_low`,
        `.iqm_high` (interquartile mean and its bootstrap interval, which covers too little below
        that).
    """
    metrics = names_of(metrics)
    check_trials(trials, metrics)
    fields = varying_fields(trials)
    rows = []
    for configuration_id, group in trials.groupby("configuration_id", sort=False):
        finished = group[group["state"] == "finished"].sort_values("seed")
        row = {"configuration_id": configuration_id}
        row |= {field: group[field].iloc[0] for field in fields}
        row |= {"n_finished": len(finished), "n_expected": len(group)}
        for metric in metrics:
            values = finished[metric].to_numpy(dtype=float)
            described = describe(values[np.isfinite(values)])
            row |= {f"{metric}.{name}": value for name, value in described.items()}
        row["_rank"] = _rank(group, metrics[0])
        rows.append(row)
    summary = pd.DataFrame(rows)
    if summary.empty:
        return pd.DataFrame(columns=["configuration_id", "n_finished", "n_expected"])
    ranked = summary.sort_values(
        ["_rank", f"{metrics[0]}.mean", "configuration_id"],
        ascending=[True, find_metric(metrics[0]).lower_is_better, True],
        na_position="last",
    )
    few = [c for c in ranked.columns if ".iqm" in c and ranked[c].isna().all()]
    return ranked.drop(columns=["_rank", *few]).reset_index(drop=True)


def _rank(group: pd.DataFrame, metric: str) -> int:
    """0 for a whole configuration, 1 where a seed failed, 2 if it was pruned, 3 without a value."""
    finished = group["state"] == "finished"
    known = finished & np.isfinite(group[metric].to_numpy(dtype=float))
    if not known.any():
        return 3
    if (group["state"] == "pruned").any():
        return 2
    return int((group["state"].eq("failed") | (finished & ~known)).any())


def describe(values: np.ndarray) -> dict[str, float]:
    """Mean, std, interval, min and max of `values` `(n,)`; from ten on the interquartile mean."""
    n = len(values)
    names = ("mean", "std", "ci95_low", "ci95_high", "min", "max", "iqm", "iqm_low", "iqm_high")
    described = dict.fromkeys(names, math.nan)
    if not n:
        return described
    low, high = t_interval(values)
    described |= {
        "mean": float(np.mean(values)),
        "std": float(np.std(values, ddof=1)) if n > 1 else math.nan,
        "ci95_low": low,
        "ci95_high": high,
        "min": float(np.min(values)),
        "max": float(np.max(values)),
    }
    if n >= IQM_SEEDS:
        generator = np.random.default_rng(_BOOTSTRAP_SEED)
        values = np.sort(values)  # so that the resamples do not depend on the order of the seeds
        iqm_low, iqm_high = bootstrap_interval(values, interquartile_mean, generator)
        iqm = float(interquartile_mean(values))
        described |= {"iqm": iqm, "iqm_low": iqm_low, "iqm_high": iqm_high}
    return described


# ----------------------------------------------------------------- two configurations


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values `(m,)` adjusted so that the chance of any false claim among them stays below α.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, math.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factors * p[order]))
    return adjusted


def effect_size(differences: np.ndarray) -> float:
    """Mean difference in units of its standard deviation over seeds.

    Source: Cohen, Statistical power analysis, 1988 (there d_z).
    """
    if len(differences) < 2:
        return math.nan
    mean, deviation = float(np.mean(differences)), float(np.std(differences, ddof=1))
    if deviation == 0:
        return 0.0 if mean == 0 else math.copysign(math.inf, mean)
    return mean / deviation


def probability_of_improvement(better: np.ndarray, worse: np.ndarray) -> float:
    """P(a run of `better` exceeds a run of `worse`), higher being better; ties count half.

    Source: Agarwal et al. 2021, there from Mann & Whitney 1947.
    """
    if not len(better) or not len(worse):
        return math.nan
    difference = better[:, None] - worse[None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))
