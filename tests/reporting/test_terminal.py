"""An answer on a terminal of 80 columns."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.reporting.findings import answer
from experiments.reporting.terminal import print_answer, sparkline
from tests.reporting.test_sentences import BAD, CLOSE, GOOD, trials

BARS = "▁▂▃▄▅▆▇█"
NO_CURVES = pd.DataFrame(columns=["configuration_id", "epoch", "val/return"])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.integers(2, 12))
def test_a_sparkline_keeps_its_ends_and_is_no_wider_than_asked(
    values: list[float], width: int
) -> None:
    line = sparkline(values, width)
    assert len(line) == min(len(values), width) and set(line) <= set(BARS)
    for end in (0, -1):
        if values[end] == max(values) > min(values):
            assert line[end] == BARS[-1]
        if values[end] == min(values):
            assert line[end] == BARS[0]


def test_a_curve_that_only_rises_is_a_row_of_rising_bars() -> None:
    assert sparkline([float(i) for i in range(8)]) == BARS
    assert sparkline([]) == ""


def test_every_verdict_has_its_mark_and_no_line_is_too_wide(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    frame = trials(mlp1=GOOD, mlp3=BAD, conv=CLOSE, resnet=GOOD, mlp=[None, None, None, None])
    print_answer(answer("x", frame, "test/nll"), NO_CURVES)
    said = capsys.readouterr().out
    rows = {line.split()[0]: line for line in said.splitlines() if "/4" in line}
    assert set(rows) == {"mlp1", "mlp3", "conv", "resnet", "mlp"}
    assert "= best" in rows["resnet"] or "= best" in rows["mlp1"]
    assert "≈ best" in rows["conv"] and "+50.47" in rows["mlp3"] and "0/4" in rows["mlp"]
    assert "failed: mlp s0-3: diverged" in said
    assert max(len(line) for line in said.splitlines()) <= 80


def test_of_one_seed_there_is_no_interval(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(answer("x", trials(mlp1=GOOD[:1], mlp3=BAD[:1]), "test/nll"), NO_CURVES)
    rows = [line for line in capsys.readouterr().out.splitlines() if "1/1" in line]
    assert len(rows) == 2 and not [row for row in rows if "±" in row or str(math.nan) in row]
