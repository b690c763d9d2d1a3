"""An evaluation, or a trial that was trained again, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby

from rich import box
from rich.table import Table
from rich.text import Text

from experiments.cli import plain_console
from experiments.formatting import count
from experiments.models.again import Again
from experiments.models.evaluate import LoadedModel, Row, notes
from experiments.tracking.reader import KL


def print_evaluation(subject: LoadedModel, rows: Iterable[Row]) -> None:
    """What the model is, then its numbers beside those that its trial logged."""
    protocol, description = subject.protocol, subject.description
    console = plain_console()
    for note in notes(subject):
        console.print(f"• {note}")
    console.print(
        f"{subject.chosen.name}, epoch {description.best_epoch}",
        f"run {subject.chosen.run.run_id}",
        f"test set of {protocol.dataset}; test/nll: K = {protocol.n_samples}, "
        f"{protocol.n_images} images",
        sep="\n",
    )
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("per image", no_wrap=True)
    for column in ("value", "logged"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        logged = "–" if row.logged is None else f"{row.logged:.4f}"
        table.add_row(row.name, f"{row.value:.4f}", logged, Text(row.verdict))
    console.print(table)


def print_again(again: Again) -> None:
    """What became of each number, then what is another thing than it was. Nothing is markup."""
    console = plain_console()
    told = [
        again.chosen.name,
        f"run {again.chosen.run.run_id}",
        f"trained again on {again.device}, {count(again.n_epochs, 'epoch')}",
        *_numbers(again),
        "",
        _verdict(again),
        *_why(again),
    ]
    for line in told:
        # Numbers and names stay whole; in a narrow terminal, what belongs to a line is indented.
        wrapped = textwrap.fill(
            line,
            console.width,
            subsequent_indent="  ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        console.print(Text(wrapped), soft_wrap=True)


def _numbers(again: Again) -> Iterator[str]:
    """Those that are off one by one; a line for each stretch of those that are the same."""
    for (name, is_same), keys in groupby(again.logged, lambda key: (key[0], again.is_same_in(key))):
        places = [place for _, place in keys]
        if is_same:
            yield f"same  {name}{_places(name, places[0], places[-1])}"
        else:
            yield from (
                f"OFF   {name}{_places(name, p, p)}{_off(again, (name, p))}" for p in places
            )


def _places(name: str, first: int, last: int) -> str:
    if name == KL:
        first, last = first + 1, last + 1
    if last == 0:  # the end of a trial
        return ""
    what = "dimension" if name == KL else "epoch"
    return f", {what} {first}" if first == last else f", {what}s {first} to {last}"


def _off(again: Again, key: tuple[str, int]) -> str:
    difference = again.off_by(key)
    if difference is None:
        return ": there is none now"
    return f" by {difference:+.2g} ({again.logged[key]!r} → {again.found[key]!r})"


def _verdict(again: Again) -> str:
    n = count(len(again.logged), "number")
    if again.is_same:
        return f"All {n} came out the same, to the last bit."
    off = [key for key in again.logged if not again.is_same_in(key)]
    return f"{len(off)} of {n} did not come out the same{_at_most(again, off)}."


def _at_most(again: Again, off: list[tuple[str, int]]) -> str:
    found = {key: abs(by) for key in off if (by := again.off_by(key)) is not None}
    scales = [found[key] / abs(again.logged[key]) for key in found if again.logged[key]]
    return f"; the largest difference is {max(scales):.1g} of what was logged" if scales else ""


def _why(again: Again) -> Iterator[str]:
    if again.failure:
        yield f"• The training ended early: {again.failure}"
    yield from (f"• {remark}" for remark in again.remarks)
    yield from (f"• {name}: {change}" for name, change in again.differences.items())
    if not again.differences and not again.remarks:
        yield (
            "• Nothing that is known differs: numbers version, commit, versions, device, "
            "processor, threads, data."
        )
