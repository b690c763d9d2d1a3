"""One MLflow experiment, as whoever looks at it reads it."""

from __future__ import annotations

import gc
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from experiments.secrets import without_credentials
from experiments.tracking import model_files
from experiments.tracking.artifact_folder import why_missing
from experiments.tracking.errors import TrackingRefused
from experiments.tracking.image_names import is_image, step_of
from experiments.tracking.retries import connect, patiently
from experiments.tracking.run_record import STOP, RunRecord, Stops
from experiments.tracking.uris import sqlite_path
from vae.errors import BadInput

KL = "kl_per_dimension"
KL_FILE = f"latent/{KL}.json"
"""Nats that each latent dimension of a kept model takes, on a trial run in their order; on a
configuration run largest first, the mean over its seeds.
"""

_MOST_STOPPED = 10_000
"""Stopped runs of an experiment that are looked at: nobody sets more tags by hand."""


@dataclass
class Reader:
    """One MLflow experiment; changes nothing."""

    uri: str
    experiment_id: str
    _mlflow: MlflowClient = field(repr=False)

    @classmethod
    def find(cls, uri: str, name: str) -> Self | None:
        """The experiment called `name`, or None if nothing of it has been tracked."""
        if (path := sqlite_path(uri)) is not None and not path.exists():
            return None  # connecting would make the file
        client = connect(uri)
        experiment = patiently(client.get_experiment_by_name, name)
        if experiment is None:
            return None
        if experiment.lifecycle_stage != "active":
            raise BadInput(
                f"experiment '{name}' was deleted in MLflow; restore it there "
                f"(`mlflow experiments restore -x {experiment.experiment_id}`) or choose "
                f"another name"
            )
        return cls(uri, experiment.experiment_id, client)

    @classmethod
    def of_run(cls, uri: str, run_id: str) -> tuple[Self, RunRecord] | None:
        """The experiment of a run, and the run; None if there is no run of that id."""
        if (path := sqlite_path(uri)) is not None and not path.exists():
            return None
        client = connect(uri)
        try:
            run = patiently(client.get_run, run_id)
        except TrackingRefused:
            return None
        return cls(uri, run.info.experiment_id, client), _record(run)

    def records(self, kind: str, deleted: bool = False) -> list[RunRecord]:
        """Every run of that kind, oldest first; or those that were deleted in MLflow."""
        records: list[RunRecord] = []
        token = None
        with _garbage_collection_paused():
            while True:
                page = patiently(
                    self._mlflow.search_runs,
                    [self.experiment_id],
                    f"tags.kind = '{kind}'",
                    ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY,
                    max_results=5000,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                )
                records += [_record(run) for run in page]
                token = page.token
                if not token:
                    return records

    def stops(self) -> Stops:
        """What persons have stopped: one search, however many trials there are."""
        query = f"tags.{STOP} ILIKE 'true'"
        ids = [self.experiment_id]
        found = patiently(self._mlflow.search_runs, ids, query, max_results=_MOST_STOPPED)
        return Stops.among(_record(run) for run in found)

    def has_trials(self) -> bool:
        """Whether it has a trial run at all."""
        ids = [self.experiment_id]
        return bool(patiently(self._mlflow.search_runs, ids, "tags.kind = 'trial'", max_results=1))

    def any_trial_running(self) -> bool:
        """Whether some trial run is RUNNING, be it alive or left by the dead."""
        query = "tags.kind = 'trial' and attributes.status = 'RUNNING'"
        ids = [self.experiment_id]
        return bool(patiently(self._mlflow.search_runs, ids, query, max_results=1))

    def experiment_tag(self, key: str) -> str | None:
        """What was said of all runs together."""
        tags = patiently(self._mlflow.get_experiment, self.experiment_id).tags
        found: str | None = tags.get(key)
        return found

    def curve(self, run_id: str, key: str) -> list[tuple[int, float]]:
        """(step, value) of every step of a metric, in order; the newest value, if it has more."""
        history = patiently(self._mlflow.get_metric_history, run_id, key)
        newest = {m.step: m.value for m in sorted(history, key=lambda m: m.timestamp)}
        return sorted(newest.items())

    def _images(self, run_id: str, key: str) -> dict[int, str]:
        files = patiently(self._mlflow.list_artifacts, run_id, "images")
        return {step_of(f.path): f.path for f in files if is_image(f.path, key)}

    def has_image(self, run_id: str, key: str, step: int) -> bool:
        return step in self._images(run_id, key)

    def last_image(self, run_id: str, key: str) -> np.ndarray | None:
        """The picture of the last step that was logged under `key`, or None."""
        paths = self._images(run_id, key)
        if not paths:
            return None
        from PIL import Image

        with tempfile.TemporaryDirectory() as folder:
            path = paths[max(paths)]
            local = patiently(self._mlflow.download_artifacts, run_id, path, folder)
            try:
                with Image.open(local) as picture:
                    return np.asarray(picture)
            except OSError:  # cut short by a kill, or by a full disk
                return None

    def kl_per_dimension(self, run_id: str) -> list[float]:
        """As `KL_FILE` has it; empty for a run without."""
        text = self.text(run_id, KL_FILE)
        return list(json.loads(text)[KL]) if text else []

    def dataset_digest(self, run_id: str) -> str:
        """Of the data set that a trial run was trained on; empty if it does not say."""
        inputs = patiently(self._mlflow.get_run, run_id).inputs
        found = inputs.dataset_inputs if inputs else []
        return str(found[0].dataset.digest) if found else ""

    def text(self, run_id: str, path: str) -> str:
        """The content of an artifact; empty for a run without it."""
        folder = path.rpartition("/")[0] or None
        files = patiently(self._mlflow.list_artifacts, run_id, folder)
        if path not in {file.path for file in files}:
            return ""
        with tempfile.TemporaryDirectory() as into:
            local = patiently(self._mlflow.download_artifacts, run_id, path, into)
            return Path(local).read_text(encoding="utf-8", errors="replace")

    def has_weights(self, run_id: str) -> bool:
        """Whether a trial run holds its model's weights."""
        return model_files.has_weights(self._mlflow, run_id)

    def read_archive(self, run_id: str) -> dict[str, bytes]:
        """The files of a trial run's model, by name; BadInput if there are none."""
        self.check_artifacts()
        return model_files.read_archive(self._mlflow, run_id)

    def read_remains(self, run_id: str) -> dict[str, bytes]:
        """What is left of the files of a trial run's model, whose weights may be deleted."""
        return model_files.read_remains(self._mlflow, run_id)

    def artifact_location(self) -> str:
        """Where its artifacts are, as MLflow has written it down."""
        experiment = patiently(self._mlflow.get_experiment, self.experiment_id)
        return str(experiment.artifact_location)

    def check_artifacts(self) -> None:
        """Raise BadInput where the folder of its artifacts is missing."""
        experiment = patiently(self._mlflow.get_experiment, self.experiment_id)
        why = why_missing(str(experiment.artifact_location), self.uri, experiment.name)
        if why:
            raise BadInput(f"experiment '{experiment.name}': {why}")

    def link(self, run_id: str) -> str:
        """Where a run can be looked at: on the tracking server, or in the UI of `make ui`."""
        return f"{self.link_of_runs()}/{run_id}"

    def link_of_runs(self) -> str:
        """Where all runs can be looked at."""
        server = self.uri if self.uri.startswith("http") else "http://127.0.0.1:5000"
        server = without_credentials(server).rstrip("/")
        return f"{server}/#/experiments/{self.experiment_id}/runs"


def experiment_names(uri: str) -> list[str]:
    """Of what is tracked, what was written last first."""
    if (path := sqlite_path(uri)) is not None and not path.exists():
        return []
    newest_first = ["last_update_time DESC"]
    found = patiently(connect(uri).search_experiments, max_results=1000, order_by=newest_first)
    return [experiment.name for experiment in found if experiment.name != "Default"]


def artifact_location(uri: str, name: str) -> str:
    """Where a server keeps the artifacts of the experiment called `name`, or would keep them."""
    client = connect(uri)
    experiment = patiently(client.get_experiment_by_name, name)
    if experiment is None:
        experiment = patiently(client.get_experiment, "0")  # made with the server's defaults
    return str(experiment.artifact_location)


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Reading 10,000 runs makes half a million objects, none of them in a cycle: looking for
    cycles among them takes longer than making them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _record(run: Run) -> RunRecord:
    return RunRecord(
        run_id=run.info.run_id,
        status=run.info.status,
        tags=run.data.tags,
        metrics=run.data.metrics,
        has_params=bool(run.data.params),
        start_time=run.info.start_time or 0,
    )
