"""One trial after another in the sweep's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from experiments.execution.devices import find_devices
from experiments.execution.engine import Engine, OpenEngine, Request, TaskEnded
from experiments.execution.listener import never_raising
from experiments.execution.messages import EpochDone, Event, Task, TaskState, TrialResult
from vae.configuration import Trial
from vae.errors import BadInput


class Serial:
    """One trial after another in this process, for debugging."""

    n_workers = 1
    n_free = 1
    can_isolate = False

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        from experiments.execution import worker

        self._advance = worker.advance
        self._on_event = never_raising(on_event)
        self._trial: Trial | None = None
        self._ended: Trial | None = None

    def submit(self, task: Task) -> Future[TrialResult]:
        future: Future[TrialResult] = Future()
        self._trial = task.trial
        try:
            future.set_result(self._advance(task, self._report))
        except TaskEnded:
            future.set_result(TrialResult(task, TaskState.LOST, "ended between two epochs"))
        finally:
            self._trial = None
        return future

    def _report(self, event: Event) -> None:
        self._on_event(event)
        if isinstance(event, EpochDone) and self._ended == self._trial:
            raise TaskEnded

    def end(self, which: Callable[[Trial], bool]) -> None:
        trial = self._trial
        if trial is not None and which(trial):
            self._ended = trial

    def stop(self) -> None: ...


@contextmanager
def _open(request: Request) -> Iterator[OpenEngine]:
    if len(find_devices(request.device)) > 1 and "," in request.device:
        raise BadInput(f"--device {request.device}: --engine serial computes on one")
    yield OpenEngine(1, lambda n_workers, on_event, workers_lock: Serial(on_event))


ENGINE = Engine(
    summary="one trial after another in this process, for debugging",
    options=(),
    n_workers=lambda request: 1,
    describe=lambda request: f"this process on {find_devices(request.device)[0].label}",
    open=_open,
)
