"""A crowd on one SQLite file, a server that stays away, a full disk, and odd states on start."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.chaos.test_chaos import wait_until
from tests.conftest import TINY, Workspace
from tests.servers import MlflowServer
from tests.tracked import numbers, runs


def test_sixteen_workers_on_one_sqlite_file(workspace: Workspace) -> None:
    """Short trials, all writing at once: every metric arrives, and nobody hears of a lock."""
    workspace.write(TINY.replace("epochs: 2", "epochs: 10").replace("seeds: 2", "seeds: 12"))
    done = workspace.run("sweep.py", "tiny.yaml", "--workers", "16")
    assert done.returncode == 0
    assert "locked" not in done.stderr
    assert "warning" not in done.stderr.lower()
    with sqlite3.connect(workspace.folder / "mlflow.db") as db:
        (per_epoch,) = db.execute(
            "SELECT COUNT(*) FROM metrics JOIN tags USING (run_uuid) "
            "WHERE step > 0 AND tags.key = 'kind' AND tags.value = 'trial'"
        ).fetchone()
    assert per_epoch == 48 * 10 * 9
    assert len(numbers(workspace.folder / "mlflow.db")) == 48


def test_a_server_that_stays_away_ends_the_sweep_resumably(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = MlflowServer(tmp_path_factory.mktemp("server"))
    server.start()
    monkeypatch.setenv("SWEEP_PATIENCE_SECONDS", "3")
    arguments = ["tiny.yaml", "--tracking-uri", server.uri, "--workers", "1", "--seeds", "0-5"]
    try:
        log = workspace.folder / "log.txt"
        with log.open("w") as output:
            sweep = workspace.start("sweep.py", *arguments, log=output)
            wait_until(lambda: "finished, return" in log.read_text(), sweep)
            server.kill()
            assert sweep.wait(timeout=120) == 130
        closing = log.read_text().splitlines()[-1]
        assert closing.startswith("tracking had to stop")
        assert "To go on from here: " in closing
        assert "Traceback" not in log.read_text()
        server.start()
        resumed = workspace.run("sweep.py", *arguments)
        assert resumed.returncode == 0
    finally:
        server.kill()
    finished = [run for run in runs(server.database, "trial") if run.status == "FINISHED"]
    assert len(finished) == len({run.tags["trial_id"] for run in finished}) == 24
    assert [run.name for run in runs(server.database) if run.status == "RUNNING"] == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("needs to mount a small file system, which takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_loses_nothing(workspace: Workspace, small_disk: Path) -> None:
    arguments = ["tiny.yaml", "--checkpoint-dir", str(small_disk), "--workers", "2"]
    with (small_disk / "ballast").open("wb") as ballast:
        ballast.write(bytes(2_900_000))
    done = workspace.run("sweep.py", *arguments)
    assert done.returncode == 130
    closing = done.stderr.splitlines()[-1]
    assert os.strerror(errno.ENOSPC) in closing
    assert "To go on from here" in closing
    assert "Traceback" not in done.stderr
    (small_disk / "ballast").unlink()
    assert workspace.run("sweep.py", *arguments).returncode == 0
    assert len(numbers(workspace.folder / "mlflow.db")) == 8


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tracking-uri", "sqlite:///{}/mlflow.db"],
        ["--tracking-uri", "sqlite:///{}/new.db"],
        ["--checkpoint-dir", "{}/checkpoints"],
        ["--set", "dataset=mnist", "--data-dir", "{}/data"],
    ],
)
def test_what_may_not_be_written_is_told_before_anything_is(
    workspace: Workspace, small_disk: Path, arguments: list[str]
) -> None:
    sqlite3.connect(small_disk / "mlflow.db").close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    before = set(workspace.folder.rglob("*"))
    refused = sweep(workspace, *(argument.format(small_disk) for argument in arguments))
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert str(small_disk) in refused.stderr
    assert set(workspace.folder.rglob("*")) == before


# -------------------------------------------------------------------- states met on start


def sweep(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    return workspace.run(
        "sweep.py", "tiny.yaml", "--engine", "serial", "--seeds", "0-0", "--set", "encoder=mlp1",
        "--set", "loss=sse", *arguments,
    )  # fmt: skip


@pytest.fixture
def done(workspace: Workspace) -> Workspace:
    """One trial that has run."""
    assert sweep(workspace).returncode == 0
    return workspace


def the_trial(workspace: Workspace):  # type: ignore[no-untyped-def]
    (run,) = runs(workspace.folder / "mlflow.db", "trial")
    return run


def in_database(workspace: Workspace, statement: str, *values: str) -> None:
    with sqlite3.connect(workspace.folder / "mlflow.db") as db:
        db.execute(statement, values)


def forget_the_end(workspace: Workspace) -> None:
    """As if killed between the last metrics and the tag that says completed."""
    run_id = the_trial(workspace).run_id
    in_database(workspace, "DELETE FROM tags WHERE key = 'completed' AND run_uuid = ?", run_id)
    forget_the_status(workspace)


def forget_the_status(workspace: Workspace) -> None:
    """As if killed before the last word: the configuration's run was not closed either."""
    in_database(workspace, "UPDATE runs SET status = 'RUNNING'")


