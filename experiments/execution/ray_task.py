"""What runs on the nodes of a Ray cluster: a trial in each task, and one actor for their news."""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.execution.locks import join_workers
from experiments.execution.messages import EpochDone, Event, Task, TrialResult
from vae import decoded, user_code
from vae.components import Component
from vae.errors import BadInput

_LAST_WORD_SECONDS = 5
"""That a worker has to say that its trial takes too long, before it ends itself."""


class EventQueue:
    """Where workers leave their news and the parent fetches them: an actor on its node."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._timed_out: set[str] = set()

    def tell(self, event: Event) -> None:
        self._events.append(event)

    def read(self) -> list[Event]:
        """What has come in since it was read last."""
        events, self._events = self._events, []
        return events

    def time_out(self, run_id: str) -> None:
        """A worker's last word: it is about to end itself and what it works on."""
        self._timed_out.add(run_id)

    def why_lost(self, run_id: str, otherwise: str) -> str:
        if run_id not in self._timed_out:
            return otherwise
        self._timed_out.remove(run_id)
        return "timed out"


def advance_on_node(task: Task, workers_lock: Path, event_queue: Any) -> TrialResult:
    from experiments.execution import worker

    _join_once(workers_lock)
    user_code.remember_all(task.code)
    try:
        _prepare_once(task.trial.configuration.component("dataset"), task.data_dir, task.data_path)
    except BadInput as error:  # this node has no data; another may
        return TrialResult(task, "lost", f"{error} (on {socket.gethostname()})")
    with _at_most(task.timeout, lambda: _time_out(event_queue, task.run_id)):
        return worker.advance(task, functools.partial(_tell, event_queue))


@functools.cache
def _join_once(workers_lock: Path) -> None:
    """A second sweep on the parent's machine waits for those of a first one that was killed.

    On another machine, which has no such folder, there is no such sweep.
    """
    if workers_lock.parent.exists():
        join_workers(workers_lock)


@functools.cache
def _prepare_once(dataset: Component, data_dir: str, path: Path | None) -> None:
    """The first worker of a node fetches or decodes what is missing, the others wait for it."""
    decoded.prepare(dataset, Path(data_dir), path)


@contextlib.contextmanager
def _at_most(seconds: float | None, give_up: Callable[[], None]) -> Iterator[None]:
    """End this process if what is inside takes longer: interrupted anywhere, an import say, it
    would be of no use to the next trial.
    """
    if seconds is None:
        yield
        return
    alarm = threading.Timer(seconds, give_up)
    alarm.daemon = True
    alarm.start()
    # Also if the trial hangs in a place where no other thread of Python gets a turn.
    faulthandler.dump_traceback_later(seconds + 2 * _LAST_WORD_SECONDS, exit=True)
    try:
        yield
    finally:
        alarm.cancel()
        faulthandler.cancel_dump_traceback_later()


def _time_out(event_queue: Any, run_id: str) -> None:
    import ray

    with contextlib.suppress(ray.exceptions.RayError):
        ray.get(event_queue.time_out.remote(run_id), timeout=_LAST_WORD_SECONDS)
    os._exit(1)


def _tell(event_queue: Any, event: Event) -> None:
    """Nobody waits for an answer: a worker that waits gives its CPU to another."""
    if isinstance(event, EpochDone):  # process ids are of a node, this is of the cluster
        event = replace(event, worker=_worker_number())
    event_queue.tell.remote(event)


@functools.cache
def _worker_number() -> int:
    import ray

    return int(ray.get_runtime_context().get_worker_id()[:12], 16)
