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


class Strikes:
    """The interrupts that were raised."""

    def __init__(self) -> None:
        self._first: KeyboardInterrupt | None = None

    def raise_(self, interrupt: KeyboardInterrupt) -> None:
        self._first = self._first or interrupt
        raise interrupt

    @contextlib.contextmanager
    def as_themselves(self) -> Iterator[None]:
        """Inside, an interrupt comes out as one, though pydantic makes an error of its own of what
        is raised while it calls back.
        """
        try:
            yield
        except Exception as error:
            if self._first is not None:
                raise self._first from error
            raise


@contextlib.contextmanager
def interruptible(deadline: float | None) -> Iterator[Strikes]:
    """SIGTERM and the end of the budget are a Ctrl-C; a second signal ends the process at once,
    but for the one of a notebook, in which there is more than this.

    In another thread than the main one, which gets no signals, there is nothing to do.

    Args:
        deadline: the end of the budget, as `time.monotonic` counts
    """
    if threading.current_thread() is not threading.main_thread():
        if deadline is not None:
            raise BadInput("--time-budget: works in the main thread only")
        yield Strikes()
        return

    strikes = Strikes()

    def on_signal(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if hasattr(sys.modules["__main__"], "__file__"):
            signal.signal(signal.SIGINT, _exit_at_once)
            signal.signal(signal.SIGTERM, _exit_at_once)
        strikes.raise_(OutOfTime() if number == signal.SIGALRM else KeyboardInterrupt())

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    previous = {number: signal.signal(number, on_signal) for number in numbers}
    if deadline is not None:
        signal.setitimer(signal.ITIMER_REAL, max(deadline - time.monotonic(), 1e-3))
    try:
        yield strikes
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _exit_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(EXIT_INTERRUPTED)
