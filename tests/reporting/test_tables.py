"""Summaries in the forms that programs and papers read."""

from __future__ import annotations

import io
import json
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.reporting.findings import Findings, answer
from experiments.reporting.tables import as_json, as_text
from tests.conftest import Workspace
from tests.reporting.test_report import frames
from tests.written import write
from vae.configuration import Configuration


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_json_has_every_digit(value: float) -> None:
    """Issue 14, item 6: who trained with the 15 digits that were printed had another identity."""
    (row,) = json.loads(as_json(pd.DataFrame({"lr": [value]})))
    assert row["lr"] == value


def test_cells_of_every_kind() -> None:
    """Ids such as 12345678901234e5 and 0000001234567890 are no numbers."""
    frame = pd.DataFrame(
        {
            "configuration_id": ["12345678901234e5", "0000001234567890"],
            "n_finished": [1, 2],
            "encoder.width": pd.array([800, None], dtype="Int64"),
            "encoder.channels": [(8, 16), None],
            "encoder.bias": [True, None],
            "return.mean": [math.inf, math.nan],
        }
    )
    assert json.loads(as_json(frame)) == [
        {
            "configuration_id": "12345678901234e5", "n_finished": 1, "encoder.width": 800,
            "encoder.channels": [8, 16], "encoder.bias": True, "return.mean": None,
        },
        {
            "configuration_id": "0000001234567890", "n_finished": 2, "encoder.width": None,
            "encoder.channels": None, "encoder.bias": None, "return.mean": None,
        },
    ]  # fmt: skip
    assert json.loads(as_json(frame.iloc[:0])) == []


def test_what_is_printed_is_the_same_configuration(workspace: Workspace) -> None:
    write(workspace.folder)
    printed = json.loads(workspace.run("analyze.py", "tiny", "--format", "json").stdout)
    again = [Configuration(dataset="mnist5k", epochs=2, lr=row["lr"]).id for row in printed]
    assert again == [row["configuration_id"] for row in printed]


@pytest.fixture(scope="module")
def findings() -> Findings:
    return answer("which_loss & 100 %", frames()[0])


def test_csv_keeps_every_bit_and_what_is_missing(findings: Findings) -> None:
    read = pd.read_csv(io.StringIO(as_text(findings, "csv")), dtype={"configuration_id": str})
    for name in findings.summary.select_dtypes("float"):
        pd.testing.assert_series_equal(
            read[name], findings.summary[name], check_exact=True, check_index=False
        )


@pytest.mark.parametrize("form", ["csv", "json", "markdown", "latex"])
def test_every_form_ends_its_last_line(findings: Findings, form: str) -> None:
    assert as_text(findings, form).endswith("\n")
