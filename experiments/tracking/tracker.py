"""One MLflow experiment, as the parent process and the reports see it."""

from __future__ import annotations

import gc
import getpass
import itertools
import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, ViewType

from experiments.masking import without_credentials
from experiments.provenance import Provenance
from experiments.tracking import TrackingRefused, archives
from experiments.tracking.addresses import safe_name, sqlite_path, use_write_ahead_log
from experiments.tracking.client import connect, patiently
from experiments.tracking.pictures import is_picture, step_of
from experiments.tracking.records import RunRecord, seeds_asked_for
from vae.configuration import Configuration, Trial
from vae.errors import BadInput

# MLflow's UI would otherwise open on its pages for language models.
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}


@dataclass
class Tracker:
    """One MLflow experiment, as the parent process sees it."""

    uri: str
    experiment_id: str
    _mlflow: MlflowClient = field(repr=False)

    @classmethod
    def create(cls, uri: str, name: str) -> Tracker:
        """The experiment called `name`, made with its database if need be."""
        artifacts = None
        if (path := sqlite_path(uri)) is not None:
            use_write_ahead_log(path)
            artifacts = (path.parent / "mlartifacts" / safe_name(name)).as_uri()
        tracker = cls.find(uri, name)
        if tracker is not None:
            return tracker
        client = connect(uri)
        try:
            made = patiently(client.create_experiment, name, artifacts, _EXPERIMENT_TAGS)
        except TrackingRefused:
            # Another shard was faster, or this was the second try after a lost answer.
            tracker = cls.find(uri, name)
            if tracker is None:
                raise
            return tracker
        return cls(uri, made, client)

    @classmethod
    def find(cls, uri: str, name: str) -> Tracker | None:
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
    def of_run(cls, uri: str, run_id: str) -> tuple[Tracker, RunRecord] | None:
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

    def any_trial_running(self) -> bool:
        """Whether some trial run is RUNNING, be it alive or left by the dead."""
        query = "tags.kind = 'trial' and attributes.status = 'RUNNING'"
        ids = [self.experiment_id]
        return bool(patiently(self._mlflow.search_runs, ids, query, max_results=1))

    def create_configuration_run(
        self, configuration: Configuration, label: str, seeds: Iterable[int]
    ) -> str:
        """Returns the run's id."""
        tags = {
            "kind": "configuration",
            "configuration_id": configuration.id,
            "configuration": json.dumps(configuration.model_dump()),
            "seeds": json.dumps(sorted(seeds)),
        }
        run_id = self._create_run(label, tags)
        self._log_params(run_id, configuration.model_dump())
        return run_id

    def ask_for_seeds(self, record: RunRecord, seeds: set[int]) -> None:
        """Add to the seeds that a configuration run expects."""
        before = seeds_asked_for(record)
        if not seeds <= before:
            value = json.dumps(sorted(before | seeds))
            patiently(self._mlflow.set_tag, record.run_id, "seeds", value)
        if not record.has_params:  # killed between the run's creation and its description
            fields = json.loads(record.tags["configuration"])
            self._log_params(record.run_id, fields)

    def _log_params(self, run_id: str, fields: Mapping[str, object]) -> None:
        params = [Param(key, str(value)) for key, value in fields.items()]
        patiently(self._mlflow.log_batch, run_id, params=params)

    def create_trial_run(
        self, trial: Trial, label: str, parent_run_id: str, code: Provenance
    ) -> str:
        """Returns the run's id."""
        tags = {
            "kind": "trial",
            "trial_id": trial.id,
            "configuration_id": trial.configuration.id,
            "trial": trial.model_dump_json(),
            "mlflow.parentRunId": parent_run_id,
            "command": code.command,
            "versions": json.dumps(code.versions),
        }
        if code.commit:
            tags["mlflow.source.git.commit"] = code.commit
            tags["git.dirty"] = str(bool(code.diff)).lower()
        return self._create_run(f"{label} s{trial.seed}", tags)

    def reopen(self, record: RunRecord) -> None:
        """Let what had ended go on in the run it has."""
        for tag in ("error", "pruned", "pruned.reason"):
            if tag in record.tags:
                patiently(self._mlflow.delete_tag, record.run_id, tag)
        if record.status != "RUNNING":
            self.set_status(record.run_id, "RUNNING")

    def mark_pruned(self, run_id: str, reason: str) -> None:
        """Say that what a run is of was given up before its end; what it has logged stays."""
        self.set_tag(run_id, "pruned.reason", reason)
        self.set_tag(run_id, "pruned", "true")

    def tag_experiment(self, key: str, value: str) -> None:
        """Say something of all runs together."""
        patiently(self._mlflow.set_experiment_tag, self.experiment_id, key, value)

    def experiment_tag(self, key: str) -> str | None:
        """What was said of all runs together."""
        tags = patiently(self._mlflow.get_experiment, self.experiment_id).tags
        found: str | None = tags.get(key)
        return found

    def end_doubles(self, records: Iterable[RunRecord], tracked: Mapping[str, RunRecord]) -> None:
        """End the runs that a lost answer made twice and that speak for no trial.

        Args:
            tracked: the run that speaks for each trial_id
        """
        speaking = {record.run_id for record in tracked.values()}
        for record in records:
            if record.run_id not in speaking and record.status == "RUNNING":
                self.set_status(record.run_id, "KILLED")

    def describe_trial(
        self, run_id: str, trial: Trial, dataset_digest: str, data_dir: str, code: Provenance
    ) -> None:
        """What a trial run is of: parameters, data set, uncommitted code. May be said twice."""
        self._log_params(run_id, {**trial.configuration.model_dump(), "seed": trial.seed})
        dataset = Dataset(
            name=trial.configuration.dataset,
            digest=dataset_digest,
            source_type="local",
            source=json.dumps({"uri": data_dir}),
        )
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]
        patiently(self._mlflow.log_inputs, run_id, inputs)
        if code.diff:
            patiently(self._mlflow.log_text, run_id, code.diff, "git.diff")

    def _create_run(self, name: str, tags: Mapping[str, str]) -> str:
        tags = {
            "mlflow.source.name": "sweep.py",
            "mlflow.source.type": "LOCAL",
            "mlflow.user": getpass.getuser(),
            **tags,
        }
        start_time = time.time_ns() // 1_000_000
        tries = itertools.count()

        def create() -> str:
            # The store may have made it, and gone away before it said so.
            made = self._run_of(tags, start_time) if next(tries) else None
            if made is not None:
                return made
            run = self._mlflow.create_run(self.experiment_id, start_time, tags, run_name=name)
            return str(run.info.run_id)

        return patiently(create)

    def _run_of(self, tags: Mapping[str, str], start_time: int) -> str | None:
        ids = {k: tags[k] for k in ("kind", "configuration_id", "trial_id") if k in tags}
        found = self._mlflow.search_runs(
            [self.experiment_id], f"attributes.start_time = {start_time}"
        )
        return next((r.info.run_id for r in found if ids.items() <= r.data.tags.items()), None)

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        patiently(self._mlflow.set_tag, run_id, key, value)

    def set_status(self, run_id: str, status: str) -> None:
        """RUNNING, FINISHED, FAILED or KILLED."""
        if status == "RUNNING":
            patiently(self._mlflow.update_run, run_id, status=status)
        else:
            patiently(self._mlflow.set_terminated, run_id, status)

    def curve(self, run_id: str, key: str) -> list[tuple[int, float]]:
        """(step, value) of every point of a metric, in order."""
        history = patiently(self._mlflow.get_metric_history, run_id, key)
        return sorted((metric.step, metric.value) for metric in history)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        batch = [Metric(key, value, now, step) for key, value in metrics.items()]
        patiently(self._mlflow.log_batch, run_id, metrics=batch)

    def log_picture(self, run_id: str, key: str, picture: np.ndarray) -> None:
        """Args: picture: `uint8`, `(height, width)` or `(height, width, 3)`"""
        patiently(self._mlflow.log_image, run_id, picture, key=key, step=0, synchronous=True)

    def last_picture(self, run_id: str, key: str) -> np.ndarray | None:
        """The picture of the last step that was logged under `key`, or None."""
        files = patiently(self._mlflow.list_artifacts, run_id, "images")
        paths = {step_of(f.path): f.path for f in files if is_picture(f.path, key)}
        if not paths:
            return None
        from PIL import Image

        with tempfile.TemporaryDirectory() as folder:
            path = paths[max(paths)]
            local = patiently(self._mlflow.download_artifacts, run_id, path, folder)
            with Image.open(local) as picture:
                return np.asarray(picture)

    def only_configuration_runs(self) -> dict[str, RunRecord]:
        """The run of each configuration_id; of two, which a kill in the middle of a replacement
        leaves, the newer one, to which the other's trials are moved.
        """
        newest: dict[str, RunRecord] = {}
        for record in self.records("configuration"):
            older = newest.get(record.tags["configuration_id"])
            if older is not None:
                self.move_children(older.run_id, record.run_id)
                self.ask_for_seeds(record, seeds_asked_for(older))
                self.delete(older.run_id)
            newest[record.tags["configuration_id"]] = record
        return newest

    def move_children(self, run_id: str, new_parent: str) -> None:
        """Nest the trial runs below `run_id` under another configuration run."""
        children = patiently(
            self._mlflow.search_runs,
            [self.experiment_id],
            f"tags.mlflow.parentRunId = '{run_id}'",
            max_results=5000,
        )
        for child in children:
            patiently(self._mlflow.set_tag, child.info.run_id, "mlflow.parentRunId", new_parent)

    def log_report(self, folder: Path) -> None:
        """Put the files of a report into the experiment's one run of kind `report`."""
        existing = self.records("report")
        run_id = existing[-1].run_id if existing else self._create_run("report", {"kind": "report"})
        patiently(self._mlflow.log_artifacts, run_id, str(folder))
        self.set_status(run_id, "FINISHED")

    def has_weights(self, run_id: str) -> bool:
        """Whether a trial run holds its model's weights."""
        return archives.has_weights(self._mlflow, run_id)

    def read_archive(self, run_id: str) -> dict[str, bytes]:
        """The files of a trial run's model, by name; BadInput if there are none."""
        return archives.read_archive(self._mlflow, run_id)

    def delete_weights(self, run_id: str) -> None:
        archives.delete_weights(self._mlflow, run_id)

    def link(self, run_id: str) -> str:
        """Where a run can be looked at: on the tracking server, or in the UI of `make ui`."""
        server = self.uri if self.uri.startswith("http") else "http://127.0.0.1:5000"
        server = without_credentials(server).rstrip("/")
        return f"{server}/#/experiments/{self.experiment_id}/runs/{run_id}"

    def delete(self, run_id: str) -> None:
        patiently(self._mlflow.delete_run, run_id)


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
