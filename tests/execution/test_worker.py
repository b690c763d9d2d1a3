"""One task at a time, in this process."""

from __future__ import annotations

import math
import pickle
import select
import socket
from dataclasses import replace

import pytest
import torch

from experiments.execution import finals, worker
from experiments.execution.messages import EpochDone, Event, Task, TaskState
from experiments.tracking.provenance import Provenance
from experiments.tracking.writer import ExperimentWriter
from tests.conftest import Workspace
from tests.tracked import CLOCK, runs
from vae.configuration import NUMBERS_VERSION, Configuration, Trial

HOST = socket.gethostname()

SMALL = Configuration(
    dataset="mnist5k", encoder="mlp1", hidden_dim=16, latent_dim=2, batch_size=500, epochs=4,
    nll_images=50,
)  # fmt: skip


def some_task(workspace: Workspace, configuration: Configuration = SMALL) -> Task:
    """A trial whose run has just been made."""
    tracker = ExperimentWriter.create(workspace.tracking_uri, "tiny")
    trial = Trial(configuration=configuration, seed=0)
    parent = tracker.create_configuration_run(configuration, "small", [0])
    run_id = tracker.create_trial_run(trial, "small", parent, Provenance("", "", "", {}))
    return Task(
        trial=trial,
        label="small s0",
        run_id=run_id,
        until=configuration.epochs,
        metric="return",
        fresh=True,
        archive=True,
        tracking_uri=workspace.tracking_uri,
        data_dir=str(workspace.folder / "data"),
        device="cpu",
        checkpoint=workspace.folder / "checkpoints" / f"{trial.id}.pt",
    )


def test_work_can_be_had_epoch_by_epoch(workspace: Workspace) -> None:
    """As a pruner asks for it: to the same numbers, in the same run."""
    at_once = some_task(workspace)
    assert worker.advance(at_once, print).state == TaskState.FINISHED
    bit_by_bit = some_task(workspace)
    events: list[Event] = []
    states = []
    for until in (1, 3, 3, 4):
        task = replace(bit_by_bit, until=until, fresh=until == 1)
        states.append(worker.advance(task, events.append).state)
    assert states == ["advanced", "advanced", "advanced", "finished"]
    assert [e.epoch for e in events if isinstance(e, EpochDone)] == [1, 2, 3, 4]
    by_id = {run.run_id: run for run in runs(workspace.folder / "mlflow.db", "trial")}
    first, second = by_id[at_once.run_id], by_id[bit_by_bit.run_id]
    for key in set(first.metrics) - CLOCK:
        assert first.metrics[key] == second.metrics[key], key


def test_a_trial_that_lost_its_checkpoint_starts_over_in_its_own_run(workspace: Workspace) -> None:
    """As on another node, whose disk has none: the same numbers, and no step twice."""
    at_once, torn = some_task(workspace), some_task(workspace)
    assert worker.advance(at_once, print).state == TaskState.FINISHED
    assert worker.advance(replace(torn, until=2), print).state == TaskState.ADVANCED
    torn.checkpoint.unlink()
    events: list[Event] = []
    assert worker.advance(replace(torn, fresh=False), events.append).state == TaskState.FINISHED
    assert [e.epoch for e in events if isinstance(e, EpochDone)] == [1, 2, 3, 4]
    by_id = {run.run_id: run for run in runs(workspace.folder / "mlflow.db", "trial")}
    first, second = by_id[at_once.run_id], by_id[torn.run_id]
    assert [step for step, _ in second.metrics["val/return"]] == [1, 2, 3, 4]
    for key in set(first.metrics) - CLOCK:
        assert first.metrics[key] == second.metrics[key], key


def test_uncommitted_code_goes_into_the_run(workspace: Workspace) -> None:
    tracker = ExperimentWriter.create(workspace.tracking_uri, "tiny")
    trial = Trial(configuration=SMALL, seed=0)
    code = Provenance("0" * 40, "+ a change", "python sweep.py tiny.yaml", {"python": "3"})
    run_id = tracker.create_trial_run(trial, "small", "parent", code)
    for _ in range(2):  # may be said twice
        tracker.describe_trial(run_id, trial, "digest", "data", code)
    (run,) = runs(workspace.folder / "mlflow.db", "trial")
    assert run.tags["git.dirty"] == "true"
    assert run.tags["mlflow.source.git.commit"] == "0" * 40
    assert run.tags["command"] == "python sweep.py tiny.yaml"
    (diff,) = (workspace.folder / "mlartifacts").rglob("git.diff")
    assert diff.read_text() == "+ a change"
    inputs = tracker._mlflow.get_run(run_id).inputs
    assert inputs is not None and len(inputs.dataset_inputs) == 1


