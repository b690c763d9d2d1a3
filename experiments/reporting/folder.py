"""`analyze.py --out`: everything an experiment answers, as files in one folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.cli import typed_command
from experiments.reporting.findings import Findings
from experiments.reporting.html import render
from experiments.reporting.tables import as_text
from experiments.secrets import mask
from experiments.tracking.errors import TrackingLost, TrackingRefused
from experiments.tracking.provenance import provenance
from experiments.tracking.reader import Reader
from experiments.tracking.retries import limit_retries
from experiments.tracking.writer import ExperimentWriter
from vae.errors import BadInput

_PATIENCE = 20
"""Seconds to wait for a store that is away: the report itself is written already."""

_SUMMARY_FILES = {"summary.csv": "csv", "summary.md": "markdown", "summary.tex": "latex"}


def write_report(folder: Path, findings: Findings, curves: pd.DataFrame, tracker: Reader) -> None:
    """Write `trials.csv`, `summary.csv`, `.md`, `.tex` and `report.html`, and track them all.

    Raises:
        BadInput: when the folder cannot be written.
    """
    files = _files(findings, curves, tracker)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"--out {folder}: {error.strerror}") from error
    try:
        with limit_retries(seconds=_PATIENCE):
            ExperimentWriter.of(tracker).log_report(folder / name for name in files)
    except (BadInput, TrackingRefused, TrackingLost) as error:
        print(f"warning: the report is in {folder}, but not in MLflow: {error}", file=sys.stderr)


def _files(findings: Findings, curves: pd.DataFrame, tracker: Reader) -> dict[str, str]:
    """What a report consists of, by the names of its files."""
    run_ids = [run_id for run_id in findings.trials["run_id"] if run_id]
    html = render(
        findings,
        curves,
        sample_grids=dict(_sample_grids(tracker)),
        links={run_id: tracker.link(run_id) for run_id in run_ids},
        facts=list(_facts(findings, tracker)),
        kls=dict(_kls(tracker)),
    )
    summaries = {name: as_text(findings.summary, form) for name, form in _SUMMARY_FILES.items()}
    return {"trials.csv": as_text(findings.trials, "csv"), **summaries, "report.html": html}


def _sample_grids(tracker: Reader) -> Iterator[tuple[str, np.ndarray]]:
    for record in tracker.records("configuration"):
        picture = tracker.last_image(record.run_id, "samples")
        if picture is not None:
            yield record.tags["configuration_id"], picture


def _kls(tracker: Reader) -> Iterator[tuple[str, list[float]]]:
    for record in tracker.records("configuration"):
        if kl := tracker.kl_per_dimension(record.run_id):
            yield record.tags["configuration_id"], kl


def _facts(findings: Findings, tracker: Reader) -> Iterator[tuple[str, str]]:
    tags = [record.tags for record in tracker.records("trial")]
    for name, tag in (
        ("sweep", "command"),
        ("code of the sweep (git commit)", "mlflow.source.git.commit"),
        ("uncommitted changes", "git.dirty"),
        ("versions of the sweep", "versions"),
    ):
        for value in dict.fromkeys(t[tag] for t in tags if tag in t):
            yield name, value
    here = provenance(typed_command())
    yield "report", here.command
    yield "code of the report (git commit)", here.commit or "not in a git checkout"
    yield "tracked at", mask(tracker.uri)
    varied = ", ".join(findings.fields)
    fixed = findings.trials.iloc[0] if len(findings.trials) else pd.Series(dtype=object)
    yield "fields that vary", varied
    for field in ("dataset", "epochs", "batch_size", "lr", "nll_samples", "nll_images"):
        if field in fixed and field not in findings.fields:
            yield field, f"{fixed[field]}"