def checkpoint_of(workspace: Workspace) -> Path:
    return workspace.folder / "checkpoints" / "tiny" / f"{the_trial(workspace).run_id}.pt"


@pytest.mark.parametrize("state", ["RUNNING", "KILLED", "SCHEDULED", "FINISHED"])
def test_a_run_without_the_tag_is_not_done_and_goes_on_in_its_own_run(
    done: Workspace, state: str
) -> None:
    before = the_trial(done)
    forget_the_end(done)
    in_database(done, "UPDATE runs SET status = ? WHERE run_uuid = ?", state, before.run_id)
    again = sweep(done)
    assert again.returncode == 0
    assert "1 trial finished" in again.stderr
    after = the_trial(done)
    assert after.run_id == before.run_id
    assert after.metrics == before.metrics, "no step doubled, no value changed"
    assert (after.status, after.tags["completed"]) == ("FINISHED", "true")


def test_a_completed_run_whose_status_was_lost_is_finished_again(done: Workspace) -> None:
    before = the_trial(done)
    forget_the_status(done)
    assert sweep(done).returncode == 0
    assert the_trial(done).metrics == before.metrics
    assert the_trial(done).status == "FINISHED"


@pytest.mark.parametrize(
    "content",
    ["torn", "foreign", "empty", "not a checkpoint", "outdated"],
)
def test_an_unusable_checkpoint_is_set_aside_and_the_trial_starts_over(
    done: Workspace, content: str
) -> None:
    before = the_trial(done)
    forget_the_end(done)
    path = checkpoint_of(done)
    whole = {"format": 1, "numbers_version": 1, "trial_id": before.tags["trial_id"]}
    torch.save(whole | {"training": {}}, path)
    if content == "torn":
        path.write_bytes(path.read_bytes()[:-100])
    elif content == "foreign":
        torch.save(whole | {"trial_id": "0" * 16}, path)
    elif content == "empty":
        path.write_bytes(b"")
    elif content == "not a checkpoint":
        path.write_text("hello")
    elif content == "outdated":
        torch.save(whole | {"numbers_version": 0}, path)
    again = sweep(done)
    assert again.returncode == 0
    assert "warning" in again.stderr
    assert "set aside" in again.stderr
    assert "epoch 1/2" in again.stderr
    assert the_trial(done).metrics == before.metrics
    assert path.with_suffix(".unusable").exists()
    assert not path.exists()


def test_a_checkpoint_left_by_a_trial_that_is_done_is_removed(done: Workspace) -> None:
    checkpoint_of(done).write_text("left behind")
    assert sweep(done).returncode == 0
    assert not checkpoint_of(done).exists()


def test_a_deleted_trial_runs_again(done: Workspace) -> None:
    """In the MLflow UI, to have it made anew."""
    before = the_trial(done)
    in_database(
        done, "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", before.run_id
    )
    assert "1 trial finished" in sweep(done).stderr
    after = the_trial(done)
    assert after.run_id != before.run_id
    assert after.metrics["return"] == before.metrics["return"]


def test_a_deleted_experiment_is_told_in_one_line(done: Workspace) -> None:
    in_database(done, "UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'tiny'")
    for refused in (sweep(done), done.run("analyze.py", "tiny")):
        assert refused.returncode == 2
        assert refused.stderr.count("\n") == 1
        assert "deleted" in refused.stderr
        assert "mlflow experiments restore" in refused.stderr


def test_a_run_that_a_lost_answer_made_twice_is_ended(done: Workspace) -> None:
    run = the_trial(done)
    columns = (
        "experiment_id, lifecycle_stage, start_time, status, name, user_id, source_type, "
        "source_name, artifact_uri"
    )
    with sqlite3.connect(done.folder / "mlflow.db") as db:
        db.execute(
            f"INSERT INTO runs (run_uuid, {columns}) "  # noqa: S608
            f"SELECT 'ghost', {columns} FROM runs WHERE run_uuid = ?",
            (run.run_id,),
        )
        db.execute("UPDATE runs SET status = 'RUNNING' WHERE run_uuid = 'ghost'")
        db.execute(
            "INSERT INTO tags (key, value, run_uuid) "
            "SELECT key, value, 'ghost' FROM tags WHERE run_uuid = ? AND key != 'completed'",
            (run.run_id,),
        )
    assert "0 trials finished, 1 already finished" in sweep(done).stderr
    by_id = {run.run_id: run.status for run in runs(done.folder / "mlflow.db", "trial")}
    assert by_id == {run.run_id: "FINISHED", "ghost": "KILLED"}


def test_an_exception_is_a_failure_with_its_traceback(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, where a network can be broken."""
    from experiments.execution.serial import Serial
    from tests.execution.test_worker import some_task

    def broken(*_: object) -> None:
        raise RuntimeError("a mistake in an encoder")

    monkeypatch.setattr("vae.encoders.Encoder.forward", broken)
    task = some_task(workspace)
    result = Serial(print).submit(task).result()
    assert (result.state, result.error) == ("failed", "RuntimeError: a mistake in an encoder")
    run = the_trial(workspace)
    assert run.status == "FAILED"
    assert run.tags["error"] == "RuntimeError: a mistake in an encoder"
    (traceback,) = (workspace.folder / "mlartifacts").rglob("error.txt")
    assert "in broken" in traceback.read_text()
    assert not task.checkpoint.exists()
