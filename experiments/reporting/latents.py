"""What a report says of the latent space: who has collapsed, and what each bit of it costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from experiments.reporting.findings import Findings, describe_fields

COLLAPSED_BELOW = 0.5
"""The share of active latent dimensions below which a configuration is said to have collapsed."""

_UNITS = "test/active_units"


def collapsed(findings: Findings) -> Iterator[str]:
    """A sentence for each configuration that uses less than half of its latent dimensions."""
    finished = findings.trials[findings.trials["state"] == "finished"]
    if _UNITS not in finished:
        return
    for configuration_id, rows in finished.groupby("configuration_id", sort=False):
        units, latent_dim = rows[_UNITS].dropna(), int(rows["latent_dim"].iloc[0])
        if len(units) and units.mean() < COLLAPSED_BELOW * latent_dim:
            yield _collapse(findings.label(str(configuration_id)), list(units), latent_dim)


def _collapse(label: str, units: Sequence[float], latent_dim: int) -> str:
    least, most = int(min(units)), int(max(units))
    used = f"{least}" if least == most else f"{least} to {most}"
    if most == 0:
        return f"{label} uses none of its {latent_dim} latent dimensions: it has collapsed."
    over = f" over {len(units)} seeds" if len(units) > 1 else ""
    return f"{label} uses {used} of {latent_dim} latent dimensions{over}."


def all_collapsed(findings: Findings, at_most: int = 6) -> list[str]:
    """Those sentences, or the first of them and how many more there are."""
    told = list(collapsed(findings))
    if len(told) <= at_most:
        return told
    more = len(told) - at_most
    return [*told[:at_most], f"{more} more configurations use less than half of theirs."]


def lines_along_beta(findings: Findings, ids: Sequence[str]) -> dict[str, list[str]]:
    """configuration_ids that differ in β alone, by what they have in common, from the least β."""
    first = findings.trials.drop_duplicates("configuration_id").set_index("configuration_id")
    others = [f for f in findings.fields if f not in ("beta", "loss", "transform", "dataset")]
    found: dict[str, list[str]] = {}
    for configuration_id in first.loc[list(ids)].sort_values("beta", kind="stable").index:
        row: pd.Series = first.loc[configuration_id]
        found.setdefault(describe_fields(row, others), []).append(configuration_id)
    return found


def patience_note(findings: Findings, curves: pd.DataFrame) -> str:
    """How much training patience saved; empty where no trial has any."""
    trials = findings.trials
    if "patience" not in trials or curves.empty:
        return ""
    patient = trials[(trials["patience"] > 0) & (trials["state"] == "finished")]
    key = ["configuration_id", "seed"]
    allowed = patient.set_index(key)["epochs"]
    trained = curves.groupby(key)["epoch"].max().reindex(allowed.index).dropna()
    if trained.empty:
        return ""
    allowed = allowed.loc[trained.index]
    n_early = int((trained < allowed).sum())
    return (
        f"Patience ended {n_early} of {len(trained)} trials early: {int(trained.sum())} of "
        f"{int(allowed.sum())} epochs were trained."
    )


def used_dimensions(findings: Findings, configuration_id: str) -> str:
    """`3 of 20 used`, the mean over seeds; empty where that was not measured."""
    rows = findings.trials[findings.trials["configuration_id"] == configuration_id]
    units = rows[_UNITS].mean() if _UNITS in rows else math.nan
    if math.isnan(units):
        return ""
    return f"{round(units, 1):g} of {int(rows['latent_dim'].iloc[0])} used"


Kls = Mapping[str, Sequence[float]]
"""Of each configuration_id that has it, the KL per latent dimension, largest first."""
