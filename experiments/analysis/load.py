"""Tracked experiments as pandas frames; nothing here needs torch."""

from __future__ import annotations

import json
import math
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

import pandas as pd
from pydantic import ValidationError

from experiments.analysis.checks import check_curves, names_of
from experiments.analysis.sources import Source, open_sources
from experiments.analysis.trial_columns import EXPERIMENT, FIELDS, VERSIONS, fields_among
from experiments.metrics import CURVE, FINAL_METRICS, MEAN_CURVE
from experiments.tracking.run_record import RunRecord, by_trial, seeds_asked_for
from vae.components.signatures import with_tuples
from vae.configuration import FIELDS_ADDED_LATER, Configuration, Trial, as_written_today


def load_trials(experiment: str | Sequence[str], tracking_uri: str | None = None) -> pd.DataFrame:
    """Every trial that was ever asked for in an MLflow experiment, run or not.

    Args:
        experiment: the name of an MLflow experiment, or several, of other tracking stores as
            `URI#NAME`
        tracking_uri: by default `MLFLOW_TRACKING_URI`, or `sqlite:///mlflow.db`

    Returns:
        One row per expected trial, in the order of their configurations and seeds. Columns:
        `run_id`, `trial_id`, `configuration_id`, `seed`, `state` (finished, failed, pruned,
        running, missing), `error` (why it failed, or was given up), `numbers_version`,
        `code_digest` and `data_digest` (of the user's own; else empty), `yardstick` (how nll reads
        which pixels: `bernoulli 1 × 28 × 28`), every configuration field and every option with its
        type (missing where the component does not take it), and the final metrics under their
        MLflow names, in nats per image (NaN unless finished). Of several experiments, also
        `experiment`, first; as they may have configurations in common, its name is then part of
        every `configuration_id`.

    Raises:
        BadInput: when there is no such experiment, or nothing tracks at its store.
    """
    return trials_of(open_sources(experiment, tracking_uri))


def trials_of(sources: Iterable[Source]) -> pd.DataFrame:
    """As `load_trials`."""
    rows = [row for source in sources for row in _rows(source)]
    return _typed(pd.DataFrame(rows, columns=_columns(rows)))


def _rows(source: Source) -> Iterator[dict[str, Any]]:
    tracker = source.tracker
    tracked = by_trial(tracker.records("trial")).values()
    by_seed = {(r.tags["configuration_id"], _seed(r)): r for r in tracked}
    # Two runs of one configuration are left by a kill while one takes the other's place.
    configuration_runs: dict[str, RunRecord] = {}
    seeds: dict[str, set[int]] = {}
    for record in tracker.records("configuration"):
        configuration_id = record.tags["configuration_id"]
        configuration_runs[configuration_id] = record
        seeds.setdefault(configuration_id, set()).update(seeds_asked_for(record))
    for configuration_id, configuration_run in configuration_runs.items():
        for seed in sorted(seeds[configuration_id]):
            row = _row(configuration_run, seed, by_seed.get((configuration_id, seed)))
            if source.label:
                row = {EXPERIMENT: source.label} | row
            yield row | {"configuration_id": source.id_of(configuration_id)}


def load_curves(
    experiment: str | Sequence[str],
    tracking_uri: str | None = None,
    metrics: str | Sequence[str] = CURVE,
) -> pd.DataFrame:
    """The per-epoch metrics of every trial that has a run.

    Args:
        experiment, tracking_uri: as of `load_trials`
        metrics: MLflow's names, or one, in nats per image, such as `train/loss` or `val/kl`

    Returns:
        One row per trial and epoch. Columns: `configuration_id`, `trial_id`, `seed`, `state`,
        `epoch` (from 1), and one for each metric (NaN where an epoch lacks it).

    Raises:
        BadInput: as `load_trials`; and for a metric that there is not, or not every epoch.
    """
    return curves_of(open_sources(experiment, tracking_uri), metrics)


def curves_of(sources: Iterable[Source], metrics: str | Sequence[str] = CURVE) -> pd.DataFrame:
    """As `load_curves`."""
    metrics = names_of(metrics)
    check_curves(metrics)
    rows = [row for source in sources for row in _points(source, metrics)]
    identity = ["configuration_id", "trial_id", "seed", "state", "epoch"]
    return pd.DataFrame(rows, columns=[*identity, *metrics])


