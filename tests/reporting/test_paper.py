"""Tables that are copied into papers."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest

from experiments.reporting.findings import Findings, answer
from experiments.reporting.paper import as_latex, as_markdown, rounded
from tests.reporting.test_report import frames


@pytest.mark.parametrize(
    ("mean", "half_width", "text"),
    [
        (-56.412, 2.893, "-56.4 ± 2.9"),
        (-208.23, 13.15, "-208 ± 13"),
        (181.557, 0.0312, "181.557 ± 0.031"),
        (100.02, 0.0996, "100.02 ± 0.10"),
        (3.14159, 123.4, "3 ± 123"),
        (98.7, 9.97, "99 ± 10"),
        (5.0, 0.0, "5.00 ± 0.00"),
        (1.23456, math.nan, "1.23"),
        (math.nan, math.nan, "–"),
        (1.5e30, 2e29, "1.50e+30"),
    ],
)
def test_a_mean_has_the_digits_that_its_interval_carries(
    mean: float, half_width: float, text: str
) -> None:
    assert rounded(mean, half_width) == text


@pytest.fixture(scope="module")
def findings() -> Findings:
    return answer("which_loss & 100 %", frames()[0])


def rows_of(markdown: str) -> dict[str, list[str]]:
    """The cells of each configuration."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]
    return {first: rest for first, *rest in cells}


def test_markdown_is_small_and_marks_what_is_best_and_what_cannot_be_told_from_it(
    findings: Findings,
) -> None:
    text = as_markdown(findings)
    assert max(map(len, text.splitlines())) < 80
    rows = rows_of(text)
    assert rows["configuration"] == ["n", "return ↑", "test/nll ↓"]
    assert len(rows) == 2 + 8
    best = findings.yardstick["configuration_id"].iloc[0]
    assert rows[findings.label(best)][2].startswith("**")
    assert sum(cells[2].startswith("**") for cells in rows.values()) == 1
    assert sum(cells[1].startswith("**") for cells in rows.values()) == 4, "one of each group"
    told = " ".join(text.split())
    assert "= identical to the best in every seed." in told
    assert "by return of each loss and transform" in told
    assert "Holm" in told
    assert "numbers version" in told


def test_what_did_not_finish_says_so(findings: Findings) -> None:
    counts = [cells[0] for cells in rows_of(as_markdown(findings)).values()]
    assert counts.count("4/5") == 2
    assert counts.count("4/5 pruned") == 1


def test_what_has_no_value_is_in_the_table() -> None:
    trials = frames()[0]
    first = trials["configuration_id"].iloc[0]
    trials.loc[trials["configuration_id"] == first, "state"] = "failed"
    found = answer("x", trials)
    assert rows_of(as_markdown(found))[found.label(first)] == ["0/5", "–", "–"]
    assert "0/5 & -- & --" in as_latex(found)


def test_what_is_not_distinguishable_and_what_is_equal_are_marked() -> None:
    trials = frames()[0]
    few = trials[(trials["loss"] == "bce") & (trials["seed"].isin((1, 2)))]
    unclear = " ".join(as_markdown(answer("x", few)).split())
    assert re.search(r"± \S+ † \|", unclear)
    assert "† not distinguishable from the best." in unclear
    wide = answer("x", trials[trials["loss"] == "bce"], "test/nll", equal_within=20)
    assert "‡ equal to the best within 20." in as_markdown(wide)
    assert r"^{\ddagger}" in as_latex(wide)
    controlled = answer("x", trials, "test/nll", control={"encoder": "mlp3", "loss": "sse"})
    assert "(control)" in as_markdown(controlled)
    assert "Bold: better than the control." in as_markdown(controlled)


def test_learning_rates_keep_their_digits() -> None:
    trials = frames()[0]
    one = trials[(trials["loss"] == "bce") & (trials["transform"] == "none")]
    rates = {"mlp1": 5e-4, "mlp3": 1e-5}
    text = as_markdown(answer("x", one.assign(lr=one["encoder"].map(rates))))
    assert "lr=0.0005" in text
    assert "lr=1e-05" in text


def test_long_names_are_told_below_the_table() -> None:
    trials = frames()[0]
    trials["encoder"] = "/home/somebody/networks/of/last/year/" + trials["encoder"] + ".py:Wide"
    text = as_markdown(answer("x", trials))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert max(map(len, table)) < 80
    assert "\n1. /home/somebody/networks/of/last/year/" in text


def test_latex_is_a_table_of_booktabs(findings: Findings) -> None:
    text = as_latex(findings)
    environments = re.findall(r"\\(begin|end)\{(\w+)\}", text)
    assert environments == [
        ("begin", "table"), ("begin", "tabular"), ("end", "tabular"), ("end", "table"),
    ]  # fmt: skip
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 1 + 8
    columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", text)
    assert columns is not None
    assert {line.count(" & ") + 1 for line in rows} == {len(columns[1])}
    assert body.count(r"\midrule") == 4, "one below the head, and one between groups"
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    without_comments = "\n".join(line for line in text.splitlines() if line[:1] != "%")
    assert not re.search(r"(?<!\\)[%#]", without_comments)
    assert without_comments.count("$") % 2 == 0
    assert r"which\_loss \& 100 \%" in text
    assert r"\label{tab:which-loss-100}" in text
    assert r"\mathbf{" in text
    assert text.isascii()


def test_one_trial_is_a_table() -> None:
    one = frames()[0].iloc[1:2]
    assert "| 1 |" in re.sub(" +", " ", as_markdown(answer("x", one)))
    assert "±" not in as_markdown(answer("x", one)).splitlines()[2]
    nothing: pd.DataFrame = frames()[0].assign(state="missing")
    assert "0/5" in as_markdown(answer("x", nothing))
