"""What the loop itself costs, with workers that are none."""

from __future__ import annotations

import math
import resource
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.execution.loop import drive
from experiments.execution.messages import Task, TaskState, TrialResult
from experiments.tracking.errors import TrackingLost
from vae.configuration import Configuration, Trial

TRIAL = Trial(configuration=Configuration(dataset="mnist5k"), seed=0)


def task(number: int) -> Task:
    return Task(
        trial=TRIAL, label=str(number), run_id=str(number), until=1, metric="return", fresh=True,
        archive=False, tracking_uri="", data_dir="", device="cpu", checkpoint=Path(),
    )  # fmt: skip


class FakeExecutor:
    """Virtual workers that do nothing: once all of them have work, the first one is done."""

    def __init__(self, capacity: int) -> None:
        self.capacity = self.n_workers = capacity
        self.can_isolate = False
        self.lost: set[str] = set()
        self.most_running = 0
        self._running: deque[tuple[Task, Future[TrialResult]]] = deque()

    @property
    def n_free(self) -> int:
        return self.capacity - len(self._running)

    def submit(self, task: Task) -> Future[TrialResult]:
        future: Future[TrialResult] = Future()
        self._running.append((task, future))
        self.most_running = max(self.most_running, len(self._running))
        if len(self._running) == self.capacity:
            self.finish_one()
        return future

    def finish_one(self) -> None:
        if not self._running:
            return
        task, future = self._running.popleft()
        if task.run_id in self.lost and task.fresh:
            future.set_exception(ConnectionError("the node went away"))
        else:
            future.set_result(TrialResult(task, TaskState.FINISHED))

    def end(self, which: Callable[[Trial], bool]) -> None: ...

    def stop(self) -> None: ...


class FakeProposer:
    """So many trials; when there are no more, the workers come to their ends."""

    def __init__(self, n_trials: int, executor: FakeExecutor) -> None:
        self._n_trials, self._executor = n_trials, executor
        self.n_asked, self.n_told = 0, 0
        self.told_lost: list[str] = []

    def ask(self) -> Task | None:
        if self.n_asked == self._n_trials:
            self._executor.finish_one()
            return None
        self.n_asked += 1
        return task(self.n_asked)

    def tell(self, result: TrialResult) -> None:
        self.n_told += 1
        if result.state == TaskState.LOST:
            self.told_lost.append(result.task.run_id)

    def is_stopped(self, trial: Trial) -> bool:
        return False


def seconds(n_trials: int, n_workers: int) -> float:
    executor = FakeExecutor(n_workers)
    proposer = FakeProposer(n_trials, executor)
    started = time.process_time()
    drive(proposer, executor, retries=2)
    taken = time.process_time() - started
    assert proposer.n_told == n_trials
    assert executor.most_running == n_workers
    return taken


def test_a_trial_costs_the_same_among_few_and_among_many() -> None:
    """1,000 workers, up to 100,000 trials; the fitted exponent, and the memory of the loop."""
    taken = {n: seconds(n, 1_000) for n in (10_000, 30_000)}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken[100_000] = seconds(100_000, 1_000)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print({n: f"{s:.2f} s, {1e6 * s / n:.0f} µs a trial" for n, s in taken.items()})
    exponent = math.log(taken[100_000] / taken[10_000]) / math.log(10)
    few = seconds(30_000, 10)
    print(f"exponent {exponent:.2f}; 30,000 trials with 10 workers: {few:.2f} s; {grown_mb:.0f} MB")
    assert exponent <= 1.1
    assert taken[30_000] < 3 * few, "the number of workers does not matter"
    assert grown_mb < 20


def test_a_lost_worker_costs_a_retry_and_then_its_trial() -> None:
    executor = FakeExecutor(10)
    executor.lost = {"3", "7"}
    proposer = FakeProposer(20, executor)
    drive(proposer, executor, retries=1)
    assert (proposer.n_told, proposer.told_lost) == (20, [])
    proposer = FakeProposer(20, executor)
    drive(proposer, executor, retries=0)
    assert (proposer.n_told, proposer.told_lost) == (20, ["3", "7"])


class ScriptedExecutor:
    """One worker that answers with what it was given, in turn, and remembers its tasks."""

    def __init__(self, *answers: TrialResult | BaseException, can_isolate: bool = False) -> None:
        self._answers = list(answers)
        self.can_isolate = can_isolate
        self.tasks: list[Task] = []
        self.n_workers = self.n_free = 1

    def submit(self, task: Task) -> Future[TrialResult]:
        self.tasks.append(task)
        future: Future[TrialResult] = Future()
        answer = self._answers.pop(0)
        if isinstance(answer, TrialResult):
            future.set_result(replace(answer, task=task))
        else:
            future.set_exception(answer)
        return future

    def end(self, which: Callable[[Trial], bool]) -> None: ...

    def stop(self) -> None: ...


class Rungs:
    """One trial, advanced so many times; what it is told ends up in `told`."""

    def __init__(self, n: int, stopped: bool = False) -> None:
        self._left = n
        self._stopped = stopped
        self.told: list[TrialResult] = []

    def ask(self) -> Task | None:
        self._left -= 1
        return task(0) if self._left >= 0 else None

    def tell(self, result: TrialResult) -> None:
        self.told.append(result)

    def is_stopped(self, trial: Trial) -> bool:
        return self._stopped


class LateExecutor(ScriptedExecutor):
    """Its worker is free a moment before the result arrives, as with processes and with Ray."""

    def submit(self, task: Task) -> Future[TrialResult]:
        done, late = super().submit(task), Future[TrialResult]()
        threading.Timer(0.05, lambda: late.set_result(done.result())).start()
        return late


