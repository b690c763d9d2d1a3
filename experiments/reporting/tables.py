"""Summaries in the forms that programs and papers read."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd


def as_text(summary: pd.DataFrame, form: str) -> str:
    """csv or json with full precision; markdown or latex for reading."""
    forms: dict[str, Callable[[], str]] = {
        "csv": lambda: summary.to_csv(index=False),
        "markdown": lambda: summary.to_markdown(index=False, floatfmt=".3f") + "\n",
        "latex": lambda: summary.to_latex(index=False, float_format="%.3f", escape=True),
        "json": lambda: summary.to_json(orient="records", indent=2, double_precision=15) + "\n",
    }
    return forms[form]()
