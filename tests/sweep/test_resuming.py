"""What an interrupted trial goes on from: a checkpoint of its own run, and of no other."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from experiments.execution import worker
from experiments.sweep import run
from experiments.tracking.provenance import Provenance
from tests.conftest import TINY, Workspace
from tests.tracked import TrackedRun, runs
from vae.training import Training

ONE = ["--engine", "serial", "--seeds", "0-0", "--set", "encoder=mlp1", "--set", "loss=sse"]


def epochs_of(said: str) -> list[str]:
    return re.findall(r"epoch (\d)/", said)


def interrupt_after_an_epoch(workspace: Workspace, file: str = "tiny.yaml") -> None:
    """As Ctrl-C does, once there is a checkpoint."""
    save = worker.checkpoints.save

    def save_and_interrupt(training: Training, path: Path) -> None:
        save(training, path)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker.checkpoints, "save", save_and_interrupt)
        assert workspace.run("sweep.py", file, *ONE).returncode == 130
    assert list((workspace.folder / "checkpoints").rglob("*.pt"))


def the_trial(workspace: Workspace, database: str = "mlflow.db") -> TrackedRun:
    (run,) = runs(workspace.folder / database, "trial")
    return run


def steps(run: TrackedRun) -> list[int]:
    return [step for step, _ in run.metrics["val/return"]]


def test_a_trial_goes_on_from_its_checkpoint(workspace: Workspace) -> None:
    interrupt_after_an_epoch(workspace)
    assert "1 resumable" in workspace.run("sweep.py", "tiny.yaml", *ONE, "--dry-run").stdout
    assert epochs_of(workspace.run("sweep.py", "tiny.yaml", *ONE).stderr) == ["2"]
    assert steps(the_trial(workspace)) == [1, 2]
    assert list((workspace.folder / "checkpoints" / "tiny").iterdir()) == []


def test_a_trial_that_goes_on_with_other_code_names_both(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Provenance("a" * 40, "", "python sweep.py", {"torch": "1"})
    monkeypatch.setattr(run, "provenance", lambda command, used: first)
    interrupt_after_an_epoch(workspace)
    second = Provenance("b" * 40, "", "python sweep.py", {"torch": "2"})
    monkeypatch.setattr(run, "provenance", lambda command, used: second)
    assert workspace.run("sweep.py", "tiny.yaml", *ONE).returncode == 0
    again = workspace.run("sweep.py", "--again", the_trial(workspace).run_id)
    assert again.returncode == 0
    assert "torch: 1 and 2 → " in again.stdout
    assert f"commit: {'a' * 12} and {'b' * 12} → " in " ".join(again.stdout.split())


def test_the_checkpoint_of_a_deleted_database_is_not_used(workspace: Workspace) -> None:
    """pytorch-lightning#6205: the new run began at epoch 9, and was FINISHED."""
    interrupt_after_an_epoch(workspace)
    for suffix in ("", "-wal", "-shm"):
        (workspace.folder / f"mlflow.db{suffix}").unlink(missing_ok=True)
    # This process still has the deleted file open.
    assert epochs_of(workspace.run_process("sweep.py", "tiny.yaml", *ONE).stderr) == ["1", "2"]
    assert steps(the_trial(workspace)) == [1, 2]


def test_the_checkpoint_of_a_deleted_run_is_not_used_and_removed(workspace: Workspace) -> None:
    """pytorch-lightning#6205"""
    interrupt_after_an_epoch(workspace)
    with sqlite3.connect(workspace.folder / "mlflow.db") as db:
        db.execute("UPDATE runs SET lifecycle_stage = 'deleted'")
    assert epochs_of(workspace.run("sweep.py", "tiny.yaml", *ONE).stderr) == ["1", "2"]
    assert steps(the_trial(workspace)) == [1, 2]
    assert list((workspace.folder / "checkpoints" / "tiny").iterdir()) == []


def test_the_checkpoint_of_another_store_is_not_used_and_stays(workspace: Workspace) -> None:
    """pytorch-lightning#6205"""
    interrupt_after_an_epoch(workspace)
    other = ["--tracking-uri", f"sqlite:///{workspace.folder / 'other.db'}"]
    assert epochs_of(workspace.run("sweep.py", "tiny.yaml", *ONE, *other).stderr) == ["1", "2"]
    assert steps(the_trial(workspace, "other.db")) == [1, 2]
    assert epochs_of(workspace.run("sweep.py", "tiny.yaml", *ONE).stderr) == ["2"]


def test_experiments_that_share_a_folder_do_not_share_checkpoints(workspace: Workspace) -> None:
    """`left over` and `left_over` are one name of a folder."""
    for name in ("left over", "left_over"):
        workspace.write(TINY.replace("name: tiny", f"name: {name}"), f"{name}.yaml")
    interrupt_after_an_epoch(workspace, "left over.yaml")
    assert epochs_of(workspace.run("sweep.py", "left_over.yaml", *ONE).stderr) == ["1", "2"]
    assert epochs_of(workspace.run("sweep.py", "left over.yaml", *ONE).stderr) == ["2"]
    assert [steps(run) for run in runs(workspace.folder / "mlflow.db", "trial")] == [[1, 2]] * 2
