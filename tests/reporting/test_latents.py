"""What reports say of the latent space, and the figures that show it."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.reporting.findings import Findings, answer
from experiments.reporting.html import render
from experiments.reporting.latent_plots import kl_charts, rate_distortion
from experiments.reporting.latents import all_collapsed, collapsed, lines_along_beta, patience_note
from experiments.reporting.terminal import print_answer
from vae.configuration import Configuration, Trial


def rows_of(
    units: list[float], rate: float = 20.0, distortion: float = 80.0, **fields: Any
) -> list[dict[str, Any]]:
    """A finished trial for each of `units`, the active ones of seeds 0, 1, …"""
    configuration = Configuration(**{"latent_dim": 20, "loss": "sse", **fields})
    return [
        {
            "run_id": f"run{configuration.id}{seed}",
            "trial_id": Trial(configuration=configuration, seed=seed).id,
            "configuration_id": configuration.id, "seed": seed, "state": "finished", "error": "",
            **configuration.flat, "best_epoch": 5.0, "return": -(rate + distortion) - seed,
            "test/return": -(rate + distortion) - seed, "test/nll": rate + distortion + seed,
            "test/reconstruction": distortion + 0.5 * seed, "test/kl": rate + 0.5 * seed,
            "test/active_units": used,
        }
        for seed, used in enumerate(units)
    ]  # fmt: skip


def findings_of(*groups: list[dict[str, Any]]) -> Findings:
    return answer("x", pd.DataFrame([row for group in groups for row in group]))


def test_a_configuration_that_uses_less_than_half_of_its_dimensions_has_a_sentence() -> None:
    findings = findings_of(
        rows_of([3, 3, 3], encoder="mlp3"),
        rows_of([3, 5, 4], encoder="mlp1"),
        rows_of([0, 0], encoder="conv"),
        rows_of([10, 10], encoder="resnet"),
        rows_of([2], encoder="mlp", latent_dim=2),
    )
    assert list(collapsed(findings)) == [
        "mlp3 latent_dim=20 uses 3 of 20 latent dimensions over 3 seeds.",
        "mlp1 latent_dim=20 uses 3 to 5 of 20 latent dimensions over 3 seeds.",
        "conv latent_dim=20 uses none of its 20 latent dimensions: it has collapsed.",
    ]


def test_trials_that_were_not_measured_or_have_failed_are_no_collapse() -> None:
    rows = rows_of([1, 1], encoder="mlp3")
    for row in rows:
        row["state"] = "failed"
    assert list(collapsed(findings_of(rows, rows_of([20], encoder="mlp1")))) == []
    assert list(collapsed(findings_of(rows_of([math.nan, math.nan])))) == []
    trials = findings_of(rows_of([1])).trials.drop(columns="test/active_units")
    assert list(collapsed(answer("x", trials))) == []


def test_many_collapses_are_counted() -> None:
    findings = findings_of(*(rows_of([1], hidden_dim=n) for n in range(10, 20)))
    told = all_collapsed(findings)
    assert len(told) == 7
    assert told[-1].startswith("4 more configurations")


def test_the_terminal_tells_a_collapse(capsys: pytest.CaptureFixture[str]) -> None:
    findings = findings_of(rows_of([3, 3], encoder="mlp3"), rows_of([9, 9], encoder="mlp1"))
    print_answer(
        findings, pd.DataFrame(columns=["configuration_id", "seed", "epoch", "val/return"])
    )
    assert "mlp3 uses 3 of 20 latent dimensions" in " ".join(capsys.readouterr().out.split())


BETAS = (4.0, 0.5, 1.0)


def beta_grid() -> Findings:
    """Two encoders and two likelihoods along β."""
    return findings_of(
        *(
            rows_of([9, 9], rate=20 / beta, distortion=80 + beta, beta=beta, encoder=e, loss=loss)
            for e in ("mlp1", "mlp3")
            for loss in ("sse", "bce")
            for beta in BETAS
        )
    )


def test_what_differs_in_beta_alone_is_joined_from_the_least() -> None:
    findings = beta_grid()
    ids = list(findings.trials.loc[findings.trials["loss"] == "sse", "configuration_id"].unique())
    lines = lines_along_beta(findings, ids)
    assert list(lines) == ["mlp1", "mlp3"] or list(lines) == ["mlp3", "mlp1"]
    first = findings.trials.drop_duplicates("configuration_id").set_index("configuration_id")
    for encoder, line in lines.items():
        assert list(first.loc[line, "beta"]) == sorted(BETAS)
        assert set(first.loc[line, "encoder"]) == {encoder}


def test_each_likelihood_has_a_chart_with_its_betas() -> None:
    charts = dict(rate_distortion(beta_grid()))
    assert set(charts) == {"mnist sse none", "mnist bce none"}
    for svg in charts.values():
        text = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
        for part in ("β=0.5", "β=1", "β=4", "mlp1", "mlp3", "rate: test/kl", "distortion"):
            assert part in text, part


def test_a_single_configuration_has_no_rate_distortion_curve() -> None:
    assert list(rate_distortion(findings_of(rows_of([9, 9])))) == []


def test_kl_charts_are_of_those_that_have_it_the_best_first() -> None:
    findings = findings_of(
        rows_of([3, 4], encoder="mlp3", distortion=90),
        rows_of([9, 9], encoder="mlp1", distortion=70),
        rows_of([9, 9], encoder="conv"),
    )
    ids = {
        str(row["encoder"]): str(row["configuration_id"])
        for _, row in findings.trials.drop_duplicates("configuration_id").iterrows()
    }
    kls = {ids[e]: np.linspace(3, 0, 20).tolist() for e in ("mlp3", "mlp1")}
    svg = kl_charts(findings, kls)
    assert svg is not None
    titles = re.findall(r">(mlp\d|conv|[\d.]+ of 20 used)<", svg)
    assert titles == ["mlp1", "9 of 20 used", "mlp3", "3.5 of 20 used"]
    assert kl_charts(findings, {}) is None


def test_patience_s_saving_is_told() -> None:
    findings = findings_of(rows_of([9, 9, 9], epochs=10, patience=3))
    curves = pd.DataFrame(
        {**trial, "epoch": epoch, "val/return": 0.0}
        for trial, n in zip(
            findings.trials[["configuration_id", "seed"]].to_dict("records"),
            (10, 4, 6),
            strict=True,
        )
        for epoch in range(1, n + 1)
    )
    told = "Patience ended 2 of 3 trials early: 20 of 30 epochs were trained."
    assert patience_note(findings, curves) == told
    assert patience_note(findings_of(rows_of([9])), curves) == ""
    assert patience_note(findings, curves.iloc[:0]) == ""


def test_the_page_shows_all_of_it() -> None:
    findings = beta_grid()
    ids = findings.trials["configuration_id"].unique()
    page = render(findings, pd.DataFrame(), {}, {}, [], {i: [2.0, 1.0] for i in ids})
    assert "<h2>The latent space</h2>" in page
    assert page.count("<figcaption>mnist sse none</figcaption>") == 1
    assert "No KL per latent dimension was logged" not in page
    assert "No KL per latent dimension was logged" in render(
        findings, pd.DataFrame(), {}, {}, [], {}
    )
