"""What a person stops in MLflow's pages while a sweep runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from experiments.execution.loop import Executor
from experiments.tracking.errors import TrackingLost, TrackingRefused
from experiments.tracking.run_record import Stops
from vae.configuration import Trial

LOOK_SECONDS = 5.0
"""Between two looks; a stop is to be seen within 15 seconds, also on a server that is slow."""

_LAST_LOOK_SECONDS = 3.0


class StopWatch:
    """Asks MLflow now and then, in a thread of its own, what is to be trained no more."""

    def __init__(self, ask: Callable[[], Stops], known: Stops) -> None:
        """Args: known: when the sweep starts"""
        self._ask = ask
        self._stops = known
        self._over = threading.Event()

    def is_stopped(self, trial: Trial) -> bool:
        """As of the last look."""
        return bool(self._stops) and trial in self._stops

    @contextlib.contextmanager
    def ending_tasks_of(self, executor: Executor) -> Iterator[None]:
        """Inside, tasks of what is stopped are ended."""
        thread = threading.Thread(target=self._watch, args=(executor,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(timeout=_LAST_LOOK_SECONDS)  # a server that is away may hold it longer

    def _watch(self, executor: Executor) -> None:
        while not self._over.wait(LOOK_SECONDS):
            # While the store is away there is nothing to see; the sweep itself waits for it.
            with contextlib.suppress(TrackingLost, TrackingRefused):
                self._stops = self._ask()
            if self._stops and not self._over.is_set():
                executor.end(self.is_stopped)
