"""Workers block when nobody reads what they tell: whoever reads goes on, whatever happens."""

from __future__ import annotations

import multiprocessing
import pickle
import threading

import pytest

from experiments.execution.listener import never_raising
from experiments.execution.messages import Event, Notice
from experiments.execution.processes import _listen

N_EVENTS = 5_000
"""More than a pipe holds."""


def test_an_exception_in_the_display_does_not_stop_the_listener(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Issue 14, item 21"""
    seen: list[Event] = []

    def on_event(event: Event) -> None:
        seen.append(event)
        raise ValueError("a display with a mistake in it")

    events, pipe = multiprocessing.Pipe(duplex=False)
    listener = threading.Thread(target=_listen, args=(events, never_raising(on_event)), daemon=True)
    listener.start()

    def tell() -> None:
        for i in range(N_EVENTS):
            pipe.send(Notice("x", str(i)))
        pipe.close()

    worker = threading.Thread(target=tell, daemon=True)
    worker.start()
    worker.join(timeout=60)
    listener.join(timeout=60)
    assert not worker.is_alive(), "it waits for somebody to read"
    assert len(seen) == N_EVENTS
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "ValueError: a display with a mistake in it" in said


def test_a_listener_that_cannot_go_on_leaves_nobody_waiting() -> None:
    """Issue 14, item 21: such as by what cannot be read as an event."""
    events, pipe = multiprocessing.Pipe(duplex=False)
    pipe.send_bytes(b"no event")
    with pytest.raises(pickle.UnpicklingError):
        _listen(events, lambda event: None)
    with pytest.raises(OSError):
        pipe.send(Notice("x", "y"))
