"""Getting work done: one loop over one protocol, and the engines that it drives."""

from __future__ import annotations

import queue
import signal
from collections import Counter
from concurrent.futures import Future, TimeoutError
from dataclasses import replace
from typing import Protocol

from pebble import ProcessExpired

from experiments.execution.messages import Task, TrialResult
from experiments.secrets import mask
from experiments.tracking.errors import TrackingLost


class Proposer(Protocol):
    """Decides what is to be done: a grid, a study."""

    def ask(self) -> Task | None:
        """The next task; None while there is none until more has been told."""

    def tell(self, result: TrialResult) -> None:
        """Take note of what became of a task."""


class Executor(Protocol):
    """Gets work done somewhere."""

    capacity: int
    """How many pieces it works on at once."""

    def submit(self, task: Task) -> Future[TrialResult]:
        """Start `work`. A future that raises means that its worker was lost."""

    def stop(self) -> None:
        """Leave nothing running; work that was not finished keeps its last checkpoint."""


def drive(proposer: Proposer, executor: Executor, retries: int) -> None:
    """Ask, work, tell, until there is nothing left to ask.

    Args:
        retries: how often a trial whose worker was lost goes on from its checkpoint

    Raises:
        TrackingLost: what was finished is tracked, the rest can be resumed.
    """
    over: queue.SimpleQueue[tuple[Task, Future[TrialResult]]] = queue.SimpleQueue()
    losses: Counter[str] = Counter()
    n_running = 0

    def start(task: Task) -> None:
        # Each tells of its own end: asking all that run who has ended would take longer the more
        # there are.
        executor.submit(task).add_done_callback(lambda future: over.put((task, future)))

    while True:
        while n_running < executor.capacity and (next_work := proposer.ask()) is not None:
            start(next_work)
            n_running += 1
        if not n_running:
            return
        task, future = over.get()
        result = _result(future, task)
        if result.state == "untracked":
            raise TrackingLost(result.error)
        if result.state == "lost":
            losses[task.run_id] += 1
            if losses[task.run_id] <= retries:
                start(replace(task, fresh=False))
                continue
        n_running -= 1
        proposer.tell(result)


def _result(future: Future[TrialResult], task: Task) -> TrialResult:
    """The future's result; a worker that was lost is one, too."""
    try:
        return future.result()
    except TimeoutError:
        return TrialResult(task, "lost", "timed out")
    except ProcessExpired as error:
        return TrialResult(task, "lost", f"its worker {_cause_of_death(error.exitcode)}")
    except Exception as error:
        reason = mask(f"its worker was lost ({type(error).__name__}: {error})")
        return TrialResult(task, "lost", reason)


def _cause_of_death(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return "was killed by SIGKILL (the kernel does that when memory runs out)"
    if exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"died with exit code {exit_code}"
