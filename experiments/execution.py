"""Getting work done: one loop over one protocol, and the engines that it drives."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, TimeoutError
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from pebble import ProcessExpired, ProcessPool

from experiments.locks import join_workers
from experiments.masking import mask
from experiments.tracking import TrackingLost
from experiments.work import Event, Share, TrialResult, Work


class Proposer(Protocol):
    """Decides what is to be done: a grid, a study."""

    def ask(self) -> Work | None:
        """The next piece of work; None while there is none until more has been told."""

    def tell(self, result: TrialResult) -> None:
        """Take note of what became of a piece of work."""


class Executor(Protocol):
    """Gets work done somewhere."""

    capacity: int
    """How many pieces it works on at once."""

    def submit(self, work: Work) -> Future[TrialResult]:
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
    over: queue.SimpleQueue[tuple[Work, Future[TrialResult]]] = queue.SimpleQueue()
    losses: Counter[str] = Counter()
    n_running = 0

    def start(work: Work) -> None:
        # Each tells of its own end: asking all that run who has ended would take longer the more
        # there are.
        executor.submit(work).add_done_callback(lambda future: over.put((work, future)))

    while True:
        while n_running < executor.capacity and (next_work := proposer.ask()) is not None:
            start(next_work)
            n_running += 1
        if not n_running:
            return
        work, future = over.get()
        result = _result(future, work)
        if result.state == "untracked":
            raise TrackingLost(result.error)
        if result.state == "lost":
            losses[work.run_id] += 1
            if losses[work.run_id] <= retries:
                start(replace(work, fresh=False))
                continue
        n_running -= 1
        proposer.tell(result)


def _result(future: Future[TrialResult], work: Work) -> TrialResult:
    """The future's result; a worker that was lost is one, too."""
    try:
        return future.result()
    except TimeoutError:
        return TrialResult(work, "lost", "timed out")
    except ProcessExpired as error:
        return TrialResult(work, "lost", f"its worker {_cause_of_death(error.exitcode)}")
    except Exception as error:
        reason = mask(f"its worker was lost ({type(error).__name__}: {error})")
        return TrialResult(work, "lost", reason)


def _cause_of_death(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return "was killed by SIGKILL (the kernel does that when memory runs out)"
    if exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"died with exit code {exit_code}"


# ------------------------------------------------------------------------ in this process


class Serial:
    """One trial after another in this process, for debugging."""

    capacity = 1

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        from experiments import worker

        self._advance = worker.advance
        self._on_event = on_event

    def submit(self, work: Work) -> Future[TrialResult]:
        future: Future[TrialResult] = Future()
        future.set_result(self._advance(work, self._on_event))
        return future

    def stop(self) -> None: ...


# --------------------------------------------------------------------- in many processes


class Processes:
    """Spawned workers that live for the whole sweep, one trial at a time each.

    Every worker has a pool of its own. A pool's workers share locks, and one that is killed
    while it holds them takes the others with it; here it takes its own trial only.
    """

    def __init__(
        self,
        n_workers: int,
        on_event: Callable[[Event], None],
        workers_lock: Path,
        timeout: float | None = None,
    ) -> None:
        """Start the workers.

        Args:
            on_event: called with what the workers tell, in a thread of its own
            workers_lock: every worker holds it for as long as it lives
            timeout: seconds that a piece of work may take
        """
        self._workers_lock = workers_lock
        self.capacity = n_workers
        self._timeout = timeout
        self._context = multiprocessing.get_context("spawn")
        self._news, self._newsroom = self._context.Pipe(duplex=False)
        self._listener = threading.Thread(target=_listen, args=(self._news, on_event), daemon=True)
        self._listener.start()
        self._pools = [self._new_pool() for _ in range(n_workers)]
        # A future is done a moment before its callback has made its pool idle: wait for that.
        self._idle: queue.LifoQueue[ProcessPool] = queue.LifoQueue()
        for pool in self._pools:
            self._idle.put(pool)

    def _new_pool(self) -> ProcessPool:
        pool = ProcessPool(
            max_workers=1,
            initializer=_become_worker,
            initargs=(self._newsroom, self._workers_lock),
            context=self._context,
        )
        with _ctrl_c_ignored():  # also by the worker while it starts
            pool.schedule(_warm_up)
        return pool

    def submit(self, work: Work) -> Future[TrialResult]:
        pool = self._idle.get(timeout=60)
        if not pool.active:  # its worker died while it had nothing to do
            pool = self._replace(pool)
        future: Future[TrialResult] = pool.schedule(
            _advance_in_worker, args=(work,), timeout=self._timeout
        )
        future.add_done_callback(lambda done: self._release(pool, done))
        return future

    def _release(self, pool: ProcessPool, done: Future[TrialResult]) -> None:
        if not done.cancelled() and done.exception() is not None:
            pool.stop()  # whatever state its locks are in
        self._idle.put(pool)

    def _replace(self, pool: ProcessPool) -> ProcessPool:
        pool.stop()
        pool.join()
        self._pools.remove(pool)
        self._pools.append(self._new_pool())
        return self._pools[-1]

    def stop(self) -> None:
        for pool in self._pools:
            pool.stop()
        for pool in self._pools:
            pool.join()
        self._newsroom.close()
        self._listener.join(timeout=5)


@contextlib.contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _listen(news: Connection, on_event: Callable[[Event], None]) -> None:
    """Pass on what the workers tell until the last of them, and the parent, hung up."""
    while True:
        try:
            event = news.recv()
        except (EOFError, OSError):
            return
        on_event(event)


# What follows runs in the worker.

_newsroom: Connection | None = None


def _become_worker(newsroom: Connection, workers_lock: Path) -> None:
    global _newsroom
    _newsroom = newsroom
    join_workers(workers_lock)
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():  # it died while this process was starting
        os._exit(1)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A worker that outlived its parent would write to a run that has been taken over."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)


def _warm_up() -> None:
    """Import what takes seconds before there is work."""
    import experiments.worker  # noqa: F401


def _advance_in_worker(work: Work) -> TrialResult:
    from experiments import worker

    return worker.advance(work, _send)


def _send(event: Event) -> None:
    """All workers share one pipe without a lock: a message this small is written whole or not."""
    if _newsroom is not None:
        with contextlib.suppress(OSError):  # the parent is gone, and so are we in a moment
            _newsroom.send(event)


def start(
    engine: str,
    n_workers: int,
    on_event: Callable[[Event], None],
    workers_lock: Path,
    timeout: float | None,
    share: Share,
) -> Executor:
    """The engine of that name, started; `ray` inside `ray_engine.joined`."""
    if engine == "ray":
        from experiments.ray_engine import Ray  # and only then ray itself

        return Ray(n_workers, on_event, workers_lock, timeout, share)
    engines: dict[str, Callable[[], Executor]] = {
        "serial": lambda: Serial(on_event),
        "processes": lambda: Processes(n_workers, on_event, workers_lock, timeout),
    }
    return engines[engine]()
