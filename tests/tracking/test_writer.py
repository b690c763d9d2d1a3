"""The parent's side of tracking, on a real database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from experiments.tracking.provenance import provenance
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
