"""Every frame that a report shows, and how configurations are called in it."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from experiments.reporting.findings import answer, mean_and_interval, unfinished
from experiments.tracking.study_summary import StudySummary
from tests.reporting.test_sentences import BAD, GOOD, trials

FRAME = trials(mlp1=GOOD, mlp3=[*BAD[:2], None, None])


def test_a_label_names_what_varies_and_a_single_configuration_something() -> None:
    findings = answer("x", FRAME)
    assert [findings.label(i) for i in FRAME["configuration_id"].unique()] == ["mlp1", "mlp3"]
    alone = answer("x", trials(mlp1=GOOD))
    assert alone.label(alone.trials["configuration_id"].iloc[0]) == "mlp1 sse none"
    assert len(findings.failed) == 1 and not alone.failed


def test_a_study_crosses_no_axes_so_none_has_an_effect() -> None:
    study = StudySummary("s", "return", {"finished": 2}, None, {}, math.nan, {})
    assert len(answer("x", FRAME).yardstick_effects) == 1
    assert answer("x", FRAME, study_summary=study).yardstick_effects.empty
    assert len(answer("x", FRAME, study_summary=study).yardstick) == 2


def test_the_rival_is_who_the_others_are_held_against() -> None:
    assert answer("x", FRAME).rival == "best"
    assert answer("x", FRAME, control={"encoder": "mlp3"}).rival == "control"


@pytest.mark.parametrize(
    ("low", "mean", "high", "shown"),
    [
        (-33.31, -33.0, -32.69, "-33.00 ± 0.31"),
        (math.nan, -33.0, math.nan, "-33.00"),  # one seed
        (math.nan, math.nan, math.nan, "–"),
    ],
)
def test_a_mean_with_half_its_interval(low: float, mean: float, high: float, shown: str) -> None:
    row = pd.Series({"x.mean": mean, "x.ci95_low": low, "x.ci95_high": high})
    assert mean_and_interval(row, "x") == shown


def test_what_did_not_finish_is_one_line_for_all_seeds_of_a_reason() -> None:
    frame = FRAME.copy()
    assert unfinished(frame, ["encoder"]) == ["failed: mlp3 s2-3: diverged"]
    frame.loc[0, ["state", "error"]] = ["missing", ""]
    assert unfinished(frame, ["encoder"]) == ["missing: mlp1 s0", "failed: mlp3 s2-3: diverged"]
    assert unfinished(frame[frame["state"] == "finished"], ["encoder"]) == []
