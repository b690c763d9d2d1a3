"""The parent's side of tracking, on a real database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from experiments.tracking.provenance import provenance
from experiments.tracking.trial_writer import TrialWriter
from experiments.tracking.writer import ExperimentWriter
from tests.tracked import runs
from vae.configuration import Configuration, Trial


def test_a_run_whose_making_was_not_answered_is_not_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store made it and died before it said so."""
    make, hangs_up = MlflowClient.create_run, iter([True, True, False])

    def make_and_hang_up(self: MlflowClient, *args: Any, **kwargs: Any) -> Any:
        run = make(self, *args, **kwargs)
        if next(hangs_up):
            raise MlflowException("API request to http://… failed: connection reset")
        return run

    monkeypatch.setattr(MlflowClient, "create_run", make_and_hang_up)
    tracker = ExperimentWriter.create(f"sqlite:///{tmp_path / 'mlflow.db'}", "x")
    configuration = Configuration()
    parent = tracker.create_configuration_run(configuration, "label", {0, 1})
    trials = [Trial(configuration=configuration, seed=seed) for seed in (0, 1)]
    first = tracker.create_trial_run(trials[0], "label", parent, provenance("python sweep.py"))
    second = tracker.create_trial_run(trials[1], "label", parent, provenance("python sweep.py"))
    tracked = {run.run_id: run.tags.get("trial_id") for run in runs(tmp_path / "mlflow.db")}
    assert tracked == {parent: None, first: trials[0].id, second: trials[1].id}


def test_what_is_logged_has_arrived_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mlflow#11778: what MLflow queues is lost in a crash, and no resume logs it again."""
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS", "60")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    tracker = ExperimentWriter.create(uri, "x")
    configuration = Configuration()
    parent = tracker.create_configuration_run(configuration, "label", {0})
    trial = Trial(configuration=configuration, seed=0)
    run_id = tracker.create_trial_run(trial, "label", parent, provenance("python sweep.py"))
    writer = TrialWriter(uri, run_id)
    writer.log_epoch(1, {"val/return": -1.0})
    writer.log_image("samples", np.zeros((4, 4), np.uint8), 1)
    writer.finish({"return": -1.0})
    (run,) = runs(tmp_path / "mlflow.db", "trial")
    assert run.metrics == {"val/return": [(1, -1.0)], "return": [(0, -1.0)]}
    assert run.tags["completed"] == "true"
    assert len(list((tmp_path / "mlartifacts").rglob("samples*"))) == 2  # one is its thumbnail