def test_a_worker_computes_with_one_thread_whatever_came_before(workspace: Workspace) -> None:
    """One that took a lost one's place was found computing with two, to other last bits."""
    torch.set_num_threads(2)
    torch.set_flush_denormal(False)
    assert worker.advance(some_task(workspace), print).state == TaskState.FINISHED
    assert torch.get_num_threads() == 1
    assert (torch.tensor(1e-30) * torch.tensor(1e-10)).item() == 0, "denormals are flushed"


def test_an_event_fits_an_atomic_write() -> None:
    """Workers share one pipe without a lock; up to PIPE_BUF bytes are written whole or not."""
    names = [f"{split}/{term}" for split in ("train", "val") for term in ("loss", "kl", "x" * 14)]
    metrics = dict.fromkeys([*names, "val/return", "epoch_seconds", "images_per_second"], 0.1)
    event = EpochDone(10**7, "x" * 300, "0" * 16, 10**6, 10**6, metrics)
    assert len(pickle.dumps(event)) < select.PIPE_BUF


def test_an_error_in_one_trial_names_itself(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = some_task(workspace, SMALL.model_copy(update={"lr": 1e30}))
    result = worker.advance(task, print)
    assert result.state == TaskState.FAILED
    assert result.error.startswith("diverged: the loss of epoch 1")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_final_metric_that_is_no_number_is_divergence(
    value: float, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No NaN in a finished trial (ray#31276): it would be nobody's, and everywhere."""
    monkeypatch.setattr(finals, "score", lambda *given: {"val": 100.0, "test": value})
    task = some_task(workspace)
    result = worker.advance(task, print)
    assert (result.state, result.error) == ("failed", "diverged: test/nll is not finite")
    (run,) = runs(workspace.folder / "mlflow.db", "trial")
    assert run.status == "FAILED"
    assert "test/nll" not in run.metrics


def test_seeds_that_all_but_blew_up_have_finite_bounds(workspace: Workspace) -> None:
    """ray#31276: two of these four had NaN for a yardstick, with log-variances far below -88."""
    configuration = Configuration(
        dataset="mnist5k", encoder="mlp1", decoder="mlp3", loss="bce", transform="binarize",
        epochs=5, latent_dim=2, lr=0.03, nll_images=100,
    )  # fmt: skip
    for seed in range(4):
        task = some_task(workspace, configuration)
        trial = Trial(configuration=configuration, seed=seed)
        result = worker.advance(replace(task, trial=trial, archive=False), print)
        assert result.state in ("finished", "failed")
        assert all(math.isfinite(value) for value in result.metrics.values())


def test_out_of_device_memory_is_told_and_not_yet_a_failure(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sent the task decides whether it is tried again; the trial goes on where it was."""
    task = replace(some_task(workspace), device_label="cuda:1")
    assert worker.advance(replace(task, until=2), print).state == TaskState.ADVANCED

    def hungry(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nand more")

    with monkeypatch.context() as patch:
        patch.setattr("experiments.execution.worker.fit", hungry)
        result = worker.advance(replace(task, fresh=False), print)
    assert result.state == TaskState.OUT_OF_MEMORY
    assert result.error == "out of memory on cuda:1: CUDA out of memory. Tried to allocate 2 GiB"
    (run,) = runs(workspace.folder / "mlflow.db", "trial")
    assert run.status == "RUNNING"
    assert task.checkpoint.exists()
    assert worker.advance(replace(task, fresh=False), print).state == TaskState.FINISHED


def test_the_run_says_where_it_was_computed(workspace: Workspace) -> None:
    result = worker.advance(some_task(workspace), print)
    assert result.seconds and result.seconds > 0
    (run,) = runs(workspace.folder / "mlflow.db", "trial")
    assert run.tags["device"] == "cpu"
    assert run.tags["host"] == socket.gethostname()
    assert run.tags["processor"].endswith(torch.backends.cpu.get_cpu_capability())
    assert run.tags["threads"] == "1"
    assert run.tags["numbers_version"] == str(NUMBERS_VERSION)


def test_a_run_that_goes_on_elsewhere_names_both_places(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = some_task(workspace)
    assert worker.advance(replace(task, until=1), print).state == TaskState.ADVANCED
    monkeypatch.setattr(socket, "gethostname", lambda: "other")
    again = replace(task, until=2, fresh=False)
    assert worker.advance(again, print).state == TaskState.ADVANCED
    assert worker.advance(replace(again, until=4), print).state == TaskState.FINISHED
    (run,) = runs(workspace.folder / "mlflow.db", "trial")
    assert run.tags["host"] == f"{HOST} → other"
    assert run.tags["device"] == "cpu"
