"""Workers that are jobs: who is lost and why, and when another job is needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.execution import job_worker, job_workers
from experiments.execution.engine import NoWorkers
from experiments.execution.job_record import JobRecord, read
from experiments.execution.job_workers import JobWorkers
from experiments.execution.mailbox import Mailbox
from experiments.execution.messages import EpochDone, Event, TaskState, TrialResult
from experiments.execution.slurm_queue import JobState
from tests.execution.test_loop import task


class FakeJobs:
    """A queue whose jobs are what the test says."""

    def __init__(self) -> None:
        self.now: dict[str, JobState] = {}
        self.refuses = ""
        self.answers = True
        self.submitted: list[int] = []

    def submit(self, n: int, work: Callable[..., Any], *arguments: Any) -> list[str]:
        if self.refuses:
            raise RuntimeError(self.refuses)
        new = [f"{len(self.submitted) + 1}_{i}" for i in range(n)]
        self.submitted.append(n)
        self.now |= dict.fromkeys(new, JobState("RUNNING"))
        return new

    def states(self) -> Mapping[str, JobState] | None:
        return dict(self.now) if self.answers else None

    def cancel(self) -> None:
        self.now = {job: JobState("CANCELLED") for job in self.now}


class Sweep:
    """The executor, the queue behind it, and a hand that does what workers do."""

    def __init__(self, folder: Path, n_workers: int, patience: float = 60) -> None:
        self.jobs = FakeJobs()
        self.events: list[Event] = []
        record = JobRecord(folder / "jobs-1-of-1", "vae-1", folder / "jobs")
        record.folder.mkdir()
        known = job_worker.Sweep(record.folder / "mail", patience)
        self.executor = JobWorkers(n_workers, self.jobs, record, self.events.append, known)
        self.record, self.worker = record, Mailbox(known.mail)

    def takes(self, worker: str) -> int:
        """The worker comes up and takes a task; returns its number."""
        self.worker.come_up(worker)
        until(lambda: worker.rpartition("-")[0] in self.jobs.now)
        found = self.worker.take(worker)
        assert found is not None
        return found[0]

    def tells_an_epoch(self, number: int) -> None:
        self.worker.tell(number, EpochDone(1, "x", "c", 1, 9, {}))


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sweep]]:
    monkeypatch.setattr(job_workers, "_ROUND_SECONDS", 0.01)
    monkeypatch.setattr(job_workers, "_STATES_SECONDS", 0.0)
    monkeypatch.setattr(job_workers, "_END_SECONDS", 0.0)
    made: list[Sweep] = []

    def make_one(n_workers: int = 2, patience: float = 60) -> Sweep:
        made.append(Sweep(tmp_path, n_workers, patience))
        return made[-1]

    yield make_one
    for sweep in made:
        sweep.executor.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_jobs_are_submitted_for_what_there_is_to_do_and_no_more(make: Any) -> None:
    sweep = make(n_workers=3)
    time.sleep(0.1)
    assert sweep.jobs.submitted == []
    for i in range(2):
        sweep.executor.submit(task(i))
    until(lambda: sum(sweep.jobs.submitted) == 2)
    assert sweep.executor.n_free == 1
    time.sleep(0.1)
    assert sum(sweep.jobs.submitted) == 2


def test_a_result_and_its_events_arrive(make: Any) -> None:
    sweep = make()
    future = sweep.executor.submit(task(0))
    number = sweep.takes("1_0-0")
    sweep.tells_an_epoch(number)
    sweep.worker.answer(number, TrialResult(task(0), TaskState.FINISHED))
    assert future.result(timeout=30).state == "finished"
    until(lambda: len(sweep.events) == 1)
    assert sweep.executor.n_free == 2


def test_what_nobody_has_begun_is_taken_back(make: Any) -> None:
    sweep = make()
    future = sweep.executor.submit(task(0))
    sweep.executor.end(lambda trial: True)
    assert future.result(timeout=30).state == TaskState.LOST
    assert sweep.worker.take("1_0-0") is None


def test_whoever_works_on_what_is_ended_is_told_and_answers(make: Any) -> None:
    sweep = make()
    future = sweep.executor.submit(task(0))
    number = sweep.takes("1_0-0")
    sweep.executor.end(lambda trial: False)
    assert not sweep.worker.is_to_end(number)
    sweep.executor.end(lambda trial: True)
    sweep.executor.end(lambda trial: True)
    assert sweep.worker.is_to_end(number) and not future.done()
    sweep.worker.answer(number, TrialResult(task(0), TaskState.LOST, "ended"))
    assert future.result(timeout=30).error == "ended"
    until(lambda: not sweep.worker.is_to_end(number))


@pytest.mark.parametrize("told", [0, 1])
@pytest.mark.parametrize(
    ("state", "normal"),
    [
        (JobState("TIMEOUT"), True),
        (JobState("PREEMPTED"), True),
        (JobState("PENDING", "BeginTime"), True),
        (JobState("CANCELLED"), False),
        (JobState("NODE_FAIL", "node x is down"), False),
        (JobState("OUT_OF_MEMORY"), False),
        (JobState("FAILED", "NonZeroExitCode"), False),
        (None, False),
    ],
)
def test_a_job_that_ends_has_lost_its_task(
    state: JobState | None, normal: bool, told: int, make: Any
) -> None:
    """With Slurm's own reason. What is normal costs no retry, unless not an epoch was done."""
    sweep = make()
    future = sweep.executor.submit(task(0))
    number = sweep.takes("1_0-0")
    for _ in range(told):
        sweep.tells_an_epoch(number)
    until(lambda: len(sweep.events) == told)
    if state is None:
        del sweep.jobs.now["1_0"]
    else:
        sweep.jobs.now["1_0"] = state
    result = future.result(timeout=30)
    assert result.state == (TaskState.PREEMPTED if normal and told else TaskState.LOST)
    if state is None:
        assert "no longer known to Slurm" in result.error
    elif state.is_waiting:
        assert result.error == "its job 1_0 was queued again"
    else:
        assert result.error == f"its job 1_0 ended: {state}"


