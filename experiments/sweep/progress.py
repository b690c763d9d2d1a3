"""What a person sees of a running sweep: a live display on a terminal, log lines elsewhere."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from experiments.cli import plain_console
from experiments.execution.messages import EpochDone, Event, Notice, TaskState, TrialResult
from experiments.formatting import duration
from experiments.secrets import mask

_NARROW, _WIDE = 60, 90
"""Columns of a terminal from which there is room for notes, and for a bar."""


class Display(Protocol):
    def __enter__(self) -> Display: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def on_event(self, event: Event) -> None: ...
    def on_result(self, result: TrialResult, n_left: int, seconds_left: float | None) -> None: ...


def display(n_workers: int) -> Display:
    """The display that suits stderr, or a notebook."""
    live = sys.stderr.isatty() or _is_live_notebook()
    return LinesInstead(LiveDisplay(n_workers)) if live else LogLines()


def _is_live_notebook() -> bool:
    """Jupyter changes what it has shown with the help of ipywidgets; without, it shows lines."""
    return Console().is_jupyter and importlib.util.find_spec("ipywidgets") is not None


def describe_epoch(metrics: Mapping[str, float]) -> str:
    """Total = reconstruction + KL, per image, as the reference prints them."""

    def terms(split: str) -> str:
        loss, reconstruction, kl = (
            metrics[f"{split}/{term}"] for term in ("loss", "reconstruction", "kl")
        )
        return f"{split} {loss:.2f} (reconstruction {reconstruction:.2f}, kl {kl:.2f})"

    return f"{terms('train')}  {terms('val')}  {metrics['epoch_seconds']:.1f} s"


def describe_result(result: TrialResult) -> str:
    if result.state == TaskState.FINISHED:
        best = int(result.metrics["best_epoch"])
        return f"finished, return {result.metrics['return']:.3f} at epoch {best}"
    if result.state == TaskState.STOPPED:
        return f"pruned: {result.error}"
    return f"FAILED: {result.error}"


class LogLines:
    """One line per epoch and per trial."""

    def __init__(self) -> None:
        self._n_done = 0

    def __enter__(self) -> LogLines:
        return self

    def __exit__(self, *_: object) -> None: ...

    def on_event(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            where = "" if event.device == "cpu" else f"  on {event.device}"
            self._say(
                f"{event.label}  epoch {event.epoch}/{event.epochs}  "
                f"{describe_epoch(event.metrics)}{where}"
            )
        else:
            self._say(f"{event.label}  {event.text}")

    def on_result(self, result: TrialResult, n_left: int, seconds_left: float | None) -> None:
        self._n_done += 1
        left = f"  ({duration(seconds_left)} left)" if seconds_left else ""
        self._say(
            f"[{self._n_done}/{self._n_done + n_left}] {result.task.label}  "
            f"{describe_result(result)}{left}"
        )

    def _say(self, line: str) -> None:
        # One write, so that lines of two threads do not mix.
        with contextlib.suppress(OSError):  # whoever listened has left; the sweep goes on
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
            sys.stderr.flush()


class LiveDisplay:
    """A bar over all trials and a line per worker.

    Labels, notices and reasons come from outside: nothing in them is markup.
    """

    def __init__(self, n_workers: int) -> None:
        console = plain_console(stderr=True)
        self._progress = Progress(*_columns(console.width), console=console)
        self._overall = self._progress.add_task("trials", total=None, note="")
        self._workers: dict[int, TaskID] = {}
        self._labels: dict[int, str] = {}
        self._n_failed = 0
        self._n_workers = n_workers
        self._n_done = 0

    def __enter__(self) -> LiveDisplay:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_event(self, event: Event) -> None:
        if not isinstance(event, EpochDone):
            self._print(f"{event.label}: {event.text}", "yellow")
            return
        if event.worker not in self._workers:
            if len(self._workers) == self._n_workers:  # a new process in the place of a lost one
                self._drop_a_lost_worker()
            self._workers[event.worker] = self._progress.add_task("", note="")
        self._labels[event.worker] = event.label
        where = "" if event.device == "cpu" else f" on {event.device}"
        self._progress.update(
            self._workers[event.worker],
            description=event.label,
            completed=event.epoch,
            total=event.epochs,
            note=f"val/return {event.metrics['val/return']:.2f}{where}",
        )

    def _print(self, text: str, style: str) -> None:
        self._progress.console.print(Text(text, style))

    def _drop_a_lost_worker(self) -> None:
        lost = next(iter(self._workers))
        self._progress.remove_task(self._workers.pop(lost))
        self._labels.pop(lost)

    def on_result(self, result: TrialResult, n_left: int, seconds_left: float | None) -> None:
        self._n_done += 1
        if result.state != TaskState.FINISHED:
            failed = result.state != TaskState.STOPPED
            self._n_failed += failed
            text = f"{result.task.label}: {describe_result(result)}"
            self._print(text, "red" if failed else "yellow")
        n_failed = f"{self._n_failed} failed" if self._n_failed else ""
        left = f"{duration(seconds_left)} left" if seconds_left else ""
        note = ", ".join(part for part in (n_failed, left) if part)
        total = self._n_done + n_left
        self._progress.update(self._overall, completed=self._n_done, total=total, note=note)


def _columns(width: int) -> list[ProgressColumn]:
    """What fits into a terminal of so many characters; what is trained and how far always does."""
    label = TextColumn("{task.description}", markup=False)
    note = TextColumn("{task.fields[note]}", style="dim", markup=False)
    if width < _NARROW:
        return [label, MofNCompleteColumn()]
    columns = [label, MofNCompleteColumn(), note, TimeElapsedColumn()]
    return columns if width < _WIDE else [label, BarColumn(bar_width=20), *columns[1:]]


class LinesInstead:
    """A display until it fails; then lines. What is shown is no reason to end a sweep."""

    def __init__(self, shown: Display) -> None:
        self._shown = shown

    def __enter__(self) -> LinesInstead:
        self._shown.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._shown.__exit__(kind, error, trace)

    def on_event(self, event: Event) -> None:
        self._try(lambda shown: shown.on_event(event))

    def on_result(self, result: TrialResult, n_left: int, seconds_left: float | None) -> None:
        self._try(lambda shown: shown.on_result(result, n_left, seconds_left))

    def _try(self, show: Callable[[Display], None]) -> None:
        try:
            show(self._shown)
        except Exception as error:
            if isinstance(self._shown, LogLines):
                raise
            with contextlib.suppress(Exception):  # it has failed already
                self._shown.__exit__(None, None, None)
            self._shown = LogLines()
            text = f"the display failed ({type(error).__name__}: {error}); lines from here on"
            self._shown.on_event(Notice("warning", mask(text)))
            show(self._shown)


@contextlib.contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show on stderr how far a count has come: a bar on a terminal, a line per tenth elsewhere.

    Yields what is to be told of every few more.
    """
    if not sys.stderr.isatty():
        yield _Tenths(what, total)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=plain_console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda n: progress.advance(task, n)