def mean_curves_of(sources: Iterable[Source]) -> pd.DataFrame:
    """The mean return of every configuration at every epoch, as `sweep.py` has tracked it.

    With five seeds, a fifth of the reading of `curves_of`. Of configurations of which trials are
    still to run, which have no mean yet, the trials' curves.

    Returns:
        Columns: `configuration_id`, `epoch`, `val/return`; of some, one row per trial and epoch.
    """
    rows = [row for source in sources for row in _mean_points(source)]
    return pd.DataFrame(rows, columns=["configuration_id", "epoch", CURVE])


def _mean_points(source: Source) -> Iterator[tuple[str, int, float]]:
    curves: dict[str, list[tuple[int, float]]] = {}
    for record in source.tracker.records("configuration"):
        curve = source.tracker.curve(record.run_id, MEAN_CURVE)
        configuration_id = record.tags["configuration_id"]
        curves[configuration_id] = curve or curves.get(configuration_id, [])
    for configuration_id, curve in curves.items():
        yield from ((source.id_of(configuration_id), epoch, value) for epoch, value in curve)
    without = {configuration_id for configuration_id, curve in curves.items() if not curve}
    if without:
        for configuration_id, _, _, _, epoch, value in _points(source, [CURVE], without):
            yield configuration_id, epoch, value


def _points(
    source: Source, metrics: Sequence[str], of: Container[str] | None = None
) -> Iterator[tuple[Any, ...]]:
    """Args: of: configuration_ids; None for all"""
    for record in by_trial(source.tracker.records("trial")).values():
        if of is not None and record.tags["configuration_id"] not in of:
            continue
        curves = [dict(source.tracker.curve(record.run_id, metric)) for metric in metrics]
        tags = record.tags
        configuration_id = source.id_of(tags["configuration_id"])
        trial = (configuration_id, tags["trial_id"], _seed(record), record.state)
        for epoch in sorted(set().union(*curves)):
            yield (*trial, epoch, *(curve.get(epoch, math.nan) for curve in curves))


def _seed(record: RunRecord) -> int:
    return int(json.loads(record.tags["trial"])["seed"])


def _row(configuration_run: RunRecord, seed: int, record: RunRecord | None) -> dict[str, Any]:
    """What was written down, not what today's code makes of it: ids change with NUMBERS_VERSION."""
    tags = record.tags if record else configuration_run.tags
    given_up = tags.get("pruned") == "true"
    state = record.state if record else "pruned" if given_up else "missing"
    why = {"failed": record.error if record else "", "pruned": tags.get("pruned.reason", "")}
    written = as_written_today(json.loads(configuration_run.tags["configuration"]))
    fields = written | {name: v for name, v in FIELDS_ADDED_LATER.items() if name not in written}
    row = {
        "run_id": record.run_id if record else "",
        "trial_id": record.tags["trial_id"] if record else _planned_id(fields, seed),
        "configuration_id": configuration_run.tags["configuration_id"],
        "seed": seed,
        "state": state,
        "error": why.get(state, ""),
        "numbers_version": int(tags.get("numbers_version", 1)),
        "code_digest": tags.get("code_digest", ""),
        "data_digest": tags.get("data_digest", ""),
        "yardstick": configuration_run.tags.get("yardstick", ""),
        **{name: with_tuples(value) for name, value in fields.items() if name != "digests"},
    }
    finals = record.metrics if record and state == "finished" else {}
    return row | {name: finals.get(name) for name in FINAL_METRICS}


def _planned_id(fields: dict[str, Any], seed: int) -> str:
    try:
        return Trial(configuration=Configuration(**fields), seed=seed).id
    except ValidationError:  # of an older version of the code, which only it could run
        return ""


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    identity = ["run_id", "trial_id", "configuration_id", "seed", "state", "error"]
    present = dict.fromkeys(name for row in rows for name in row)
    fields = fields_among(present) if rows else FIELDS
    first = [EXPERIMENT] if EXPERIMENT in present else []
    known = [*first, *identity, *VERSIONS, "yardstick", *fields, *FINAL_METRICS]
    return [*known, *(name for name in present if name not in known)]


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    # A column without a single finished trial holds None only, and would be of type object.
    frame = frame.astype(dict.fromkeys(FINAL_METRICS, "float64"))
    # Options that some trials lack: integers stay integers.
    options = [name for name in frame.columns if "." in name and name in fields_among([name])]
    return frame.assign(**{name: frame[name].convert_dtypes() for name in options})