def test_a_job_that_was_queued_again_and_runs_already_has_lost_its_task(make: Any) -> None:
    sweep = make()
    future = sweep.executor.submit(task(0))
    number = sweep.takes("1_0-0")
    sweep.tells_an_epoch(number)
    until(lambda: len(sweep.events) == 1)
    sweep.worker.come_up("1_0-1")
    result = future.result(timeout=30)
    assert (result.state, result.error) == ("preempted", "its job 1_0 was queued again")


def test_a_result_that_came_before_the_end_of_its_job_counts(make: Any) -> None:
    sweep = make()
    future = sweep.executor.submit(task(0))
    number = sweep.takes("1_0-0")
    sweep.jobs.answers = False
    sweep.worker.answer(number, TrialResult(task(0), TaskState.FINISHED))
    sweep.jobs.now["1_0"] = JobState("TIMEOUT")
    sweep.jobs.answers = True
    assert future.result(timeout=30).state == "finished"


def test_while_slurm_does_not_answer_nobody_is_lost(make: Any) -> None:
    sweep = make()
    future = sweep.executor.submit(task(0))
    sweep.takes("1_0-0")
    sweep.jobs.answers = False
    del sweep.jobs.now["1_0"]
    time.sleep(0.2)
    assert not future.done()


def test_another_job_takes_the_place_of_one_that_ended(make: Any) -> None:
    sweep = make(n_workers=1)
    first = sweep.executor.submit(task(0))
    number = sweep.takes("1_0-0")
    sweep.worker.answer(number, TrialResult(task(0), TaskState.FINISHED))
    first.result(timeout=30)
    sweep.jobs.now["1_0"] = JobState("TIMEOUT")
    time.sleep(0.1)
    assert sweep.jobs.submitted == [1], "for nothing to do there is no job"
    sweep.executor.submit(task(1))
    until(lambda: sweep.jobs.submitted == [1, 1])


def test_jobs_that_never_come_up_end_the_sweep(make: Any) -> None:
    """As where the nodes do not see the folder, or have no Python."""
    sweep = make(n_workers=1)
    future = sweep.executor.submit(task(0))
    for n in (1, 2, 3):
        until(lambda n=n: len(sweep.jobs.submitted) == n)  # type: ignore[misc]
        sweep.jobs.now[f"{n}_0"] = JobState("FAILED", "NonZeroExitCode")
    error = future.exception(timeout=30)
    assert isinstance(error, NoWorkers)
    assert "3 jobs ended without having come up" in str(error)
    assert "FAILED (NonZeroExitCode)" in str(error)
    assert isinstance(sweep.executor.submit(task(1)).exception(timeout=1), NoWorkers)
    sweep.executor.stop()
    assert sweep.worker.folder.exists(), "its logs are worth reading"
    assert read(sweep.record.path) == replace(sweep.record, name=""), "and there are no jobs"


def test_a_queue_that_is_full_for_a_moment_is_no_end(make: Any) -> None:
    sweep = make(n_workers=1)
    sweep.jobs.refuses = "sbatch: error: QOSMaxSubmitJobPerUserLimit"
    future = sweep.executor.submit(task(0))
    until(lambda: len(sweep.events) == 1)
    assert "QOSMaxSubmitJobPerUserLimit" in str(sweep.events)
    sweep.jobs.refuses = ""
    until(lambda: sweep.jobs.submitted == [1])
    assert not future.done()


def test_a_queue_that_takes_nothing_for_too_long_is_one(make: Any) -> None:
    sweep = make(n_workers=1, patience=0.1)
    sweep.jobs.refuses = "sbatch: error: account is over its limit"
    error = sweep.executor.submit(task(0)).exception(timeout=30)
    assert isinstance(error, NoWorkers)
    assert "account is over its limit" in str(error)


def test_the_device_is_slurm_s_to_choose(tmp_path: Path, make: Any) -> None:
    sweep = make()
    sweep.executor._device = "cuda"
    sweep.executor.submit(replace(task(0), device="auto"))
    found = sweep.worker.take("1_0-0")
    assert found and found[1].device == "cuda"


def test_nothing_is_left_behind(make: Any) -> None:
    sweep = make()
    sweep.executor.submit(task(0))
    sweep.takes("1_0-0")
    sweep.executor.stop()
    assert all(state.is_over for state in sweep.jobs.now.values())
    assert not sweep.record.folder.exists()
    assert not sweep.record.path.exists()


def test_a_folder_that_somebody_has_removed_ends_the_sweep(make: Any) -> None:
    sweep = make()
    future = sweep.executor.submit(task(0))
    sweep.takes("1_0-0")
    sweep.record.folder.rename(sweep.record.folder.with_name("away"))
    assert isinstance(future.exception(timeout=30), NoWorkers)
    assert isinstance(sweep.executor.submit(task(1)).exception(timeout=1), NoWorkers)
    sweep.executor._hopeless = None
    with pytest.raises(NoWorkers, match="tasks cannot be handed out"):
        sweep.executor.submit(task(2)).result(timeout=1)


def test_jobs_that_do_not_end_stay_on_record(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_workers, "_STOP_SECONDS", 0.1)
    sweep = make()
    sweep.executor.submit(task(0))
    sweep.takes("1_0-0")
    assert read(sweep.record.path) == sweep.record
    sweep.jobs.answers = False
    sweep.executor.stop()
    assert read(sweep.record.path) == sweep.record
