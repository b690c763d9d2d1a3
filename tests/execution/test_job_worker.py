"""What runs in a job: real processes, their signals, and a mailbox."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.execution.mailbox import Mailbox
from experiments.execution.messages import EpochDone, Task, TrialResult
from tests.conftest import REPOSITORY, Workspace, environment
from tests.execution.test_worker import SMALL, some_task
from tests.tracked import CLOCK, runs

pytestmark = pytest.mark.processes

LONG = SMALL.model_copy(update={"epochs": 60, "batch_size": 50})


class Job:
    """A worker as submitit starts it, without submitit's files."""

    def __init__(
        self, mailbox: Mailbox, job_id: str, patience: float = 60, idle: float = 60, more: str = ""
    ) -> None:
        code = (
            "from pathlib import Path; from experiments.execution import job_worker; "
            f"job_worker._IDLE_SECONDS = {idle}; sweep = job_worker.Sweep("
            f"Path({str(mailbox.folder)!r}), {patience}, {more}); job_worker.work(sweep)"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=REPOSITORY,
            env=environment() | {"SUBMITIT_EXECUTOR": "local", "SUBMITIT_LOCAL_JOB_ID": job_id},
        )  # fmt: skip
        self.mailbox, self.worker = mailbox, f"{job_id}-0"
        self.n_epochs = 0

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            self.mailbox.beat()
            time.sleep(0.02)

    def until_epochs(self, n: int) -> None:
        def told() -> bool:
            events = self.mailbox.read_events()
            self.n_epochs += sum(isinstance(event, EpochDone) for _, event in events)
            return self.n_epochs >= n

        self.until(told)

    def result(self, number: int) -> TrialResult:
        self.until(lambda: number in self.mailbox.results())
        return self.mailbox.results()[number]


@pytest.fixture
def mailbox(workspace: Workspace) -> Mailbox:
    mailbox = Mailbox(workspace.folder / "mail")
    mailbox.create()
    return mailbox


def long_task(workspace: Workspace) -> Task:
    return some_task(workspace, LONG)


def test_on_the_signal_before_its_end_a_job_keeps_its_trial_s_last_epoch(
    workspace: Workspace, mailbox: Mailbox
) -> None:
    """Another job goes on from there, to the bits of a trial that nothing disturbed."""
    task = long_task(workspace)
    mailbox.put(1, task)
    first = Job(mailbox, "11")
    first.until_epochs(3)
    first.process.send_signal(signal.SIGUSR2)
    result = first.result(1)
    assert (result.state, result.error) == ("preempted", "its job 11 had no more time")
    assert first.process.wait(timeout=60) == 0, "and takes no other task"
    assert task.checkpoint.exists()
    mailbox.forget(1)

    mailbox.put(2, replace(task, fresh=False))
    second = Job(mailbox, "12")
    assert second.result(2).state == "finished"
    mailbox.put(3, undisturbed := long_task(workspace))
    assert second.result(3).state == "finished"
    mailbox.close()
    assert second.process.wait(timeout=60) == 0
    by_id = {run.run_id: run for run in runs(workspace.folder / "mlflow.db", "trial")}
    one, other = by_id[task.run_id], by_id[undisturbed.run_id]
    assert [step for step, _ in one.metrics["val/return"]] == list(range(1, 61))
    for key in set(one.metrics) - CLOCK:
        assert one.metrics[key] == other.metrics[key], key


def test_a_task_that_is_ended_ends_between_two_epochs_and_the_job_goes_on(
    workspace: Workspace, mailbox: Mailbox
) -> None:
    task = long_task(workspace)
    mailbox.put(1, task)
    job = Job(mailbox, "11")
    job.until_epochs(2)
    mailbox.end(1)
    result = job.result(1)
    assert (result.state, result.error) == ("lost", "ended between two epochs")
    assert task.checkpoint.exists()
    mailbox.put(2, some_task(workspace))
    assert job.result(2).state == "finished"
    mailbox.close()
    assert job.process.wait(timeout=60) == 0


def test_scancel_ends_a_job_at_once(workspace: Workspace, mailbox: Mailbox) -> None:
    """It sends SIGTERM first, which submitit would let pass."""
    mailbox.put(1, long_task(workspace))
    job = Job(mailbox, "11")
    job.until_epochs(2)
    job.process.send_signal(signal.SIGTERM)
    assert job.process.wait(timeout=20) == -signal.SIGTERM
    assert mailbox.results() == {}
    assert mailbox.taken() == {1: job.worker}


def test_a_worker_ends_with_a_sweep_that_shows_no_sign_of_life(
    workspace: Workspace, mailbox: Mailbox
) -> None:
    mailbox.put(1, long_task(workspace))
    job = Job(mailbox, "11", patience=5)
    job.until(lambda: bool(mailbox.taken()))
    assert job.process.wait(timeout=60) == 1


def test_a_trial_that_takes_too_long_is_told_before_the_worker_ends(
    workspace: Workspace, mailbox: Mailbox
) -> None:
    mailbox.put(1, replace(long_task(workspace), timeout=1.0))
    job = Job(mailbox, "11")
    job.until(lambda: bool(mailbox.taken()))
    assert job.process.wait(timeout=120) == 1
    (result,) = mailbox.results().values()
    assert (result.state, result.error, result.seconds) == ("lost", "timed out", 1.0)


def test_an_interrupt_is_for_the_sweep(workspace: Workspace, mailbox: Mailbox) -> None:
    job = Job(mailbox, "11")
    job.until(lambda: job.worker in mailbox.workers())
    os.kill(job.process.pid, signal.SIGINT)
    mailbox.put(1, some_task(workspace))
    assert job.result(1).state == "finished"
    mailbox.close()
    assert job.process.wait(timeout=60) == 0


def test_a_worker_whose_task_was_given_up_writes_no_more(
    workspace: Workspace, mailbox: Mailbox
) -> None:
    """Slurm may take a job for dead that is not: somebody else has its trial by now."""
    mailbox.put(1, task := long_task(workspace))
    job = Job(mailbox, "11")
    job.until_epochs(2)
    mailbox.forget(1)
    assert job.process.wait(timeout=60) == 1
    assert task.checkpoint.exists()
    (run,) = runs(workspace.folder / "mlflow.db", "trial")
    assert run.status == "RUNNING"
    assert len(run.metrics["val/return"]) < 60


def test_for_a_sweep_that_died_before_its_job_began_nothing_is_done(
    workspace: Workspace, mailbox: Mailbox
) -> None:
    mailbox.put(1, long_task(workspace))
    job = Job(mailbox, "11", patience=5)
    assert job.process.wait(timeout=120) == 1
    assert mailbox.taken() == {}


def test_a_worker_that_has_nothing_to_do_for_long_makes_room(
    workspace: Workspace, mailbox: Mailbox
) -> None:
    job = Job(mailbox, "11", idle=1)
    assert job.process.wait(timeout=120) == 0
    assert mailbox.workers() == {job.worker}


def test_a_worker_on_the_sweep_s_machine_holds_its_lock_and_ends_with_it(
    workspace: Workspace, mailbox: Mailbox, tmp_path: Path
) -> None:
    lock, parent = tmp_path / "workers-1-of-1", subprocess.Popen(["sleep", "300"])
    job = Job(mailbox, "11", more=f"{parent.pid}, Path({str(lock)!r})")
    job.until(lambda: job.worker in mailbox.workers())
    with lock.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    parent.kill()
    parent.wait()
    assert job.process.wait(timeout=60) == 1
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
