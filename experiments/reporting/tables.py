"""Answers in the forms that programs and papers read."""

from __future__ import annotations

from collections.abc import Callable

from experiments.reporting.findings import Findings
from experiments.reporting.paper import as_latex, as_markdown


def as_text(findings: Findings, form: str) -> str:
    """csv or json: the whole summary with full precision; markdown or latex: as a paper prints."""
    summary = findings.summary
    forms: dict[str, Callable[[], str]] = {
        "csv": lambda: summary.to_csv(index=False),
        "markdown": lambda: as_markdown(findings),
        "latex": lambda: as_latex(findings),
        "json": lambda: summary.to_json(orient="records", indent=2, double_precision=15) + "\n",
    }
    return forms[form]()