class _Tenths:
    """One line at every tenth of a count, with the time that is left."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._done = 0
        self._started = time.monotonic()

    def __call__(self, n: int) -> None:
        before, self._done = self._done, self._done + n
        if before * 10 // self._total < self._done * 10 // self._total:
            spent = time.monotonic() - self._started
            left = duration(spent / self._done * (self._total - self._done))
            print(f"{self._what}  {self._done}/{self._total}  {left} left", file=sys.stderr)


@contextlib.contextmanager
def counting_images() -> Iterator[Callable[[str, int, int], None]]:
    """Show on stderr how far the decoding of a data set is, once it takes longer than a moment.

    Yields what is to be told: what is being done, how many are done, of how many.
    """
    with contextlib.ExitStack() as shown:
        yield _ImageCount(shown)


class _ImageCount:
    _MOMENT = 1.0

    def __init__(self, shown: contextlib.ExitStack) -> None:
        self._shown = shown
        self._what, self._done, self._started = "", 0, 0.0
        self._advance: Callable[[int], None] | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        if not total:  # waiting for somebody else
            print(what, file=sys.stderr)
            return
        if what != self._what:
            self._shown.close()
            self._what, self._done, self._started = what, 0, time.monotonic()
            self._advance = None
        if self._advance is None and time.monotonic() - self._started > self._MOMENT:
            self._advance = self._shown.enter_context(counting(what, total))
        if self._advance is not None:
            self._advance(done - self._done)
            self._done = done
