"""Summaries in the forms that programs and papers read."""

from __future__ import annotations

import io
import json
import math

import pandas as pd
import pytest

from experiments.reporting.tables import as_text

SUMMARY = pd.DataFrame(
    {
        "configuration_id": ["a1", "b2"],
        "encoder": ["my_nets.py:Wide & deep", "mlp3"],
        "return.mean": [-0.1 - 0.2, math.nan],
        "n_finished": [2, 0],
    }
)


def test_csv_and_json_keep_every_bit_and_what_is_missing() -> None:
    read = pd.read_csv(io.StringIO(as_text(SUMMARY, "csv")))
    pd.testing.assert_frame_equal(read, SUMMARY, check_exact=True)
    rows = json.loads(as_text(SUMMARY, "json"))
    assert rows[0]["return.mean"] == pytest.approx(-0.3, abs=1e-14)
    assert rows[1]["return.mean"] is None


def test_what_papers_read_is_rounded_and_escaped() -> None:
    assert "-0.300" in as_text(SUMMARY, "markdown")
    latex = as_text(SUMMARY, "latex")
    assert r"my\_nets.py:Wide \& deep" in latex and "-0.300" in latex


@pytest.mark.parametrize("form", ["csv", "json", "markdown", "latex"])
def test_every_form_ends_its_last_line_also_of_nothing(form: str) -> None:
    assert as_text(SUMMARY, form).endswith("\n")
    assert as_text(SUMMARY, form).count("\n") > as_text(SUMMARY.iloc[:0], form).count("\n")
