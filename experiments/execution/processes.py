"""Trials in spawned processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.execution.devices import check_device
from experiments.execution.engine import RETRIES, TIMEOUT, WORKERS, Engine, OpenEngine, Request
from experiments.execution.locks import join_workers
from experiments.execution.messages import Event, Task, TrialResult
from experiments.execution.resources import cpu_cores

if TYPE_CHECKING:
    from pebble import ProcessPool


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
            timeout: seconds that a task may take
        """
        self._workers_lock = workers_lock
        self.capacity = n_workers
        self._timeout = timeout
        self._context = multiprocessing.get_context("spawn")
        self._events, self._event_pipe = self._context.Pipe(duplex=False)
        self._listener = threading.Thread(
            target=_listen, args=(self._events, on_event), daemon=True
        )
        self._listener.start()
        self._pools = [self._new_pool() for _ in range(n_workers)]
        # A future is done a moment before its callback has made its pool idle: wait for that.
        self._idle: queue.LifoQueue[ProcessPool] = queue.LifoQueue()
        for pool in self._pools:
            self._idle.put(pool)

    def _new_pool(self) -> ProcessPool:
        from pebble import ProcessPool  # takes its time to import, and a dry run needs none

        pool = ProcessPool(
            max_workers=1,
            initializer=_become_worker,
            initargs=(self._event_pipe, self._workers_lock),
            context=self._context,
        )
        with _ctrl_c_ignored():  # also by the worker while it starts
            pool.schedule(_warm_up)
        return pool

    def submit(self, task: Task) -> Future[TrialResult]:
        pool = self._idle.get(timeout=60)
        if not pool.active:  # its worker died while it had nothing to do
            pool = self._replace(pool)
        future: Future[TrialResult] = pool.schedule(
            _advance_in_worker, args=(task,), timeout=self._timeout
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
        self._event_pipe.close()
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


def _listen(events: Connection, on_event: Callable[[Event], None]) -> None:
    """Pass on what the workers tell until the last of them, and the parent, hung up."""
    while True:
        try:
            event = events.recv()
        except (EOFError, OSError):
            return
        on_event(event)


@contextlib.contextmanager
def _open(request: Request) -> Iterator[OpenEngine]:
    check_device(request.device)
    timeout = request.options["timeout"]
    yield OpenEngine(
        _n_workers(request),
        lambda n_workers, on_event, workers_lock: Processes(
            n_workers, on_event, workers_lock, timeout
        ),
    )


def _n_workers(request: Request) -> int:
    return request.options["workers"] or cpu_cores()


ENGINE = Engine(
    summary=f"one process per worker, by default one worker per CPU core, here {cpu_cores()}",
    options=(WORKERS, RETRIES, TIMEOUT),
    n_workers=_n_workers,
    open=_open,
)


# What follows runs in the worker.


_event_pipe: Connection | None = None


def _become_worker(event_pipe: Connection, workers_lock: Path) -> None:
    global _event_pipe
    _event_pipe = event_pipe
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
    import experiments.execution.worker  # noqa: F401


def _advance_in_worker(task: Task) -> TrialResult:
    from experiments.execution import worker

    return worker.advance(task, _send)


def _send(event: Event) -> None:
    """All workers share one pipe without a lock: a message this small is written whole or not."""
    if _event_pipe is not None:
        with contextlib.suppress(OSError):  # the parent is gone, and so are we in a moment
            _event_pipe.send(event)
