"""Which configuration is better, and how sure we are: every one against the best, seed by seed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence, Set

import numpy as np
import pandas as pd

from experiments.analysis.checks import check_trials
from experiments.analysis.statistics import (
    SIGNIFICANCE,
    effect_size,
    holm,
    paired_p_value,
    probability_of_improvement,
    t_interval,
)
from experiments.analysis.trial_columns import comparable, varying_fields
from experiments.metrics import find_metric
from vae.configuration import RETURN_SCALE_FIELDS


def compare(trials: pd.DataFrame, metric: str = "return") -> pd.DataFrame:
    """Hold every configuration against the best of its group, seed by seed.

    Returns of different data sets, losses or transforms measure different things, so each such
    group has a best of its own; the yardstick ranks all configurations in one group.

    The best is chosen by looking at the data, which favours it by luck. So p-values are
    corrected (Holm) for *all* pairs of a group, of which those with the best are a part: under
    the null hypothesis that all are equal, any claim is made in at most 5 % of experiments.

    A race has already tested what it gave up, on more than the pairs that are left to see: such
    configurations come last in their group and are not tested again.

    Args:
        trials: as `load_trials` returns them
        metric: a column of `trials`

    Returns:
        One row per configuration with a finished trial, best first within its group. Columns:
        `group`, `configuration_id`, the fields that vary, `mean`, `n_pairs` (seeds shared with
        the best), `difference` (to the best, in the metric's units; negative is worse for a
        return, positive is worse for a loss), `difference_low`, `difference_high` (95 %
        t-interval), `p` and `p_holm`, `effect_size`, `p_improvement` (of the best over this
        one), `verdict`: "best", "identical" (in every seed), "worse", "not distinguishable",
        "given up".
    """
    check_trials(trials, [metric])
    finished = trials[trials["state"] == "finished"].dropna(subset=[metric])
    given_up = set(trials.loc[trials["state"] == "pruned", "configuration_id"])
    fields = varying_fields(trials)
    rows = []
    for group_name, group in _groups(finished, metric):
        rows += _compare_group(group_name, group, metric, fields, given_up)
    columns = ["group", "configuration_id", *fields, "mean", *_COMPARISON]
    return pd.DataFrame(rows, columns=columns)


_COMPARISON = (
    "n_pairs", "difference", "difference_low", "difference_high", "p", "p_holm", "effect_size",
    "p_improvement", "verdict",
)  # fmt: skip


def _groups(finished: pd.DataFrame, metric: str) -> Iterator[tuple[str, pd.DataFrame]]:
    columns = comparable(finished, find_metric(metric).scale)
    # Which yardstick it is only needs saying where there are several.
    told = [c for c in columns if c in RETURN_SCALE_FIELDS or finished[c].nunique() > 1]
    for _, group in finished.groupby(columns, sort=False):
        yield " ".join(map(str, group[told].iloc[0])), group


def _compare_group(
    name: str, group: pd.DataFrame, metric: str, fields: Sequence[str], given_up: Set[str]
) -> list[dict[str, object]]:
    sign = float(find_metric(metric).sign)
    table = sign * group.pivot(index="seed", columns="configuration_id", values=metric)
    means = table.mean().sort_index().sort_values(ascending=False, kind="stable")
    if given_up >= set(means.index):
        given_up = frozenset()  # there is nobody else to hold them against
    ids = sorted(means.index, key=given_up.__contains__)  # which keeps the order otherwise
    values = table[ids].to_numpy()
    pairs = list(itertools.combinations(range(len(ids)), 2))
    differences = [_known(values[:, i] - values[:, j]) for i, j in pairs]
    p_values = np.array(
        [
            math.nan if ids[j] in given_up else paired_p_value(d)
            for (_, j), d in zip(pairs, differences, strict=True)
        ]
    )
    corrected = holm(p_values)
    first_rows = group.drop_duplicates("configuration_id").set_index("configuration_id")
    rows: list[dict[str, object]] = []
    for k, configuration_id in enumerate(ids):
        row: dict[str, object] = {"group": name, "configuration_id": configuration_id}
        row |= {field: first_rows.loc[configuration_id, field] for field in fields}
        row["mean"] = sign * means[configuration_id]
        if k:  # pairs of the best come first, in the order of the others
            to_best = -sign * differences[k - 1]
            behind = float(np.sum(sign * to_best)) < 0  # also over the seeds that both have
            row |= _comparison(to_best, p_values[k - 1], corrected[k - 1], behind)
            if configuration_id in given_up:
                row["verdict"] = "given up"
            row["p_improvement"] = probability_of_improvement(
                _known(values[:, 0]), _known(values[:, k])
            )
        else:
            row |= {"n_pairs": len(_known(values[:, 0])), "verdict": "best"}
        rows.append(row)
    return rows


def _known(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]


def _comparison(to_best: np.ndarray, p: float, p_holm: float, behind: bool) -> dict[str, object]:
    low, high = t_interval(to_best)
    if len(to_best) > 0 and not to_best.any():
        verdict = "identical"
    else:
        verdict = "worse" if behind and p_holm < SIGNIFICANCE else "not distinguishable"
    return {
        "n_pairs": len(to_best),
        "difference": float(np.mean(to_best)) if len(to_best) else math.nan,
        "difference_low": low,
        "difference_high": high,
        "p": p,
        "p_holm": p_holm,
        "effect_size": effect_size(to_best),
        "verdict": verdict,
    }
