"""Trained models, had back from MLflow alone: by run, or the best of what a name stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from experiments.analysis.naming import not_tracked
from experiments.metrics import DECISION_METRICS, METRICS
from experiments.secrets import mask
from experiments.tracking.reachable import check_reachable
from experiments.tracking.reader import Reader
from experiments.tracking.run_record import RunRecord
from experiments.tracking.uris import default_uri, tracking_address
from vae.configuration import Trial
from vae.errors import BadInput, at

_CHOOSES = DECISION_METRICS["nll"]

if TYPE_CHECKING:
    from vae.archive import Archived
    from vae.model import VAE


@dataclass(frozen=True)
class SelectedRun:
    """A trial run that is meant.

    Attributes:
        why: how it was chosen; empty where it was named by its id
    """

    tracker: Reader
    run: RunRecord
    why: str = ""

    @property
    def name(self) -> str:
        """What MLflow calls the run."""
        return self.run.tags.get("mlflow.runName", self.run.run_id)


def load_model(
    run_id: str,
    tracking_uri: str | None = None,
    device: str = "cpu",
    trust_code: bool = False,
) -> VAE:
    """The model that a finished trial kept: that of the epoch with the highest validation return.

    Args:
        run_id: of a trial run
        tracking_uri: by default `MLFLOW_TRACKING_URI`, or `sqlite:///mlflow.db`
        device: where its weights are to be
        trust_code: execute the archived source of components that are not of this package, where
            the file in the current folder is not the same; otherwise nothing of a run is executed

    Returns:
        The model in eval mode. `decode(z)` and `reconstruct(x)` give images in [0, 1].

    Raises:
        BadInput: when there is no such run, or no whole archive in it, or it needs code that is
            neither here nor trusted.
    """
    return load_archived(find_trial(run_id, tracking_uri), device, trust_code).model


def load_archived(
    chosen: SelectedRun,
    device: str = "cpu",
    trust_code: bool = False,
    code_folder: Path | None = None,
) -> Archived:
    """The archived model of a trial run, with what its archive says of it; BadInput as above."""
    from vae.archive import unpack  # torch takes its time to import

    with at(f"run {chosen.run.run_id}"):
        archived = unpack(
            chosen.tracker.read_archive(chosen.run.run_id), device, trust_code, code_folder
        )
        _check_same_trial(archived.description.trial, chosen.run)
    return archived


def _check_same_trial(archived: Trial, run: RunRecord) -> None:
    try:
        tagged = Trial.model_validate_json(run.tags["trial"])
    except (KeyError, ValidationError) as error:
        raise BadInput("its tag `trial` is not of a sweep of this project's") from error
    if tagged != archived:
        raise BadInput("holds the archive of another trial than its tag `trial` says")


def find_trial(run_id: str, tracking_uri: str | None = None, finished: bool = True) -> SelectedRun:
    """The trial run of that id; BadInput if there is none.

    Args:
        finished: whether it has to be
    """
    uri = _reachable(tracking_uri)
    found = Reader.of_run(uri, run_id)
    if found is None:
        raise BadInput(f"no run '{run_id}' is tracked at {mask(uri)}; give another --tracking-uri")
    chosen = SelectedRun(*found)
    _check_ours(chosen.run, finished)
    if chosen.run.tags["kind"] != "trial":
        raise BadInput(f"run {run_id} is a {chosen.run.tags['kind']} run; name one of its trials")
    return chosen


def choose(name: str, tracking_uri: str | None = None, typed: str | None = None) -> SelectedRun:
    """The trial that a name stands for.

    Args:
        name: the id of a trial run; of a configuration run, which means its seed with the highest
            return; or the name of an experiment, which means the best configuration's best seed
            by val/nll, the one number that ranks across losses
        typed: what stood for it on a command line

    Raises:
        BadInput: when it stands for nothing, or no weights were kept of what it stands for.
    """
    uri = _reachable(tracking_uri)
    found = Reader.of_run(uri, name)
    if found is None:
        return best_of_experiment(name, uri, typed)
    tracker, run = found
    _check_ours(run)
    if run.tags["kind"] == "trial":
        return SelectedRun(tracker, run)
    if run.tags["kind"] == "configuration":
        label = run.tags.get("mlflow.runName", name)
        return _best_seed(tracker, run.tags["configuration_id"], label, "return")
    raise BadInput(f"run {name} is a {run.tags['kind']} run: name a trial or a configuration")


def _reachable(tracking_uri: str | None) -> str:
    uri = tracking_address(tracking_uri or default_uri())
    check_reachable(uri, read_only=True)
    return uri


def _check_ours(run: RunRecord, finished: bool = True) -> None:
    if "kind" not in run.tags or "configuration_id" not in run.tags:
        raise BadInput(f"run {run.run_id} is not one of a sweep of this project's")
    if finished and run.tags["kind"] == "trial" and run.state != "finished":
        raise BadInput(f"run {run.run_id} is of a trial that is not finished ({run.state})")


def best_of_experiment(
    name: str, uri: str, typed: str | None = None, only: Sequence[Mapping[str, Any]] = ()
) -> SelectedRun:
    """The best configuration by its mean val/nll, and of that the seed with the lowest.

    Args:
        typed: what stood for it on a command line
        only: which configurations, as of `keep_only`

    Raises:
        BadInput: when nothing of it is finished, or nothing ranks, or no weights were kept.
    """
    tracker = Reader.find(uri, name)
    if tracker is None:
        raise BadInput(f"no run is called '{name}', and {not_tracked(name, uri, typed)}")
    from experiments.analysis.asked import keep_only
    from experiments.analysis.comparison import compare
    from experiments.analysis.load import load_trials  # pandas takes its time to import
    from experiments.analysis.trial_columns import of_today

    trials = of_today(keep_only(load_trials(name, uri), only))
    ranking = compare(trials, _CHOOSES)
    if ranking.empty:
        raise BadInput(f"experiment '{name}': no trial has finished yet")
    if ranking["group"].nunique() > 1:
        raise BadInput(
            f"experiment '{name}' is of several data sets, image shapes or validation sets, across "
            f"which nothing ranks: name a run"
        )
    best = str(ranking["configuration_id"].iloc[0])
    label = f"the configuration with the best mean {_CHOOSES} ({ranking['mean'].iloc[0]:.2f})"
    return _best_seed(tracker, best, label, _CHOOSES)


def _best_seed(tracker: Reader, configuration_id: str, label: str, metric: str) -> SelectedRun:
    """Of the seeds whose weights were kept."""
    finished = [
        run
        for run in tracker.records("trial")
        if run.tags.get("configuration_id") == configuration_id and run.state == "finished"
    ]
    kept = [run for run in finished if tracker.has_weights(run.run_id)]
    if not kept:
        tracker.check_artifacts()
        raise BadInput(
            f"{label}: of its {len(finished)} finished seeds no weights were kept; see the "
            f"sweep's `--archive`"
        )
    best = _best(kept, metric)
    among = f"{len(kept)}" if len(kept) == len(finished) else f"{len(kept)} kept"
    why = f"the best by {metric} of {among} seeds of {label}"
    return SelectedRun(tracker, best, why)


def _best(runs: Iterable[RunRecord], metric: str) -> RunRecord:
    return max(runs, key=lambda run: METRICS[metric].sign * run.metrics[metric])
