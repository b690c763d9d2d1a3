"""One MLflow experiment, as the parent process and the reports see it."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Param, Run, ViewType

from experiments.provenance import Provenance
from experiments.tracking.addresses import safe_name, sqlite_path, use_write_ahead_log
from experiments.tracking.client import connect, patiently
from experiments.tracking.records import RunRecord
from vae.configuration import Configuration, Trial
from vae.errors import BadInput


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
        return cls(uri, patiently(client.create_experiment, name, artifacts), client)

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

    def records(self, kind: str) -> list[RunRecord]:
        """Every run of that kind, oldest first."""
        records: list[RunRecord] = []
        token = None
        while True:
            page = patiently(
                self._mlflow.search_runs,
                [self.experiment_id],
                f"tags.kind = '{kind}'",
                ViewType.ACTIVE_ONLY,
                max_results=5000,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            records += [_record(run) for run in page]
            token = page.token
            if not token:
                return records

    def create_configuration_run(
        self, configuration: Configuration, label: str, seeds: Iterable[int]
    ) -> str:
        """Returns the run's id."""
        tags = {
            "kind": "configuration",
            "configuration_id": configuration.id,
            "configuration": configuration.model_dump_json(),
            "seeds": json.dumps(sorted(seeds)),
        }
        run_id = self._create_run(label, tags)
        params = [Param(k, str(v)) for k, v in configuration.model_dump().items()]
        patiently(self._mlflow.log_batch, run_id, params=params)
        return run_id

    def set_seeds(self, configuration_run_id: str, seeds: Iterable[int]) -> None:
        value = json.dumps(sorted(seeds))
        patiently(self._mlflow.set_tag, configuration_run_id, "seeds", value)

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
        }
        if code.commit:
            tags["mlflow.source.git.commit"] = code.commit
            tags["git.dirty"] = str(bool(code.diff)).lower()
        return self._create_run(f"{label} s{trial.seed}", tags)

    def describe_trial(
        self, run_id: str, trial: Trial, dataset_digest: str, data_dir: str, code: Provenance
    ) -> None:
        """What a trial run is of: parameters, data set, uncommitted code. May be said twice."""
        fields = {**trial.configuration.model_dump(), "seed": trial.seed}
        params = [Param(key, str(value)) for key, value in fields.items()]
        patiently(self._mlflow.log_batch, run_id, params=params)
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
        run = patiently(self._mlflow.create_run, self.experiment_id, tags=tags, run_name=name)
        return str(run.info.run_id)

    def set_status(self, run_id: str, status: str) -> None:
        """RUNNING, FINISHED, FAILED or KILLED."""
        if status == "RUNNING":
            patiently(self._mlflow.update_run, run_id, status=status)
        else:
            patiently(self._mlflow.set_terminated, run_id, status)

    def curves(self, run_id: str, key: str) -> list[tuple[int, float]]:
        """(step, value) of every point of a metric, in order."""
        history = patiently(self._mlflow.get_metric_history, run_id, key)
        return sorted((m.step, m.value) for m in history)


def _record(run: Run) -> RunRecord:
    return RunRecord(
        run_id=run.info.run_id,
        status=run.info.status,
        tags=run.data.tags,
        metrics=run.data.metrics,
        start_time=run.info.start_time or 0,
    )
