"""What failed in an experiment, and why: its failed trials, grouped by equal causes."""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from rich.text import Text

from experiments.analysis.trial_columns import varying_fields
from experiments.cli import plain_console
from experiments.formatting import count
from experiments.reporting.findings import describe_fields
from experiments.tracking.reader import Reader

_END_FRAMES, _END_LINES = 2, 12
"""Of a traceback, what is shown: the innermost calls, and of their text and message at most."""

_FRAME = re.compile(r'^  File "(?P<path>[^"]*)", line \d+')

_INCIDENTAL = (
    (re.compile(r"\b0x[0-9a-fA-F]+"), "0x…"),
    (re.compile(r"\b[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "ID"),
    (re.compile(r"\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"), "ID"),
    (re.compile(r"\b(pid|process|job|worker|epoch|cuda:)(\W?)\d+", re.IGNORECASE), r"\1\2N"),
)
"""What differs between two accidents of one cause: addresses, ids, places, moments."""

_PATH = re.compile(r"(?<![\w/])(?:/|~/|\.{1,2}/|[A-Za-z_][\w.-]*/)(?:[\w.~-]+/)*[\w.~-]+")
"""Of files and folders; no quotient of numbers."""


@dataclass(frozen=True)
class Failure:
    """A failed trial.

    Attributes:
        label: of its configuration
        reason: in one line
        trace: the end of its traceback; empty where nothing was raised
    """

    run_id: str
    label: str
    seed: int
    reason: str
    trace: str

    @property
    def cause(self) -> tuple[str, ...]:
        """Equal for failures of one cause: the reason and the innermost call, without what is
        incidental in them.
        """
        frames = [line for line in self.trace.splitlines() if _FRAME.match(line)]
        return tuple(_without_incidentals(text) for text in (self.reason, *frames[-1:]))


def _without_incidentals(text: str) -> str:
    """Of paths, the folders and the numbers are left out."""
    text = _PATH.sub(lambda path: re.sub(r"\d+", "N", path[0].rpartition("/")[2]), text)
    for pattern, instead in _INCIDENTAL:
        text = pattern.sub(instead, text)
    return text


def find_failures(trials: pd.DataFrame, tracker: Reader) -> list[Failure]:
    """The failed ones of `trials`, as `load_trials` returns them, in their order."""
    fields = varying_fields(trials) or ["encoder", "loss", "transform"]
    return [
        Failure(
            run_id=str(row["run_id"]),
            label=describe_fields(row, fields),
            seed=int(row["seed"]),
            reason=str(row["error"]) or "no reason was written down",
            trace=end_of_traceback(tracker.text(str(row["run_id"]), "error.txt")),
        )
        for _, row in trials[trials["state"] == "failed"].iterrows()
    ]


def end_of_traceback(text: str) -> str:
    """The innermost calls, without the marks below them, and the message, cut where it is long."""
    lines = [line for line in text.rstrip().splitlines() if line.strip(" ^~") or not line]
    calls = [i for i, line in enumerate(lines) if _FRAME.match(line)]
    lines = lines[calls[-_END_FRAMES:][0] :] if calls else lines
    return "\n".join(lines if len(lines) <= _END_LINES else [*lines[:_END_LINES], "…"])


def by_cause(failures: Sequence[Failure]) -> list[list[Failure]]:
    """The most frequent cause first; of equally frequent ones, that of the earlier trial."""
    groups: dict[tuple[str, ...], list[Failure]] = defaultdict(list)
    for failure in failures:
        groups[failure.cause].append(failure)
    return sorted(groups.values(), key=len, reverse=True)


def print_failures(name: str, trials: pd.DataFrame, tracker: Reader) -> None:
    """On stdout. All of it is anybody's text: nothing in it is markup."""
    failures = find_failures(trials, tracker)
    console = plain_console()
    for line, indent in _lines(name, failures, len(trials)):
        wrapped = _wrapped(line, indent, console.width)
        console.print(Text(wrapped), soft_wrap=True)


def _lines(name: str, failures: Sequence[Failure], n_trials: int) -> Iterator[tuple[str, int]]:
    """Lines, and how far in they are."""
    if not failures:
        yield f"{name}: none of {count(n_trials, 'trial')} has failed", 0
        return
    groups = by_cause(failures)
    causes = count(len(groups), "cause")
    yield f"{name}: {len(failures)} of {count(n_trials, 'trial')} failed, of {causes}", 0
    for group in groups:
        yield "", 0
        yield f"{count(len(group), 'trial')}: {group[0].reason}", 0
        yield from ((line, 2) for line in group[0].trace.splitlines())
        yield from ((f"{f.label} s{f.seed}, run {f.run_id}", 2) for f in group)


def _wrapped(line: str, indent: int, width: int) -> str:
    """Code keeps the spaces that it begins with; words stay whole."""
    text = line.lstrip()
    margin = " " * (indent + len(line) - len(text))
    return textwrap.fill(
        text,
        max(width, len(margin) + 10),
        initial_indent=margin,
        subsequent_indent=f"{margin}  ",
        break_on_hyphens=False,
        break_long_words=False,
    )