class Alternating(Rungs):
    """Is asked for nothing before it has been told what became of the task before."""

    def ask(self) -> Task | None:
        assert len(self.told) == self.n_asked, "asked before it was told"
        self.n_asked += 1
        return super().ask()

    n_asked = 0


def test_nobody_is_asked_while_a_result_is_on_its_way() -> None:
    """Else a study with one worker would propose, now and then, without its latest value."""
    answers = [answer(TaskState.ADVANCED), answer(TaskState.ADVANCED), answer(TaskState.FINISHED)]
    proposer = Alternating(3)
    drive(proposer, LateExecutor(*answers), retries=0)
    assert [result.state for result in proposer.told] == ["advanced", "advanced", "finished"]


def answer(state: TaskState, seconds: float | None = None) -> TrialResult:
    return TrialResult(
        task(0), state, "why" if state != TaskState.FINISHED else "", seconds=seconds
    )


def test_a_time_limit_is_of_the_trial_over_all_of_its_tasks() -> None:
    """Issue 14, item 23"""
    executor = ScriptedExecutor(
        answer(TaskState.ADVANCED, 4), answer(TaskState.ADVANCED, 3), answer(TaskState.FINISHED, 1)
    )
    drive(Rungs(3), executor, retries=2, timeout=10)
    assert [task.timeout for task in executor.tasks] == [10, 6, 3]


def test_a_time_limit_is_of_the_trial_over_its_retries() -> None:
    """It used to begin again after each, so that a trial could take three times as long.

    Issue 14, item 23
    """
    executor = ScriptedExecutor(
        answer(TaskState.LOST, 6), answer(TaskState.LOST, 6), answer(TaskState.FINISHED, 1)
    )
    proposer = Rungs(1)
    drive(proposer, executor, retries=2, timeout=10)
    assert [task.timeout for task in executor.tasks] == [10, 4]
    assert [result.state for result in proposer.told] == ["lost"]


def test_what_timed_out_is_not_tried_again() -> None:
    executor = ScriptedExecutor(futures.TimeoutError())
    proposer = Rungs(1)
    drive(proposer, executor, retries=2, timeout=1e-9)
    (result,) = proposer.told
    assert (result.state, result.error) == ("lost", "timed out")


def test_without_a_time_limit_there_is_none() -> None:
    executor = ScriptedExecutor(answer(TaskState.LOST, 6), answer(TaskState.FINISHED, 6))
    drive(Rungs(1), executor, retries=2)
    assert [task.timeout for task in executor.tasks] == [None, None]


def test_losses_are_counted_over_all_tasks_of_a_trial() -> None:
    executor = ScriptedExecutor(
        answer(TaskState.LOST),
        answer(TaskState.ADVANCED),
        answer(TaskState.LOST),
        answer(TaskState.FINISHED),
    )
    proposer = Rungs(2)
    drive(proposer, executor, retries=1)
    assert [result.state for result in proposer.told] == ["advanced", "lost"]


def test_out_of_memory_is_tried_once_more_with_the_device_for_itself() -> None:
    executor = ScriptedExecutor(
        answer(TaskState.OUT_OF_MEMORY),
        answer(TaskState.ADVANCED),
        answer(TaskState.FINISHED),
        can_isolate=True,
    )
    proposer = Rungs(2)
    drive(proposer, executor, retries=0)
    assert [task.alone for task in executor.tasks] == [False, True, False]
    assert [result.state for result in proposer.told] == ["advanced", "finished"]


@pytest.mark.parametrize("can_isolate", [True, False])
def test_out_of_memory_alone_is_a_failure_with_that_reason(can_isolate: bool) -> None:
    answers = [answer(TaskState.OUT_OF_MEMORY)] * (2 if can_isolate else 1)
    executor = ScriptedExecutor(*answers, can_isolate=can_isolate)
    proposer = Rungs(1)
    drive(proposer, executor, retries=2)
    (result,) = proposer.told
    assert (result.state, result.error) == ("lost", "why")


@pytest.mark.parametrize("state", [TaskState.LOST, TaskState.PREEMPTED, TaskState.OUT_OF_MEMORY])
def test_what_a_person_has_stopped_is_not_tried_again(state: TaskState) -> None:
    proposer = Rungs(1, stopped=True)
    drive(proposer, ScriptedExecutor(answer(state), can_isolate=True), retries=2)
    assert [result.state for result in proposer.told] == [TaskState.STOPPED]


def test_what_had_ended_before_it_was_stopped_has_ended() -> None:
    proposer = Rungs(1, stopped=True)
    drive(proposer, ScriptedExecutor(answer(TaskState.FINISHED)), retries=2)
    assert [result.state for result in proposer.told] == [TaskState.FINISHED]


def test_a_store_that_stays_away_ends_the_loop() -> None:
    with pytest.raises(TrackingLost, match="why"):
        drive(Rungs(2), ScriptedExecutor(answer(TaskState.UNTRACKED)), retries=2)


class BlockedExecutor(FakeExecutor):
    """Nobody is ever done; as soon as all have work, somebody presses Ctrl-C."""

    def finish_one(self) -> None:
        me = threading.main_thread().ident or 0
        threading.Timer(0.1, signal.pthread_kill, [me, signal.SIGINT]).start()


def test_ctrl_c_ends_the_wait() -> None:
    # Whoever starts tests in the background may have them ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        executor = BlockedExecutor(2)
        with pytest.raises(KeyboardInterrupt):
            drive(FakeProposer(5, executor), executor, retries=0)
    finally:
        signal.signal(signal.SIGINT, before)
