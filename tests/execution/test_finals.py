"""What a trial logs of its schedules, its patience and its latent space."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

from experiments.execution import worker
from experiments.execution.messages import EpochDone, Event, Notice, TaskState, TrialResult
from experiments.tracking.reader import KL, KL_FILE, Reader
from tests.conftest import Workspace
from tests.execution.test_worker import some_task
from tests.generated import noise, write_npz
from tests.tracked import TrackedRun, runs
from vae.configuration import Configuration
from vae.data.datasets import check_dataset, complete, place
from vae.data.decoded import prepare

FIELDS: dict[str, Any] = {
    "dataset": "mnist5k", "encoder": "mlp1", "hidden_dim": 16, "latent_dim": 3,
    "batch_size": 500, "epochs": 4, "nll_images": 50, "nll_samples": 5,
}  # fmt: skip

ASKED_FOR = ("test/nll_gap", "test/bound_gap", "test/probe_accuracy", "test/knn_accuracy")


def finished(
    workspace: Workspace, diagnostics: bool = False, **fields: Any
) -> tuple[TrialResult, TrackedRun, list[Event]]:
    configuration = Configuration(**{**FIELDS, **fields})
    task = replace(some_task(workspace, configuration), diagnostics=diagnostics)
    events: list[Event] = []
    result = worker.advance(task, events.append)
    assert result.state == TaskState.FINISHED, result.error
    found = runs(workspace.folder / "mlflow.db", "trial")
    return result, next(run for run in found if run.run_id == task.run_id), events


def test_what_a_schedule_moves_is_a_curve(workspace: Workspace) -> None:
    moved: dict[str, Any] = {
        "beta_schedule": "linear",
        "beta_schedule.epochs": 2,
        "lr_schedule": "cosine",
    }
    _, run, _ = finished(workspace, diagnostics=False, **moved)
    assert [step for step, _ in run.metrics["beta"]] == [1, 2, 3, 4]
    betas = [value for _, value in run.metrics["beta"]]
    rates = [value for _, value in run.metrics["lr"]]
    assert betas == sorted(betas)
    assert betas[-1] == 1
    assert rates == sorted(rates, reverse=True)
    loss, reconstruction, kl = (
        dict(run.metrics[f"val/{term}"])[1] for term in ("loss", "reconstruction", "kl")
    )
    assert loss == pytest.approx(reconstruction + betas[0] * kl)
    assert dict(run.metrics["val/return"])[1] == pytest.approx(-(reconstruction + kl))


def test_without_a_schedule_there_is_no_curve_of_what_does_not_move(workspace: Workspace) -> None:
    assert {"lr", "beta"}.isdisjoint(finished(workspace)[1].metrics)


def test_patience_finishes_a_trial_before_its_last_epoch(workspace: Workspace) -> None:
    """Also if it is asked for in parts, as a pruner does: the same numbers."""
    result, run, events = finished(workspace, lr=0.3, epochs=30, patience=2)
    epochs = [event.epoch for event in events if isinstance(event, EpochDone)]
    assert len(epochs) < 30
    assert epochs[-1] == result.metrics["best_epoch"] + 2
    assert max(run.metrics["val/return"], key=lambda p: p[1])[0] == result.metrics["best_epoch"]

    task = replace(some_task(workspace, result.task.trial.configuration), until=epochs[-1] - 1)
    assert worker.advance(task, print).state == TaskState.ADVANCED
    again = worker.advance(replace(task, until=29, fresh=False), print)
    assert again.state == TaskState.FINISHED
    assert again.metrics == result.metrics
    assert not task.checkpoint.exists()


def test_every_trial_says_whether_its_latent_space_is_used(workspace: Workspace) -> None:
    result, run, _ = finished(workspace)
    assert 0 <= result.metrics["test/active_units"] <= 3
    assert result.metrics["test/mutual_information"] >= -0.01
    assert run.metrics["test/active_units"] == [(0, result.metrics["test/active_units"])]
    assert set(ASKED_FOR).isdisjoint(result.metrics)

    reader = Reader.of_run(workspace.tracking_uri, run.run_id)
    assert reader is not None
    kl = reader[0].kl_per_dimension(run.run_id)
    assert len(kl) == 3
    assert sum(kl) == pytest.approx(result.metrics["test/kl"], rel=1e-4)
    assert json.loads((artifacts(workspace, run.run_id) / KL_FILE).read_text()) == {KL: kl}


def artifacts(workspace: Workspace, run_id: str) -> Path:
    with sqlite3.connect(workspace.folder / "mlflow.db") as db:
        query = "SELECT artifact_uri FROM runs WHERE run_uuid = ?"
        (uri,) = db.execute(query, (run_id,)).fetchone()
    return Path(urlparse(uri).path)


def test_a_collapsed_trial_says_so(workspace: Workspace) -> None:
    metrics = finished(workspace, beta=1000, epochs=20, lr=1e-2)[0].metrics
    assert metrics["test/active_units"] == 0
    assert metrics["test/mutual_information"] == pytest.approx(0, abs=0.02)


def test_the_dear_diagnostics_are_logged_where_they_are_asked_for(workspace: Workspace) -> None:
    plain = finished(workspace, epochs=20, lr=1e-2)[0].metrics
    metrics = finished(workspace, diagnostics=True, epochs=20, lr=1e-2)[0].metrics
    assert {name: metrics[name] for name in plain} == plain
    assert metrics.keys() - plain.keys() == {*ASKED_FOR}
    assert metrics["test/bound_gap"] > 0  # one sample's bound is the looser
    assert 0.2 < metrics["test/probe_accuracy"] <= 1  # by chance: 0.1
    assert 0.2 < metrics["test/knn_accuracy"] <= 1


def own_data(workspace: Workspace) -> Configuration:
    """Training on images of one's own, without labels."""
    folder, data_dir = workspace.folder, workspace.folder / "data"
    write_npz(folder / "own.npz", {"train": noise(120, 6, 6), "test": noise(40, 6, 6)})
    with place(data_dir):
        data = complete(check_dataset("own.npz", folder), folder)
        prepare(data, data_dir)
        fields = {**FIELDS, "dataset": data.value, "batch_size": 50, "nll_images": 20}
        return Configuration(**fields, digests={"dataset": data.digest})


def test_without_labels_there_are_no_accuracies_and_a_line_that_says_so(
    workspace: Workspace,
) -> None:
    configuration = own_data(workspace)
    task = replace(some_task(workspace, configuration), diagnostics=True)
    events: list[Event] = []
    result = worker.advance(task, events.append)
    assert result.state == TaskState.FINISHED, result.error
    assert {"test/nll_gap", "test/bound_gap"} <= result.metrics.keys()
    assert {"test/probe_accuracy", "test/knn_accuracy"}.isdisjoint(result.metrics)
    told = [event.text for event in events if isinstance(event, Notice)]
    assert any(text.startswith("no labels") for text in told)
