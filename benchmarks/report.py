"""The benchmarks' findings as a table and as JSON, and where they were found."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from rich.table import Table

from benchmarks.figures import Figure
from benchmarks.options import Options
from experiments.cli import typed_command
from experiments.tracking.provenance import provenance

_VERDICT = {True: "met", False: "missed", None: ""}


def machine(options: Options) -> dict[str, object]:
    """What the figures hold for."""
    code = provenance(typed_command())
    return {
        "date": date.today().isoformat(),
        "processor": _processor(),
        "cores": options.n_cores,
        "versions": dict(code.versions),
        "commit": code.commit,
        "changed since": bool(code.diff),
        "quick": options.quick,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def table(figures: Sequence[Figure]) -> Table:
    """One row per figure: median, spread, goal, verdict."""
    result = Table(title="Benchmarks: medians of ratios measured side by side")
    for name in ("row", "what"):
        result.add_column(name)
    for name in ("median", "min–max", "n", "goal"):
        result.add_column(name, justify="right", no_wrap=True)
    result.add_column("")
    result.add_column("note")
    for figure in figures:
        result.add_row(figure.row, figure.what, *_numbers(figure), figure.note)
    return result


def _numbers(figure: Figure) -> tuple[str, ...]:
    bound = "" if figure.goal is None else f"{'≥' if figure.at_least else '≤'} {figure.goal:g}"
    if not figure.values:
        return "–", "", "0", bound, ""
    spread = f"{min(figure.values):.3g}–{max(figure.values):.3g}"
    verdict = _VERDICT[figure.met]
    return f"{figure.median:.3g}", spread, str(len(figure.values)), bound, verdict


def as_json(figures: Sequence[Figure], options: Options) -> str:
    rows = [
        {**asdict(figure), "median": figure.median if figure.values else None, "met": figure.met}
        for figure in figures
    ]
    return json.dumps({"machine": machine(options), "figures": rows}, indent=1)
