"""Jobs of a killed sweep end before anybody takes over; Slurm's commands are stood in for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.execution import job_record
from experiments.execution.job_record import JobRecord, path_of
from experiments.execution.locks import sole_sweep
from experiments.execution.mailbox import Mailbox
from experiments.spec.shard import Shard
from vae.errors import BadInput


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the jobs that a Slurm has, as squeue prints them: a test writes it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (
        ("squeue", 'cat "$(dirname "$0")/jobs"'),
        ("scancel", 'cd "$(dirname "$0")"; echo "$@" >> cancelled; [ -e deaf ] || : > jobs'),
    ):
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    (folder / "jobs").touch()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder / "jobs"


@pytest.fixture
def killed(tmp_path: Path) -> Callable[..., JobRecord]:
    """What a sweep leaves that could not clear up."""

    def leave(shard: str = "1-of-1", name: str = "vae-1") -> JobRecord:
        lock = tmp_path / "locks" / f"workers-{shard}"
        lock.parent.mkdir(exist_ok=True)
        record = JobRecord(path_of(lock), name, tmp_path / f"{name}-folder")
        (record.folder / "mail").mkdir(parents=True)
        record.write()
        return record

    return leave


def take_over(record: JobRecord, shard: Shard) -> None:
    with sole_sweep(record.path.parent, shard):
        pass


@pytest.mark.parametrize("shard", [Shard(1, 1), Shard(1, 2), Shard(3, 4)])
def test_jobs_of_an_overlapping_shard_are_cancelled(
    shard: Shard, commands: Path, killed: Callable[..., JobRecord]
) -> None:
    commands.write_text("7_0|RUNNING|None\n7_1|PENDING|Resources\n6_0|COMPLETED|None\n")
    record = killed("1-of-2")
    take_over(record, shard)
    assert (commands.parent / "cancelled").read_text() == "7_0 7_1\n"
    assert not record.folder.exists()
    assert not record.path.exists()


def test_those_of_a_disjoint_one_are_not(commands: Path, killed: Callable[..., JobRecord]) -> None:
    commands.write_text("7_0|RUNNING|None\n")
    record = killed("1-of-2")
    take_over(record, Shard(2, 2))
    assert not (commands.parent / "cancelled").exists()
    assert record.folder.exists()
    assert record.path.exists()


def test_jobs_that_do_not_end_keep_everybody_out(
    commands: Path, killed: Callable[..., JobRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_record, "_SECONDS", 0.1)
    commands.write_text("7_0|COMPLETING|None\n")
    (commands.parent / "deaf").touch()
    record = killed()
    with pytest.raises(BadInput, match=r"may still be at work: .*squeue --name vae-1"):
        take_over(record, Shard(1, 1))
    assert record.folder.exists()
    commands.write_text("")
    take_over(record, Shard(1, 1))
    assert not record.path.exists()


def test_so_do_jobs_of_which_nobody_knows(
    killed: Callable[..., JobRecord], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on another machine with the same homes, on which there is no Slurm."""
    monkeypatch.setenv("PATH", str(tmp_path))
    record = killed()
    with pytest.raises(BadInput, match="go on where Slurm's commands are") as told:
        take_over(record, Shard(1, 1))
    assert str(record.path) in str(told.value)
    assert "\n" not in str(told.value)


def test_for_processes_of_this_machine_the_lock_is_enough(
    killed: Callable[..., JobRecord], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    record = killed(name="")
    take_over(record, Shard(1, 1))
    assert not record.folder.exists()


def test_a_sweep_that_lives_on_another_machine_keeps_its_jobs(
    commands: Path, killed: Callable[..., JobRecord]
) -> None:
    """Where machines share folders, and no locks."""
    record = replace(killed(), host="login2")
    record.write()
    commands.write_text("7_0|RUNNING|None\n")
    mailbox, over = Mailbox(record.mail), threading.Event()

    def live() -> None:
        while not over.wait(0.1):
            mailbox.beat()

    sweep = threading.Thread(target=live)
    sweep.start()
    with pytest.raises(BadInput, match="is running on login2"):
        take_over(record, Shard(1, 1))
    over.set()
    sweep.join()
    assert not (commands.parent / "cancelled").exists()
    assert record.path.exists()


def test_one_that_died_there_does_not(
    commands: Path, killed: Callable[..., JobRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_record, "_PULSE_SECONDS", 0.1)
    record = replace(killed(), host="login2")
    record.write()
    take_over(record, Shard(1, 1))
    assert not record.path.exists()
