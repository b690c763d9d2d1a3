"""What a person sees of a running sweep, on a real terminal and elsewhere."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from experiments.execution.messages import EpochDone, Notice, TaskState, TrialResult
from experiments.sweep.progress import Display, LiveDisplay, LogLines, display
from tests.execution.test_loop import task

METRICS = {f"{s}/{t}": 1.5 for s in ("train", "val") for t in ("loss", "reconstruction", "kl")}
METRICS |= {"val/return": -3.25, "epoch_seconds": 1}
EPOCH = EpochDone(1, "mlp3 sse s0", "c", 2, 15, METRICS)
FINISHED = TrialResult(task(0), TaskState.FINISHED, metrics={"best_epoch": 2.0, "return": -3.25})


class Terminal:
    """The other end of a pseudo-terminal that is this process's stderr meanwhile."""

    def __init__(self, controller: int) -> None:
        self._controller = controller
        self._written = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                got = os.read(self._controller, 65536)
            except OSError:  # the other end is closed
                os.close(self._controller)
                return
            self._written += got

    def shown(self) -> str:
        """All that was ever written to it, once it is closed."""
        self._reader.join(timeout=10)
        return self._written.decode()


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> Iterator[Terminal]:
    controller, terminal_end = pty.openpty()
    fcntl.ioctl(terminal_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    monkeypatch.setenv("TERM", "xterm")
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    seen = Terminal(controller)
    with open(terminal_end, "w", encoding="utf-8") as stderr:  # noqa: PTH123
        monkeypatch.setattr(sys, "stderr", stderr)
        # rich asks all three for the size, and pytest's stdin and stdout have another one.
        monkeypatch.setattr(sys, "__stdin__", stderr)
        monkeypatch.setattr(sys, "__stdout__", stderr)
        monkeypatch.setattr(sys, "__stderr__", stderr)
        yield seen


def show_everything(shown: Display, *events: EpochDone | Notice) -> None:
    with shown:
        for event in events:
            shown.on_event(event)
        shown.on_result(
            replace(FINISHED, state=TaskState.FAILED, error="[/2, /4]", metrics={}), 3, None
        )
        shown.on_result(FINISHED, 2, 90.0)


def test_a_terminal_shows_a_line_per_worker_and_a_bar_over_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with terminal(monkeypatch, width=120) as seen:
        shown = display(2)
        show_everything(shown, EPOCH, replace(EPOCH, worker=2, label="conv s1", device="cuda:1"))
    text = seen.shown()
    for words in ("mlp3 sse s0", "2/15", "val/return -3.25", "conv s1", "on cuda:1"):
        assert words in text
    assert "2/4" in text
    assert "1 failed, 1 min 30 s left" in text


@pytest.mark.parametrize("width", [30, 40, 60, 80])
def test_a_narrow_terminal_shows_what_is_trained_and_how_far(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal(monkeypatch, width) as seen:
        show_everything(display(1), EPOCH)
    assert "mlp3 sse s0" in seen.shown()
    assert " 2/15" in seen.shown()


@pytest.mark.parametrize("foreign", ["stages [/2, /4]", "[bold]x", "a \\[b", "[link=x]"])
def test_text_from_outside_is_no_markup(foreign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """github.com/Textualize/rich/issues/2636: a reason such as this ended the sweep.

    planemo#1643
    """
    failed = replace(FINISHED, state=TaskState.FAILED, error=f"ValueError: {foreign}", metrics={})
    with terminal(monkeypatch, width=120) as seen:
        shown = display(1)
        with shown:
            shown.on_event(replace(EPOCH, label=foreign))
            shown.on_event(Notice("x", foreign))
            shown.on_result(failed, 1, None)
    text = seen.shown()
    assert "the display failed" not in text
    assert text.count(foreign) >= 3


class Broken(LiveDisplay):
    """A display with a mistake in it."""

    def on_event(self, event: EpochDone | Notice) -> None:
        raise KeyError("val/return")


def test_a_display_that_fails_gives_way_to_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 14, item 21"""
    monkeypatch.setattr("experiments.sweep.progress.LiveDisplay", Broken)
    with terminal(monkeypatch, width=120) as seen:
        show_everything(display(1), EPOCH, EPOCH)
    text = seen.shown()
    assert text.count("the display failed (KeyError: 'val/return'); lines from here on") == 1
    assert text.count("mlp3 sse s0  epoch 2/15") == 2
    assert "[2/4] 0  finished" in text


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    shown = display(2)
    assert isinstance(shown, LogLines)
    show_everything(shown, EPOCH, Notice("x", "[/2]"))
    lines = capsys.readouterr().err.splitlines()
    assert "mlp3 sse s0  epoch 2/15  train 1.50 (reconstruction 1.50, kl 1.50)" in lines[0]
    assert lines[1].endswith("x  [/2]")
    assert lines[2].endswith("[1/4] 0  FAILED: [/2, /4]")
    assert lines[3].endswith("[2/4] 0  finished, return -3.250 at epoch 2  (1 min 30 s left)")
