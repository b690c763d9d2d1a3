"""The run of one trial, as the worker that trains it writes it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag

from experiments.secrets import mask
from experiments.tracking.image_names import image_id
from experiments.tracking.model_files import delete_weights, write_archive
from experiments.tracking.reader import KL, KL_FILE
from experiments.tracking.retries import connect, patiently
from experiments.tracking.run_record import after_other_attempts

if TYPE_CHECKING:
    import numpy as np

_EPOCH_MARK = "val/return"
"""A metric of every epoch; all metrics of an epoch are written in one transaction."""


class TrialWriter:
    """The run of one trial, as the worker that trains it sees it.

    Everything may be said twice: what the run already has is left as it is. So a trial that goes
    on after a kill repeats its last words, and no step of a metric is doubled.
    """

    def __init__(self, uri: str, run_id: str, client: MlflowClient | None = None) -> None:
        self.run_id = run_id
        self._mlflow = client or connect(uri)
        self._epochs: set[int] = set()
        self._images: set[str] = set()
        self._finals: set[str] = set()
        self._tags: Mapping[str, str] = {}

    def read_back(self) -> dict[str, float] | None:
        """Learn what the run holds from an earlier attempt; returns its metrics if it is done."""
        history = patiently(self._mlflow.get_metric_history, self.run_id, _EPOCH_MARK)
        self._epochs = {metric.step for metric in history}
        files = patiently(self._mlflow.list_artifacts, self.run_id, "images")
        # MLflow writes a picture's thumbnail last.
        self._images = {image_id(file.path) for file in files if file.path.endswith(".webp")}
        run = patiently(self._mlflow.get_run, self.run_id)
        self._finals, self._tags = set(run.data.metrics), run.data.tags
        done = run.info.status == "FINISHED" and run.data.tags.get("completed") == "true"
        return dict(run.data.metrics) if done else None

    def tag_attempt(self, tags: Mapping[str, str]) -> None:
        """What this attempt computes with, beside that of others whose epochs the run has."""
        earlier = self._tags if self._epochs else {}
        told = {key: after_other_attempts(earlier.get(key), tags[key]) for key in tags}
        patiently(self._mlflow.log_batch, self.run_id, tags=[RunTag(k, v) for k, v in told.items()])

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        if epoch not in self._epochs:
            now = int(time.time() * 1000)
            batch = [Metric(key, value, now, epoch) for key, value in metrics.items()]
            patiently(self._mlflow.log_batch, self.run_id, metrics=batch)

    def log_image(self, key: str, image: np.ndarray, epoch: int) -> None:
        """Args: image: `uint8`, `(height, width)` or `(height, width, 3)`"""
        if f"{key}+step+{epoch}" not in self._images:
            patiently(self._mlflow.log_image, self.run_id, image, key=key, step=epoch)

    def log_kl_per_dimension(self, kl: Iterable[float]) -> None:
        """Args: kl: of the kept model on the test set, in nats, in the order of the dimensions"""
        patiently(self._mlflow.log_dict, self.run_id, {KL: list(kl)}, KL_FILE)

    def archive(self, files: Mapping[str, bytes]) -> None:
        """The kept model's files, by name; before `finish`, so that a finished trial has them."""
        write_archive(self._mlflow, self.run_id, files)

    def finish(self, metrics: Mapping[str, float]) -> None:
        """The final metrics, then `completed`, then FINISHED: only the last two mean done."""
        now = int(time.time() * 1000)
        batch = [Metric(k, v, now, 0) for k, v in metrics.items() if k not in self._finals]
        patiently(self._mlflow.log_batch, self.run_id, metrics=batch)
        patiently(self._mlflow.set_tag, self.run_id, "completed", "true")
        patiently(self._mlflow.set_terminated, self.run_id, "FINISHED")

    def fail(self, reason: str, details: str) -> None:
        """The reason, then FAILED; weights that came before the failure are not kept."""
        delete_weights(self._mlflow, self.run_id)
        if details:
            patiently(self._mlflow.log_text, self.run_id, mask(details), "error.txt")
        patiently(self._mlflow.log_batch, self.run_id, tags=[RunTag("error", mask(reason)[:1000])])
        patiently(self._mlflow.set_terminated, self.run_id, "FAILED")
