"""The answer as the description of its MLflow experiment, which MLflow shows above the runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from experiments.cli import typed_command
from experiments.reporting.findings import Findings, unfinished
from experiments.reporting.latents import all_collapsed
from experiments.reporting.paper import markdown_table
from experiments.reporting.sentences import conclusions, method
from experiments.tracking.errors import TrackingLost, TrackingRefused
from experiments.tracking.long_tags import MOST_CHARACTERS
from experiments.tracking.reader import Reader
from experiments.tracking.retries import limit_retries
from experiments.tracking.writer import ExperimentWriter

TAG = "mlflow.note.content"

BELOW = "<!-- What stands below is written anew by every analyze.py; what stands above stays. -->"
"""Markdown that is not shown."""

_PATIENCE = 5
"""Seconds to wait for a store that is away: the answer is printed already."""

_MOST_UNFINISHED = 5
_ROWS = (50, 20, 10, 5, 0)
"""Of the table, whichever number is the first to fit."""


def write_description(findings: Findings, tracker: Reader, folder: Path | None = None) -> None:
    """Tell MLflow the answer; a store that cannot be written is a warning.

    Args:
        folder: where the report is, if one was written
    """
    try:
        with limit_retries(seconds=_PATIENCE):
            before = (tracker.experiment_tag(TAG) or "").partition(BELOW)
            kept = before[0].strip()
            room = MOST_CHARACTERS - len(kept)
            text = f"{kept}\n\n{describe(findings, tracker, folder, room)}".strip()
            ExperimentWriter.of(tracker).tag_experiment(TAG, text)
    except (TrackingRefused, TrackingLost) as error:
        print(
            f"warning: the answer is not in the experiment's description: {error}", file=sys.stderr
        )


def describe(
    findings: Findings, tracker: Reader, folder: Path | None, room: int = MOST_CHARACTERS
) -> str:
    """The answer in Markdown: sentences, table, where the report is.

    Args:
        room: characters that it may take; MLflow would cut it anywhere
    """
    where = "".join(f"\n\n{line}" for line in _where(tracker, folder))
    end = f"\n\n{method(findings)}{where}\n\nWritten by `{typed_command()}`."
    first, *rest = conclusions(findings)
    told = [f"- {sentence}" for sentence in (*rest, *all_collapsed(findings))]
    holes = unfinished(findings.trials, findings.fields)
    told += [f"- {line}"[:200] for line in holes[:_MOST_UNFINISHED]]
    if len(holes) > _MOST_UNFINISHED:
        told.append(f"- {len(holes) - _MOST_UNFINISHED} more did not finish.")
    sentences = f"**{first}**\n\n" + "\n".join(told)
    for rows in _ROWS:
        table = f"\n\n{markdown_table(findings, rows)}" if rows else ""
        text = f"{BELOW}\n\n{sentences}{table}{end}"
        if len(text) <= room:
            return text
    return f"{BELOW}\n\n**{first}**"[: max(room, 0)]


def _where(tracker: Reader, folder: Path | None) -> Iterator[str]:
    """Where the report is: its run in MLflow, and its folder."""
    reports = tracker.records("report")
    if reports:
        yield f"The report: [artifacts of its run]({tracker.link(reports[-1].run_id)}/artifacts)"
    if folder is not None:
        yield f"On the machine that made it: `{folder.absolute() / 'report.html'}`"
