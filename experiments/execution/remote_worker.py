"""What a worker on another machine does besides its task: data, and a limit of time."""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from experiments.execution.messages import Event, Task, TaskState, TrialResult
from vae.components import user_code
from vae.components.component import Component
from vae.data import decoded
from vae.errors import BadInput

LAST_WORD_SECONDS = 5
"""That a worker has to say that its trial takes too long, before it ends itself."""


def advance_remotely(
    task: Task, report: Callable[[Event], None], give_up: Callable[[], None]
) -> TrialResult:
    """Do a task where its data may be missing.

    Args:
        give_up: called in another thread when the trial's time is up, to say so
    """
    from experiments.execution import worker  # and with it torch

    user_code.remember_all(task.code)
    try:
        _prepare_once(task.trial.configuration.component("dataset"), task.data_dir, task.data_path)
    except BadInput as error:  # this machine has no data; another may
        return TrialResult(task, TaskState.LOST, f"{error} (on {socket.gethostname()})")
    with _at_most(task.timeout, give_up):
        return worker.advance(task, report)


@functools.cache
def _prepare_once(dataset: Component, data_dir: str, path: Path | None) -> None:
    """The first worker of a machine fetches or decodes what is missing, the others wait for it."""
    decoded.prepare(dataset, Path(data_dir), path)


@contextlib.contextmanager
def _at_most(seconds: float | None, give_up: Callable[[], None]) -> Iterator[None]:
    """End this process if what is inside takes longer: interrupted anywhere, an import say, it
    would be of no use to the next trial.
    """
    if seconds is None:
        yield
        return

    def end() -> None:
        give_up()
        os._exit(1)

    alarm = threading.Timer(seconds, end)
    alarm.daemon = True
    alarm.start()
    # Also if the trial hangs in a place where no other thread of Python gets a turn.
    faulthandler.dump_traceback_later(seconds + 2 * LAST_WORD_SECONDS, exit=True)
    try:
        yield
    finally:
        alarm.cancel()
        faulthandler.cancel_dump_traceback_later()
