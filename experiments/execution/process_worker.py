"""What runs in a spawned process: a worker of this machine, for the whole sweep."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from experiments.execution.devices import Device
from experiments.execution.locks import join_workers
from experiments.execution.messages import Event, Task, TrialResult

_event_pipe: Connection | None = None


def become_worker(event_pipe: Connection, device: Device) -> None:
    """Before its first task."""
    global _event_pipe
    # Before torch is imported, so that this process knows of no other GPU; not in the parent's
    # environment, from which pebble starts a process anew whenever it finds one dead.
    os.environ["CUDA_VISIBLE_DEVICES"] = device.visible
    _event_pipe = event_pipe
    _check_parent()
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _check_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():  # it died while this process was starting
        os._exit(1)


def _die_with_parent() -> None:
    """A worker that outlived its parent would write to a run that has been taken over."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)


def warm_up(tracking_uri: str) -> None:
    """Import what takes seconds before there is work."""
    import experiments.execution.worker  # noqa: F401
    from experiments.tracking.retries import import_store

    import_store(tracking_uri)


def holding(workers_lock: Path, advance: Callable[[Task], TrialResult], task: Task) -> TrialResult:
    """Do a task with the lock in hand that tells the next sweep that somebody still works."""
    _join_once(workers_lock)
    return advance(task)


@functools.cache
def _join_once(workers_lock: Path) -> None:
    join_workers(workers_lock)
    _check_parent()  # or another sweep may have begun in between


def advance_in_worker(task: Task) -> TrialResult:
    from experiments.execution import worker

    return worker.advance(task, _send)


def _send(event: Event) -> None:
    """All workers share one pipe without a lock: a message this small is written whole or not."""
    if _event_pipe is not None:
        with contextlib.suppress(OSError):  # the parent is gone, and so are we in a moment
            _event_pipe.send(event)
