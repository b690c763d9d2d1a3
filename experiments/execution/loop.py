"""Getting work done: one loop over one protocol, and the engines that it drives."""

from __future__ import annotations

import queue
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass, replace
from typing import Protocol

from pebble import ProcessExpired

from experiments.execution.engine import NoWorkers
from experiments.execution.messages import Task, TaskState, TrialResult
from experiments.secrets import mask
from experiments.tracking.errors import TrackingLost
from vae.configuration import Trial


class TaskSource(Protocol):
    """Has tasks, and wants to know what became of them: a sweep."""

    def ask(self) -> Task | None:
        """The next task; None while there is none until more has been told."""

    def tell(self, result: TrialResult) -> None:
        """Take note of what became of a task."""

    def is_stopped(self, trial: Trial) -> bool:
        """Whether a person has ended the trial: then losing its worker is what was wanted."""


class Executor(Protocol):
    """Gets work done somewhere.

    Attributes:
        n_workers: how many tasks it can work on at most
        n_free: how many more tasks it can work on now
        can_isolate: it can do a task whose device no other task uses meanwhile
    """

    @property
    def n_workers(self) -> int: ...

    @property
    def n_free(self) -> int: ...

    @property
    def can_isolate(self) -> bool: ...

    def submit(self, task: Task) -> Future[TrialResult]:
        """Start `task`. A future that raises means that its worker was lost."""

    def end(self, which: Callable[[Trial], bool]) -> None:
        """End the tasks under way of such trials, at the latest after an epoch: their workers count
        as lost. May be called in any thread, and again and again.
        """

    def stop(self) -> None:
        """Leave nothing running; work that was not finished keeps its last checkpoint."""


_WITHOUT_RESULT = (TaskState.LOST, TaskState.OUT_OF_MEMORY, TaskState.PREEMPTED)


@dataclass
class _Attempts:
    """What a trial has used up of what it may: seconds of its timeout, lost workers."""

    seconds: float = 0.0
    n_lost: int = 0


def drive(
    source: TaskSource, executor: Executor, retries: int, timeout: float | None = None
) -> None:
    """Ask, work, tell, until there is nothing left to ask.

    Args:
        retries: how often a trial whose worker was lost goes on from its checkpoint
        timeout: seconds that a trial may take over all of its tasks and retries

    Raises:
        TrackingLost, NoWorkers: what was finished is tracked, the rest can be resumed.
    """
    loop = _Loop(executor, retries, timeout, source.is_stopped)
    while True:
        # What has ended is told first: it decides what is asked for. A worker may be free a moment
        # before its result has arrived here.
        is_full = loop.n_running >= executor.n_workers or executor.n_free < 1
        if loop.has_result or is_full or (task := source.ask()) is None:
            if not loop.n_running:
                return
            if (result := loop.next_result()) is not None:
                source.tell(result)
        else:
            loop.start(task)


class _Loop:
    """Tasks under way, and what their trials have used up before."""

    def __init__(
        self,
        executor: Executor,
        retries: int,
        timeout: float | None,
        is_stopped: Callable[[Trial], bool],
    ) -> None:
        self.n_running = 0
        self._is_stopped = is_stopped
        self._executor = executor
        self._retries = retries
        self._timeout = timeout
        self._over: queue.SimpleQueue[tuple[Task, float, Future[TrialResult]]] = queue.SimpleQueue()
        self._attempts: dict[str, _Attempts] = {}

    def start(self, task: Task) -> None:
        if self._timeout is not None:
            spent = self._attempts.get(task.run_id, _Attempts()).seconds
            # Never nothing: a trial whose time is up before a task is told so by its worker.
            task = replace(task, timeout=max(self._timeout - spent, 1e-3))
        started = time.monotonic()
        self.n_running += 1
        # Each tells of its own end: asking all that run who has ended would take longer the more
        # there are.
        self._executor.submit(task).add_done_callback(
            lambda future: self._over.put((task, started, future))
        )

    @property
    def has_result(self) -> bool:
        return not self._over.empty()

    def next_result(self) -> TrialResult | None:
        """Wait for the end of a task; None if its trial has been started again."""
        task, started, future = self._over.get()
        self.n_running -= 1
        result = _result(future, task)
        if result.state == TaskState.UNTRACKED:
            raise TrackingLost(result.error)
        if result.state in _WITHOUT_RESULT and self._is_stopped(task.trial):
            result = replace(result, state=TaskState.STOPPED)
        attempts = self._attempts.setdefault(task.run_id, _Attempts())
        attempts.seconds += time.monotonic() - started if result.seconds is None else result.seconds
        if again := self._another_try(result, attempts):
            self.start(replace(again, fresh=False))
            return None
        if result.state != TaskState.ADVANCED:
            del self._attempts[task.run_id]
        is_lost = result.state in _WITHOUT_RESULT
        return replace(result, state=TaskState.LOST) if is_lost else result

    def _another_try(self, result: TrialResult, attempts: _Attempts) -> Task | None:
        task = result.task
        if result.state == TaskState.OUT_OF_MEMORY:
            alone = not task.alone and self._executor.can_isolate
            return replace(task, alone=True) if alone else None
        in_time = self._timeout is None or attempts.seconds < self._timeout
        if result.state == TaskState.PREEMPTED:
            return task if in_time else None
        if result.state != TaskState.LOST:
            return None
        attempts.n_lost += 1
        return task if attempts.n_lost <= self._retries and in_time else None


def _result(future: Future[TrialResult], task: Task) -> TrialResult:
    """The future's result; a worker that was lost is one, too."""
    try:
        return future.result()
    except TimeoutError:
        return TrialResult(task, TaskState.LOST, "timed out")
    except ProcessExpired as error:
        return TrialResult(task, TaskState.LOST, f"its worker {_cause_of_death(error.exitcode)}")
    except NoWorkers:
        raise
    except Exception as error:
        reason = mask(f"its worker was lost ({type(error).__name__}: {error})")
        return TrialResult(task, TaskState.LOST, reason)


def _cause_of_death(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return "was killed by SIGKILL (the kernel does that when memory runs out)"
    if exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"died with exit code {exit_code}"
