"""Tracked experiments as pandas frames; nothing here needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from experiments.tracking.addresses import check_reachable, default_uri
from experiments.tracking.records import RunRecord, by_trial, seeds_asked_for
from experiments.tracking.tracker import Tracker
from vae.configuration import Configuration, Trial
from vae.errors import BadInput

FINAL_METRICS = (
    "return",
    "best_epoch",
    "test/return",
    "test/reconstruction",
    "test/kl",
    "test/nll",
)


def load_trials(experiment: str, tracking_uri: str | None = None) -> pd.DataFrame:
    """Every trial that was ever asked for in an MLflow experiment, run or not.

    Args:
        experiment: the name of an MLflow experiment
        tracking_uri: by default `MLFLOW_TRACKING_URI`, or `sqlite:///mlflow.db`

    Returns:
        One row per expected trial, in the order of their configurations and seeds. Columns:
        `run_id`, `trial_id`, `configuration_id`, `seed`, `state` (finished, failed, pruned,
        running, missing), `error`, every configuration field with its type, and the final
        metrics under their MLflow names, in nats per image (NaN unless finished).

    Raises:
        BadInput: when there is no such experiment, or nothing tracks at `tracking_uri`.
    """
    tracker = open_tracker(experiment, tracking_uri)
    configurations = _configurations(tracker.records("configuration"))
    tracked = by_trial(tracker.records("trial"))
    rows = [
        _row(Trial(configuration=configuration, seed=seed), tracked)
        for configuration, seeds in configurations
        for seed in seeds
    ]
    return _typed(pd.DataFrame(rows, columns=_columns(rows)))


def load_curves(
    experiment: str,
    tracking_uri: str | None = None,
    metrics: Sequence[str] = ("val/return",),
) -> pd.DataFrame:
    """The per-epoch metrics of every trial that has a run.

    Args:
        metrics: MLflow's names, in nats per image, such as `train/loss` or `val/kl`

    Returns:
        One row per trial and epoch. Columns: `configuration_id`, `trial_id`, `seed`, `state`,
        `epoch` (from 1), and one for each metric (NaN where an epoch lacks it).

    Raises:
        BadInput: as `load_trials`.
    """
    tracker = open_tracker(experiment, tracking_uri)
    frames = []
    for record in by_trial(tracker.records("trial")).values():
        curves = {metric: dict(tracker.curve(record.run_id, metric)) for metric in metrics}
        frame = pd.DataFrame(curves).rename_axis("epoch").reset_index()
        trial = Trial.model_validate_json(record.tags["trial"])
        frame.insert(0, "configuration_id", trial.configuration.id)
        frame.insert(1, "trial_id", trial.id)
        frame.insert(2, "seed", trial.seed)
        frame.insert(3, "state", record.state)
        frames.append(frame)
    columns = ["configuration_id", "trial_id", "seed", "state", "epoch", *metrics]
    filled = [frame for frame in frames if not frame.empty]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=columns)


def open_tracker(experiment: str, tracking_uri: str | None) -> Tracker:
    """The MLflow experiment of that name.

    Raises:
        BadInput: when there is none, or nothing tracks at `tracking_uri`.
    """
    uri = tracking_uri or default_uri()
    check_reachable(uri)
    tracker = Tracker.find(uri, experiment)
    if tracker is None:
        raise BadInput(
            f"nothing of experiment '{experiment}' is tracked at {uri}: "
            f"run `python sweep.py {experiment}` first, or give another --tracking-uri"
        )
    return tracker


def _configurations(records: list[RunRecord]) -> list[tuple[Configuration, list[int]]]:
    return [
        (
            Configuration.model_validate_json(record.tags["configuration"]),
            sorted(seeds_asked_for(record)),
        )
        for record in records
    ]


def _row(trial: Trial, tracked: dict[str, RunRecord]) -> dict[str, Any]:
    record = tracked.get(trial.id)
    state = record.state if record else "missing"
    row = {
        "run_id": record.run_id if record else "",
        "trial_id": trial.id,
        "configuration_id": trial.configuration.id,
        "seed": trial.seed,
        "state": state,
        "error": record.tags.get("error", "") if record and state == "failed" else "",
        **trial.configuration.model_dump(),
    }
    finals = record.metrics if record and state == "finished" else {}
    return row | {name: finals.get(name) for name in FINAL_METRICS}


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    if rows:
        return list(rows[0])
    identity = ["run_id", "trial_id", "configuration_id", "seed", "state", "error"]
    return [*identity, *Configuration.model_fields, *FINAL_METRICS]


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    # A column without a single finished trial holds None only, and would be of type object.
    return frame.astype(dict.fromkeys(FINAL_METRICS, "float64"))


def varying_fields(trials: pd.DataFrame) -> list[str]:
    """The configuration fields that differ between the rows, in the order of the configuration."""
    return [field for field in Configuration.model_fields if trials[field].nunique() > 1]
