"""What runs on the nodes of a Ray cluster: a trial in each task, and one actor for their news."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.execution.locks import join_workers
from experiments.execution.messages import EpochDone, Event, Task, TrialResult
from experiments.execution.remote_worker import LAST_WORD_SECONDS, advance_remotely


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
    _join_once(workers_lock)
    return advance_remotely(
        task,
        functools.partial(_tell, event_queue),
        give_up=lambda: _time_out(event_queue, task.run_id),
    )


@functools.cache
def _join_once(workers_lock: Path) -> None:
    """A second sweep on the parent's machine waits for those of a first one that was killed.

    On another machine, which has no such folder, there is no such sweep.
    """
    if workers_lock.parent.exists():
        join_workers(workers_lock)


def _time_out(event_queue: Any, run_id: str) -> None:
    import ray

    with contextlib.suppress(ray.exceptions.RayError):
        ray.get(event_queue.time_out.remote(run_id), timeout=LAST_WORD_SECONDS)


def _tell(event_queue: Any, event: Event) -> None:
    """Nobody waits for an answer: a worker that waits gives its CPU to another."""
    if isinstance(event, EpochDone):  # process ids are of a node, this is of the cluster
        event = replace(event, worker=_worker_number())
    event_queue.tell.remote(event)


@functools.cache
def _worker_number() -> int:
    import ray

    return int(ray.get_runtime_context().get_worker_id()[:12], 16)
