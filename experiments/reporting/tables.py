"""Answers in the forms that programs and papers read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.trial_columns import is_missing
from experiments.reporting.findings import Findings
from experiments.reporting.paper import as_latex, as_markdown


def as_text(findings: Findings, form: str) -> str:
    """csv or json: the whole summary with full precision; markdown or latex: as a paper prints."""
    summary = findings.summary
    forms: dict[str, Callable[[], str]] = {
        "csv": lambda: summary.to_csv(index=False),
        "markdown": lambda: as_markdown(findings),
        "latex": lambda: as_latex(findings),
        "json": lambda: as_json(summary),
    }
    return forms[form]()


def as_json(summary: pd.DataFrame) -> str:
    """Every digit, so that who trains a configuration again gets the same one; pandas writes at
    most 15. What is missing, or is no finite number, is null.
    """
    columns = {name: [_plain(value) for value in summary[name]] for name in summary.columns}
    rows = zip(*columns.values(), strict=True)
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    return json.dumps(records, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """A cell as JSON has it."""
    value = value.item() if isinstance(value, np.generic) else value
    if is_missing(value) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
