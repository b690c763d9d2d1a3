"""Trials in spawned processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.cli import positive_int
from experiments.execution.devices import Device, find_devices, spread
from experiments.execution.engine import (
    RETRIES,
    TIMEOUT,
    WORKERS,
    Engine,
    OpenEngine,
    Option,
    Request,
)
from experiments.execution.listener import never_raising
from experiments.execution.main_guard import check_main_is_guarded
from experiments.execution.messages import Event, Task, TaskState, TrialResult
from experiments.execution.process_worker import advance_in_worker, become_worker, holding, warm_up
from experiments.execution.resources import cpu_cores
from vae.configuration import Trial
from vae.errors import BadInput

if TYPE_CHECKING:
    from pebble import ProcessPool


class EarlyWorker:
    """A worker that imports what it needs while the parent still reads what is tracked: both take
    seconds. It belongs to no sweep yet.
    """

    def __init__(self, device: Device, tracking_uri: str = "") -> None:
        """Args: tracking_uri: where it will track; by default it learns that from its tasks"""
        self.tracking_uri = tracking_uri
        self.events, self.event_pipe = _SPAWN.Pipe(duplex=False)
        self._pool: ProcessPool | None = _new_pool(self.event_pipe, device, tracking_uri)

    def take(self) -> ProcessPool | None:
        """Its process, for whoever ends it."""
        pool, self._pool = self._pool, None
        return pool

    def stop(self) -> None:
        """Unless somebody has taken it."""
        if (pool := self.take()) is not None:
            pool.stop()
            pool.join()


_SPAWN = multiprocessing.get_context("spawn")


def _new_pool(event_pipe: Connection, device: Device, tracking_uri: str) -> ProcessPool:
    from pebble import ProcessPool  # takes its time to import, and a dry run needs none

    pool = ProcessPool(
        max_workers=1, initializer=become_worker, initargs=(event_pipe, device), context=_SPAWN
    )
    with _ctrl_c_ignored():  # also by the worker while it starts
        pool.schedule(warm_up, args=(tracking_uri,))
    return pool


@dataclass(eq=False)
class _Worker:
    """A process that belongs to a device for its life, as does the one that takes its place.

    Attributes:
        pool: of this one process. A pool's workers share locks, and one that is killed while it
            holds them takes the others with it; here it takes its own trial only.
        trial: that it works on
        future: of that task
        ending: it is being killed; whoever does that tells the future, and not its pool, which
            hears of it before the process is dead
    """

    pool: ProcessPool
    device: Device
    busy: bool = False
    trial: Trial | None = None
    future: Future[TrialResult] | None = None
    ending: bool = False


class Processes:
    """Spawned workers that live for the whole sweep, one trial at a time each.

    A task that is to have its device for itself closes the device: its workers take nothing new,
    and once all of them are idle, one does the task.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        on_event: Callable[[Event], None],
        workers_lock: Path,
        early: EarlyWorker | None = None,
    ) -> None:
        """Start a worker on each of `devices`, which may name one several times.

        Args:
            on_event: called with what the workers tell, in a thread of its own
            workers_lock: every worker holds it from its first task for as long as it lives
            early: a worker of the first device that has been started
        """
        early = early or EarlyWorker(devices[0])
        self._workers_lock, self._tracking_uri = workers_lock, early.tracking_uri
        self._events, self._event_pipe = early.events, early.event_pipe
        self._listener = threading.Thread(
            target=_listen, args=(self._events, never_raising(on_event)), daemon=True
        )
        self._listener.start()
        self._lock = threading.RLock()  # futures end in threads of their own
        self._workers = [
            _Worker(early.take() or self._new_pool(device), device) for device in devices
        ]
        self._closed: dict[Device, deque[tuple[Task, Future[TrialResult]]]] = {}
        self._ran_out_on: dict[str, Device] = {}
        self._replaced: list[ProcessPool] = []

    @property
    def n_workers(self) -> int:
        return len(self._workers)

    def _new_pool(self, device: Device) -> ProcessPool:
        return _new_pool(self._event_pipe, device, self._tracking_uri)

    @property
    def n_free(self) -> int:
        with self._lock:
            return len(self._free())

    def _free(self) -> list[_Worker]:
        return [w for w in self._workers if not w.busy and w.device not in self._closed]

    @property
    def can_isolate(self) -> bool:
        """Whether workers share a device."""
        return len({w.device for w in self._workers}) < len(self._workers)

    def submit(self, task: Task) -> Future[TrialResult]:
        future: Future[TrialResult] = Future()
        with self._lock:
            if task.alone:
                device = self._ran_out_on.pop(task.run_id)
                self._closed.setdefault(device, deque()).append((task, future))
                self._go_on_with_closed(device)
            else:
                self._start(self._free()[0], task, future)
        return future

    def _go_on_with_closed(self, device: Device) -> None:
        """Once nobody works on a closed device: its next task, or open it."""
        workers = [w for w in self._workers if w.device == device]
        if any(w.busy for w in workers):
            return
        if self._closed[device]:
            self._start(workers[0], *self._closed[device].popleft())
        else:
            del self._closed[device]

    def _start(self, worker: _Worker, task: Task, future: Future[TrialResult]) -> None:
        if not worker.pool.active:  # its process died
            self._replaced.append(worker.pool)
            worker.pool = self._new_pool(worker.device)
        worker.busy = True
        device = worker.device
        task = replace(task, device="cuda" if device.is_gpu else "cpu", device_label=device.label)
        scheduled: Future[TrialResult] = worker.pool.schedule(
            holding, args=(self._workers_lock, advance_in_worker, task), timeout=task.timeout
        )
        worker.trial, worker.future = task.trial, future
        scheduled.add_done_callback(lambda done: self._end(worker, task, done, future))

    def _end(
        self,
        worker: _Worker,
        task: Task,
        done: Future[TrialResult],
        future: Future[TrialResult],
    ) -> None:
        """The worker is free first: whoever waits for the future may ask for it at once."""
        error = CancelledError() if done.cancelled() else done.exception()
        with self._lock:
            if worker.ending:
                return
            if error is not None:
                worker.pool.stop()  # whatever state its locks are in
            elif done.result().state == TaskState.OUT_OF_MEMORY:
                self._ran_out_on[task.run_id] = worker.device
            self._free_again(worker)
        if error is None:
            future.set_result(done.result())
        else:
            future.set_exception(error)

    def _free_again(self, worker: _Worker) -> None:
        worker.busy, worker.trial, worker.future, worker.ending = False, None, None, False
        if worker.device in self._closed:
            self._go_on_with_closed(worker.device)

    def end(self, which: Callable[[Trial], bool]) -> None:
        """Their processes are killed, as at the end of a timeout; what waits is not begun."""
        with self._lock:
            killed = [w for w in self._workers if w.trial and not w.ending and which(w.trial)]
            for worker in killed:
                worker.ending = True
                worker.pool.stop()
            waiting = [self._take_back(entries, which) for entries in self._closed.values()]
        for future in chain.from_iterable(waiting):
            future.set_exception(CancelledError())
        for worker in killed:
            worker.pool.join()
            with self._lock:
                ended = worker.future
                self._free_again(worker)
            if ended is not None:
                ended.set_exception(CancelledError())

    @staticmethod
    def _take_back(
        entries: deque[tuple[Task, Future[TrialResult]]], which: Callable[[Trial], bool]
    ) -> list[Future[TrialResult]]:
        """The workers of the device are busy: when the last one ends, it is opened."""
        taken = [entry for entry in entries if which(entry[0].trial)]
        for entry in taken:
            entries.remove(entry)
        return [future for _, future in taken]

    def stop(self) -> None:
        pools = [worker.pool for worker in self._workers]
        for pool in pools:
            pool.stop()
        for pool in (*pools, *self._replaced):
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
    with events:  # however it ends: whoever tells nobody anything would wait for ever
        while True:
            try:
                event = events.recv()
            except (EOFError, OSError):
                return
            on_event(event)


