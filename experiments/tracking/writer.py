"""One MLflow experiment, as the parent process writes it."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import numpy as np
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    Metric,
    Param,
    RunTag,
)  # fmt: skip

from experiments.tracking import model_files
from experiments.tracking.artifact_folder import folder_beside, goes_elsewhere, local_folder
from experiments.tracking.errors import TrackingRefused
from experiments.tracking.long_tags import MOST_CHARACTERS, list_tags
from experiments.tracking.provenance import Provenance, user_name
from experiments.tracking.reader import KL, KL_FILE, Reader
from experiments.tracking.retries import connect, patiently
from experiments.tracking.run_record import RunRecord, State, mlflow_status, seeds_asked_for
from experiments.tracking.uris import sqlite_path, use_write_ahead_log
from vae.configuration import NUMBERS_VERSION, Configuration, Trial
from vae.evaluation.scored_pixels import scored_pixels

# MLflow's UI would otherwise open on its pages for language models.
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}


_MOST_METRICS = 1000
"""That MLflow takes at once."""


def version_tags(configuration: Configuration) -> dict[str, str]:
    """What else than its fields a configuration's numbers come from."""
    tags = {
        "numbers_version": str(NUMBERS_VERSION),
        "yardstick": scored_pixels(configuration),
    }
    if configuration.code_digest:
        tags["code_digest"] = configuration.code_digest
    if "dataset" in configuration.digests:
        tags["data_digest"] = configuration.digests["dataset"]
    return tags


