"""What ends a sweep before its end: Ctrl-C, SIGTERM, a budget of time."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

from experiments.cli import EXIT_INTERRUPTED
from vae.errors import BadInput


class OutOfTime(KeyboardInterrupt):
    """The budget of time is used up; whoever takes care of a Ctrl-C takes care of this."""


@contextlib.contextmanager
def interruptible(deadline: float | None) -> Iterator[None]:
    """SIGTERM and the end of the budget are a Ctrl-C; a second signal ends the process at once,
    but for the one of a notebook, in which there is more than this.

    In another thread than the main one, which gets no signals, there is nothing to do.

    Args:
        deadline: the end of the budget, as `time.monotonic` counts
    """
    if threading.current_thread() is not threading.main_thread():
        if deadline is not None:
            raise BadInput("--time-budget: works in the main thread only")
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if hasattr(sys.modules["__main__"], "__file__"):
            signal.signal(signal.SIGINT, _exit_at_once)
            signal.signal(signal.SIGTERM, _exit_at_once)
        raise OutOfTime if number == signal.SIGALRM else KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    previous = {number: signal.signal(number, on_signal) for number in numbers}
    if deadline is not None:
        signal.setitimer(signal.ITIMER_REAL, max(deadline - time.monotonic(), 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _exit_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(EXIT_INTERRUPTED)
