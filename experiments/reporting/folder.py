"""`analyze.py --out`: everything an experiment answers, as files in one folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.analysis.sources import Source
from experiments.analysis.trial_columns import EXPERIMENT
from experiments.cli import typed_command
from experiments.reporting.findings import Findings
from experiments.reporting.html import render
from experiments.reporting.tables import as_text
from experiments.secrets import mask
from experiments.tracking.errors import TrackingLost, TrackingRefused
from experiments.tracking.provenance import provenance
from experiments.tracking.retries import limit_retries
from experiments.tracking.writer import ExperimentWriter
from vae.errors import BadInput

_PATIENCE = 20
"""Seconds to wait for a store that is away: the report itself is written already."""

_SUMMARY_FILES = {"summary.csv": "csv", "summary.md": "markdown", "summary.tex": "latex"}


def write_report(
    folder: Path, findings: Findings, curves: pd.DataFrame, sources: Sequence[Source]
) -> None:
    """Write `trials.csv`, `summary.csv`, `.md`, `.tex` and `report.html`; track those of a single
    experiment.

    Raises:
        BadInput: when the folder cannot be written.
    """
    files = _files(findings, curves, sources)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"--out {folder}: {error.strerror}") from error
    if len(sources) > 1:
        return  # it is no more of one than of the others
    try:
        with limit_retries(seconds=_PATIENCE):
            ExperimentWriter.of(sources[0].tracker).log_report(folder / name for name in files)
    except (BadInput, TrackingRefused, TrackingLost) as error:
        print(f"warning: the report is in {folder}, but not in MLflow: {error}", file=sys.stderr)


def _files(findings: Findings, curves: pd.DataFrame, sources: Sequence[Source]) -> dict[str, str]:
    """What a report consists of, by the names of its files."""
    html = render(
        findings,
        curves,
        sample_grids=dict(_sample_grids(sources)),
        links=_links(findings.trials, sources),
        facts=list(_facts(findings, sources)),
        kls=dict(_kls(sources)),
    )
    summaries = {name: as_text(findings, form) for name, form in _SUMMARY_FILES.items()}
    return {"trials.csv": findings.trials.to_csv(index=False), **summaries, "report.html": html}


def _links(trials: pd.DataFrame, sources: Sequence[Source]) -> dict[str, str]:
    """Where each run can be looked at."""
    links: dict[str, str] = {}
    for source in sources:
        mine = trials[trials[EXPERIMENT] == source.label] if source.label else trials
        links |= {run_id: source.tracker.link(run_id) for run_id in mine["run_id"] if run_id}
    return links


def _sample_grids(sources: Sequence[Source]) -> Iterator[tuple[str, np.ndarray]]:
    for source in sources:
        for record in source.tracker.records("configuration"):
            picture = source.tracker.last_image(record.run_id, "samples")
            if picture is not None:
                yield source.id_of(record.tags["configuration_id"]), picture


def _kls(sources: Sequence[Source]) -> Iterator[tuple[str, list[float]]]:
    for source in sources:
        for record in source.tracker.records("configuration"):
            if kl := source.tracker.kl_per_dimension(record.run_id):
                yield source.id_of(record.tags["configuration_id"]), kl


def _facts(findings: Findings, sources: Sequence[Source]) -> Iterator[tuple[str, str]]:
    for source in sources:
        of = f"{source.label}: " if source.label else ""
        tags = [record.tags for record in source.tracker.records("trial")]
        yield f"{of}tracked at", mask(source.tracker.uri)
        for name, tag in (
            ("sweep", "command"),
            ("code of the sweep (git commit)", "mlflow.source.git.commit"),
            ("uncommitted changes", "git.dirty"),
            ("versions of the sweep", "versions"),
        ):
            for value in dict.fromkeys(t[tag] for t in tags if tag in t):
                yield of + name, value
    here = provenance(typed_command())
    yield "report", here.command
    yield "code of the report (git commit)", here.commit or "not in a git checkout"
    yield "fields that vary", ", ".join(findings.fields)
    fixed = findings.trials.iloc[0] if len(findings.trials) else pd.Series(dtype=object)
    for field in ("dataset", "epochs", "batch_size", "lr", "nll_samples", "nll_images"):
        if field in fixed and field not in findings.fields:
            yield field, f"{fixed[field]}"