class ExperimentWriter(Reader):
    """One MLflow experiment, as a sweep's parent process writes it."""

    @classmethod
    def find(cls, uri: str, name: str) -> Self | None:
        """As a reader finds it.

        Raises:
            BadInput: also where the folder of its artifacts is missing.
        """
        found = super().find(uri, name)
        if found is not None:
            found._check_place(name)
        return found

    def _check_place(self, name: str) -> None:
        """Raise BadInput where artifacts would be written to where the experiment once was."""
        location = self.artifact_location()
        # One beside the database was emptied by hand, or has had nothing yet.
        if local_folder(location) != folder_beside(self.uri, name) and self.has_trials():
            self.check_artifacts()

    @classmethod
    def of(cls, reader: Reader) -> Self:
        """The same experiment, to be written."""
        return cls(reader.uri, reader.experiment_id, reader._mlflow)

    @classmethod
    def create(cls, uri: str, name: str) -> ExperimentWriter:
        """The experiment called `name`, made with its database if need be."""
        if (path := sqlite_path(uri)) is not None:
            use_write_ahead_log(path)
        beside = folder_beside(uri, name)
        artifacts = beside.as_uri() if beside else None
        tracker = cls.find(uri, name)
        if tracker is not None:
            if remark := goes_elsewhere(tracker.artifact_location(), uri, name):
                print(f"warning: experiment '{name}': {remark}", file=sys.stderr)
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

    def create_configuration_run(
        self, configuration: Configuration, label: str, seeds: Iterable[int]
    ) -> str:
        """Returns the run's id."""
        tags = {
            "kind": "configuration",
            "configuration_id": configuration.id,
            "configuration": json.dumps(configuration.model_dump()),
            **list_tags("seeds", sorted(seeds)),
            **version_tags(configuration),
        }
        run_id = self._create_run(label, tags)
        self._log_params(run_id, configuration.flat)
        return run_id

    def ask_for_seeds(self, record: RunRecord, seeds: set[int]) -> None:
        """Add to the seeds that a configuration run expects."""
        before = seeds_asked_for(record)
        if not seeds <= before:
            self.set_tags(record.run_id, list_tags("seeds", sorted(before | seeds), record.tags))
        if not record.has_params:  # killed between the run's creation and its description
            fields = json.loads(record.tags["configuration"])
            self._log_params(record.run_id, {n: v for n, v in fields.items() if n != "digests"})

    def expect_seeds(self, run_id: str, seeds: set[int]) -> None:
        """Let a configuration run expect these seeds and no others."""
        before = patiently(self._mlflow.get_run, run_id).data.tags
        self.set_tags(run_id, list_tags("seeds", sorted(seeds), before))

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
            **code.tags(),
            **version_tags(trial.configuration),
        }
        return self._create_run(f"{label} s{trial.seed}", tags)

    def reopen(self, record: RunRecord) -> None:
        """Let what had ended go on in the run it has."""
        for tag in ("error", "pruned", "pruned.reason"):
            if tag in record.tags:
                patiently(self._mlflow.delete_tag, record.run_id, tag)
        if record.status != "RUNNING":
            self.set_state(record.run_id, State.RUNNING)

    def mark_pruned(self, run_id: str, reason: str) -> None:
        """Say that what a run is of was given up before its end; what it has logged stays."""
        self.set_tag(run_id, "pruned.reason", reason[:MOST_CHARACTERS])
        self.set_tag(run_id, "pruned", "true")

    def tag_experiment(self, key: str, value: str) -> None:
        """Say something of all runs together."""
        patiently(self._mlflow.set_experiment_tag, self.experiment_id, key, value)

    def end_doubles(self, records: Iterable[RunRecord], tracked: Mapping[str, RunRecord]) -> None:
        """End the runs that a lost answer made twice and that speak for no trial.

        Args:
            tracked: the run that speaks for each trial_id
        """
        speaking = {record.run_id for record in tracked.values()}
        for record in records:
            if record.run_id not in speaking and record.status == "RUNNING":
                self.set_state(record.run_id, State.MISSING)

    def describe_trial(
        self, run_id: str, trial: Trial, dataset_digest: str, data_dir: str, code: Provenance
    ) -> None:
        """What a trial run is of: parameters, data set, uncommitted code. May be said twice."""
        self._log_params(run_id, {**trial.configuration.flat, "seed": trial.seed})
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
            "mlflow.user": user_name(),
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

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """All of them, or none."""
        batch = [RunTag(key, value) for key, value in tags.items()]
        patiently(self._mlflow.log_batch, run_id, tags=batch)

    def set_state(self, run_id: str, state: State) -> None:
        """The status that MLflow shows."""
        status = mlflow_status(state)
        if state is State.RUNNING:
            patiently(self._mlflow.update_run, run_id, status=status)
        else:
            patiently(self._mlflow.set_terminated, run_id, status)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        batch = [Metric(key, value, now, step) for key, value in metrics.items()]
        patiently(self._mlflow.log_batch, run_id, metrics=batch)

    def log_curve(self, run_id: str, key: str, points: Iterable[tuple[int, float]]) -> None:
        """Args: points: (step, value); one that is logged again takes the older one's place"""
        now = int(time.time() * 1000)
        batch = [Metric(key, value, now, step) for step, value in points]
        for start in range(0, len(batch), _MOST_METRICS):
            part = batch[start : start + _MOST_METRICS]
            patiently(self._mlflow.log_batch, run_id, metrics=part)

    def log_image(self, run_id: str, key: str, picture: np.ndarray, step: int) -> None:
        """Args: picture: `uint8`, `(height, width)` or `(height, width, 3)`"""
        patiently(self._mlflow.log_image, run_id, picture, key=key, step=step)

    def log_kl_per_dimension(self, run_id: str, kl: Iterable[float]) -> None:
        """Args: kl: in nats, largest first"""
        patiently(self._mlflow.log_dict, run_id, {KL: list(kl)}, KL_FILE)

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

    def is_deleted(self, run_id: str) -> bool:
        """Whether a run was deleted, in MLflow's pages or for good (`mlflow gc`)."""
        try:
            run = patiently(self._mlflow.get_run, run_id)
        except TrackingRefused:
            return True
        return bool(run.info.lifecycle_stage != LifecycleStage.ACTIVE)

    def move_children(self, run_id: str, new_parent: str) -> None:
        """Nest the trial runs below `run_id` under another configuration run."""
        self._nest(f"tags.mlflow.parentRunId = '{run_id}'", new_parent)

    def adopt_trials(self, configuration_id: str, new_parent: str) -> None:
        """Nest all trial runs of a configuration under its run, whatever they were under before."""
        trials_of_it = f"tags.kind = 'trial' and tags.configuration_id = '{configuration_id}'"
        self._nest(trials_of_it, new_parent)

    def _nest(self, query: str, parent: str) -> None:
        children = patiently(
            self._mlflow.search_runs, [self.experiment_id], query, max_results=5000
        )
        for child in children:
            patiently(self._mlflow.set_tag, child.info.run_id, "mlflow.parentRunId", parent)

    def log_report(self, files: Iterable[Path]) -> None:
        """Put the files of a report, and nothing that lies beside them, into the experiment's one
        run of kind `report`.

        Raises:
            BadInput: where the folder of its artifacts is missing.
        """
        self._check_place(patiently(self._mlflow.get_experiment, self.experiment_id).name)
        existing = self.records("report")
        run_id = existing[-1].run_id if existing else self._create_run("report", {"kind": "report"})
        for path in files:
            patiently(self._mlflow.log_artifact, run_id, str(path))
        self.set_state(run_id, State.FINISHED)

    def delete_weights(self, run_id: str) -> None:
        model_files.delete_weights(self._mlflow, run_id)

    def delete(self, run_id: str) -> None:
        patiently(self._mlflow.delete_run, run_id)
