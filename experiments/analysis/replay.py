"""What a race would have decided and saved: held over trials that are finished."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.analysis.race import RaceState, race
from experiments.analysis.trial_columns import comparable, with_other_code
from experiments.metrics import find_criterion, find_metric
from experiments.spec.racing import Racing


def replay_race(
    trials: pd.DataFrame, metric: str, first: int = 2, equal_within: float | None = None
) -> pd.DataFrame:
    """Hold a race over trials that have run, as if their seeds had been given one by one.

    Configurations race those whose metric means the same; the seeds are those that any of them
    was asked for, in order.

    Args:
        trials: as `load_trials` returns them
        metric: a column of `trials`
        first: seeds that everybody gets, at least 2
        equal_within: the difference below which two are as good as equal

    Returns:
        One row per configuration, in the order of `trials`. Columns: `configuration_id`,
        `n_seeds` (that the race would have given it), `verdict`: "best", "lost", "equal",
        "identical", "not distinguishable" (with all seeds), "failed"; empty where results are
        missing, so that the race cannot be held to its end.
    """
    find_criterion(metric)
    trials = with_other_code(trials)
    rules = Racing(max(first, 2), equal_within)
    rows = []
    for _, group in trials.groupby(comparable(trials, find_metric(metric).scale), sort=False):
        seeds = sorted(int(seed) for seed in group["seed"].unique())
        rows += _rows(race(_values(group, metric), seeds, rules))
    frame = pd.DataFrame(rows, columns=["configuration_id", "n_seeds", "verdict"])
    order = trials["configuration_id"].drop_duplicates()
    return frame.set_index("configuration_id").loc[order].reset_index()


def _values(group: pd.DataFrame, metric: str) -> dict[str, dict[int, float | None]]:
    sign = find_metric(metric).sign
    values: dict[str, dict[int, float | None]] = {}
    for configuration_id, seed, state, value in zip(
        group["configuration_id"], group["seed"], group["state"], group[metric], strict=True
    ):
        known = values.setdefault(str(configuration_id), {})
        if state == "failed" or (state == "finished" and not np.isfinite(value)):
            known[int(seed)] = None
        elif state == "finished":
            known[int(seed)] = sign * float(value)
    return values


def _rows(state: RaceState) -> list[tuple[str, int, str]]:
    verdicts = {**dict.fromkeys(state.lost, "lost"), **state.settled}
    return [(c, n, verdicts.get(c, "")) for c, n in state.given.items()]