WORKERS_PER_DEVICE = Option(
    "--workers-per-device",
    "N",
    "how many trials at once on each GPU, at most one per CPU core in all; default: 2",
    positive_int,
)
_WORKERS_PER_DEVICE = 2


@contextlib.contextmanager
def _open(request: Request) -> Iterator[OpenEngine]:
    check_main_is_guarded()
    devices, n_workers = find_devices(request.device), _n_workers(request)
    # The parent needs a core for itself meanwhile.
    early = EarlyWorker(devices[0], request.stores.tracking_uri) if cpu_cores() > 1 else None
    try:
        yield OpenEngine(
            n_workers,
            lambda n_workers, on_event, workers_lock: Processes(
                spread(devices, n_workers), on_event, workers_lock, early
            ),
        )
    finally:
        if early is not None:
            early.stop()


def _n_workers(request: Request) -> int:
    devices = find_devices(request.device)
    n, per_device = request.options["workers"], request.options["workers_per_device"]
    if per_device is not None and n is not None:
        raise BadInput("--workers-per-device: give it or --workers, not both")
    if devices[0].is_gpu:
        return n or min(len(devices) * (per_device or _WORKERS_PER_DEVICE), cpu_cores())
    if per_device is not None:
        raise BadInput("--workers-per-device: no GPU is used here; give --workers")
    return n or cpu_cores()


def _describe(request: Request) -> str:
    devices = find_devices(request.device)
    n_workers = _n_workers(request)
    used = ", ".join(device.label for device in devices[:n_workers])
    return f"{n_workers} process{'' if n_workers == 1 else 'es'} on {used}"


ENGINE = Engine(
    summary=f"one process per worker, by default one worker per CPU core, here {cpu_cores()}",
    options=(WORKERS, RETRIES, TIMEOUT, WORKERS_PER_DEVICE),
    n_workers=_n_workers,
    describe=_describe,
    open=_open,
)
