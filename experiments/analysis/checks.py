"""What comes from a notebook: frames and names of metrics, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from experiments.metrics import METRICS, find_metric
from vae.errors import BadInput

_IDENTITY = ("configuration_id", "seed", "state")


def names_of(metrics: str | Iterable[str]) -> tuple[str, ...]:
    """One name is a list of one; its letters are not."""
    return (metrics,) if isinstance(metrics, str) else tuple(metrics)


def check_trials(trials: pd.DataFrame, metrics: Iterable[str]) -> None:
    """Raise BadInput for what is no frame of trials, or has one twice, or lacks a metric."""
    missing = [name for name in _IDENTITY if name not in trials.columns]
    if missing:
        raise BadInput(f"no frame of trials, as load_trials returns them: lacks {missing[0]!r}")
    for metric in metrics:
        find_metric(metric)
        if metric not in trials.columns:
            raise BadInput(f"the frame of trials has no column '{metric}'")
    twice = trials[trials.duplicated(list(_IDENTITY[:2]))]
    if len(twice):
        first = twice.iloc[0]
        raise BadInput(
            f"seed {first['seed']} of configuration {first['configuration_id']} is there more than "
            f"once: a seed counts once; if frames were joined, drop_duplicates('trial_id'), or for "
            f"several experiments load_trials(['one', 'another'])"
        )


def check_curves(metrics: Iterable[str]) -> None:
    """Raise BadInput for a metric that no trial logs epoch by epoch."""
    per_epoch = [name for name, metric in METRICS.items() if not metric.final]
    for metric in metrics:
        if find_metric(metric).final:
            raise BadInput(
                f"'{metric}' is logged once, at a trial's end: load_trials has it; every epoch has "
                f"{', '.join(per_epoch)}"
            )
