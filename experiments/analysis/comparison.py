"""Which configuration is better, and how sure we are: every one against the best, or a control."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.checks import check_trials
from experiments.analysis.control import find_control
from experiments.analysis.inference import UNKNOWN, Decision, decide
from experiments.analysis.power import seeds_needed
from experiments.analysis.statistics import effect_size, probability_of_improvement
from experiments.analysis.trial_columns import (
    comparable,
    describe_group,
    varying_fields,
    with_other_code,
)
from experiments.metrics import find_criterion, find_metric
from vae.configuration import RETURN_SCALE_FIELDS
from vae.errors import BadInput


def compare(
    trials: pd.DataFrame,
    metric: str = "return",
    control: Mapping[str, Any] | None = None,
    equal_within: float | None = None,
) -> pd.DataFrame:
    """Hold every configuration against the best of its group, or against a control.

    Returns of different data sets, losses or transforms measure different things, so each such
    group has a best of its own; the yardstick ranks all configurations in one group. Numbers of
    other versions of the code or other data are other groups, too; and of a configuration whose
    code (the user's own) has changed since, what the older code gave.

    A verdict is wrong in at most 5 % of experiments in which nothing differs: see `decide` for
    what is corrected, and `python -m benchmarks.verdicts` for how that was tested. What a race or
    a person pruned comes last, and nothing is claimed of it here. What failed with some seed is
    compared over the others and is never the best.

    Args:
        trials: as `load_trials` returns them
        metric: a column of `trials`
        control: fields of the configuration that the others are held against; of the fields that
            are not named, it has the defaults
        equal_within: the difference, in the metric's units, below which two are as good as equal

    Returns:
        One row per configuration with a value, the best or the control first in its group.
        Columns: `group`, `configuration_id`, the fields that vary, `mean`, `n_pairs` (seeds shared
        with the best), `difference` (to the best, in the metric's units; negative is worse for a
        return, positive is worse for a loss), `difference_low`, `difference_high` (95 %, of each
        difference alone), `p` (alone) and `p_corrected`, `effect_size`, `p_improvement` (of the
        best over this one), `seeds_needed` (where nothing can be told: to show a difference of
        `equal_within`, or else of the size seen, with 80 % power; always more than there are),
        `verdict`: "best", "worse", "equal", "identical" (in every seed), "not distinguishable",
        "pruned"; with a control also "control" and "better".

    Raises:
        BadInput: for a metric that ranks nothing; when no configuration has what `control` says,
            or several have.
    """
    check_trials(trials, [metric])
    sign = find_criterion(metric).sign
    trials = with_other_code(trials)
    values = trials[metric].to_numpy(dtype=float, na_value=np.nan)
    finished = trials[(trials["state"] == "finished") & np.isfinite(values)]
    failed = trials["state"].eq("failed") | (trials["state"].eq("finished") & ~np.isfinite(values))
    outcomes = _Outcomes(
        pruned=set(trials.loc[trials["state"] == "pruned", "configuration_id"]),
        failed=set(trials.loc[failed, "configuration_id"]),
    )
    fields = varying_fields(trials)
    frames, controls = [], 0
    for name, group in _groups(finished, metric):
        reference = find_control(group, control, find_metric(metric).scale) if control else None
        controls += reference is not None
        frames.append(_compare_group(name, group, metric, sign, outcomes, reference, equal_within))
    if control and not controls:
        shown = ", ".join(f"{key}={value}" for key, value in control.items())
        raise BadInput(f"control {shown}: no configuration with a finished trial has that")
    columns = ["group", "configuration_id", *fields, *_COMPARISON]
    if not frames:
        return pd.DataFrame(columns=columns)
    compared = pd.concat(frames, ignore_index=True)
    first = finished.drop_duplicates("configuration_id").set_index("configuration_id")
    of_fields = first.loc[compared["configuration_id"], fields].reset_index(drop=True)
    return pd.concat([compared, of_fields], axis=1)[columns]


_COMPARISON = (
    "mean", "n_pairs", "difference", "difference_low", "difference_high", "p", "p_corrected",
    "effect_size", "p_improvement", "seeds_needed", "verdict",
)  # fmt: skip


class _Outcomes:
    """The configuration_ids of which a trial was pruned, or has no value."""

    def __init__(self, pruned: set[str], failed: set[str]) -> None:
        self.pruned = pruned
        self.failed = failed


def _groups(finished: pd.DataFrame, metric: str) -> Iterator[tuple[str, pd.DataFrame]]:
    columns = comparable(finished, find_metric(metric).scale)
    told = [c for c in columns if c in RETURN_SCALE_FIELDS or finished[c].nunique() > 1]
    for _, group in finished.groupby(columns, sort=False, dropna=False):
        yield describe_group({c: group[c].iloc[0] for c in told}), group


def _compare_group(
    name: str,
    group: pd.DataFrame,
    metric: str,
    sign: int,
    outcomes: _Outcomes,
    control: str | None,
    equal_within: float | None,
) -> pd.DataFrame:
    pivot = sign * group.pivot(index="configuration_id", columns="seed", values=metric)
    pivot = pivot.sort_index()  # ties are broken by identity, not by who finished first
    ids, table = list(pivot.index), pivot.to_numpy(dtype=float)
    pruned = np.array([i in outcomes.pruned for i in ids])
    failed = np.array([i in outcomes.failed for i in ids])
    family = ~pruned if not pruned.all() else np.ones(len(ids), dtype=bool)
    decision = decide(
        table,
        family,
        contenders(table, family & ~failed, family),
        None if control is None else ids.index(control),
        equal_within,
    )
    means = np.nanmean(table, axis=1)
    found = decision.differences
    first = np.arange(len(ids)) == found.reference
    order = np.lexsort((-means, failed & (control is None), ~family, ~first))
    frame = _frame(table, decision, sign, equal_within)
    frame.insert(0, "mean", sign * means)
    frame.insert(0, "configuration_id", ids)
    frame.insert(0, "group", name)
    return frame.iloc[order].reset_index(drop=True)


def contenders(table: np.ndarray, whole: np.ndarray, family: np.ndarray) -> np.ndarray:
    """Who may be the best: of those that did not fail, whoever has at least half as many seeds as
    the one with most. A mean of two lucky seeds is no better than one of eight.
    """
    n = (~np.isnan(table)).sum(axis=1)
    for candidates in (whole, family):
        if candidates.any():
            return np.asarray(candidates & (2 * n >= n[candidates].max()))
    return family


def _frame(
    table: np.ndarray, decision: Decision, sign: int, equal_within: float | None
) -> pd.DataFrame:
    found = decision.differences
    low, high = (sign * bound for bound in found.interval())
    needed = seeds_needed(decision, np.abs(found.mean) if equal_within is None else equal_within)
    # What those that there are did not show takes more; and two have to pass a stricter test.
    needed = np.maximum(needed, np.maximum(found.n_pairs + 1, 3))
    unknown = decision.verdict == UNKNOWN
    others = np.arange(len(table)) != found.reference
    reference = _known(table[found.reference])
    frame = pd.DataFrame(
        {
            "n_pairs": found.n_pairs,
            "difference": np.where(others, sign * found.mean, np.nan),
            "difference_low": np.where(others, np.fmin(low, high), np.nan),
            "difference_high": np.where(others, np.fmax(low, high), np.nan),
            "p": found.p,
            "p_corrected": decision.corrected,
            "effect_size": [effect_size(_known(row - table[found.reference])) for row in table],
            "p_improvement": [probability_of_improvement(reference, _known(r)) for r in table],
            "seeds_needed": np.where(unknown, needed, np.nan),
            "verdict": np.where(decision.verdict == "", "pruned", decision.verdict),
        }
    )
    frame["effect_size"] *= sign
    frame.loc[~others, ["effect_size", "p_improvement"]] = np.nan
    return frame


def _known(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]
