"""What an experiment answers: every frame that a report shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from experiments.analysis.comparison import compare
from experiments.analysis.main_effects import interactions, main_effects
from experiments.analysis.statistics import summarize
from experiments.analysis.trial_columns import describe_field, varying_fields
from experiments.formatting import format_number
from experiments.metrics import YARDSTICK
from experiments.spec.seeds import write_seeds
from experiments.tracking.study_summary import StudySummary


@dataclass(frozen=True)
class Findings:
    """An experiment, analysed.

    Attributes:
        metric: what was asked to be compared
        summary, comparison, effects: of that metric
        interactions: where effects of that metric depend on another axis
        yardstick, yardstick_effects, yardstick_interactions: the same by `test/nll`, across all
            groups
        study_summary: of the study that proposed the configurations, if one did
        control: the fields of the configuration that the others are held against; the best if none
        equal_within: the difference below which two are as good as equal
    """

    name: str
    metric: str
    trials: pd.DataFrame
    summary: pd.DataFrame
    comparison: pd.DataFrame
    effects: pd.DataFrame
    interactions: pd.DataFrame
    yardstick: pd.DataFrame
    yardstick_effects: pd.DataFrame
    yardstick_interactions: pd.DataFrame
    study_summary: StudySummary | None = None
    control: Mapping[str, Any] | None = None
    equal_within: float | None = None

    @cached_property
    def fields(self) -> list[str]:
        """The fields that tell the configurations apart, or name the only one there is."""
        return varying_fields(self.trials) or ["encoder", "loss", "transform"]

    @property
    def rival(self) -> str:
        """What the others are held against: best or control."""
        return "control" if self.control else "best"

    @cached_property
    def failed(self) -> set[str]:
        """The configuration_ids of which a trial failed."""
        return set(self.trials.loc[self.trials["state"] == "failed", "configuration_id"])

    @cached_property
    def _first_trials(self) -> pd.DataFrame:
        return self.trials.drop_duplicates("configuration_id").set_index("configuration_id")

    def values(self, configuration_id: str) -> list[object]:
        """A configuration's values of `fields`."""
        return [self._first_trials.loc[configuration_id, field] for field in self.fields]

    def label(self, configuration_id: str) -> str:
        """A configuration in words: names bare, numbers with the name of their field."""
        row: pd.Series = self._first_trials.loc[configuration_id]  # type: ignore[assignment]
        return describe_fields(row, self.fields)


def answer(
    name: str,
    trials: pd.DataFrame,
    metric: str = "return",
    study_summary: StudySummary | None = None,
    control: Mapping[str, Any] | None = None,
    equal_within: float | None = None,
) -> Findings:
    """Analyse `trials`, as `load_trials` returns them.

    Args:
        control, equal_within: as of `compare`
    """
    crossed = trials if study_summary is None else trials.iloc[:0]  # a study crosses no axes
    metrics = [metric] + [m for m in ("return", YARDSTICK, "test/return") if m != metric]
    return Findings(
        name=name,
        metric=metric,
        trials=trials,
        summary=summarize(trials, metrics),
        comparison=compare(trials, metric, control, equal_within),
        effects=main_effects(crossed, metric),
        interactions=interactions(crossed, metric),
        yardstick=compare(trials, YARDSTICK, control, equal_within),
        yardstick_effects=main_effects(crossed, YARDSTICK),
        yardstick_interactions=interactions(crossed, YARDSTICK),
        study_summary=study_summary,
        control=control,
        equal_within=equal_within,
    )


def describe_fields(row: pd.Series, fields: Sequence[str]) -> str:
    return " ".join(filter(None, (describe_field(name, row[name]) for name in fields)))


def grouped_rows(findings: Findings) -> list[list[pd.Series]]:
    """Summary rows in the order of the comparison, group by group; without a result, at the end.

    Each has also `verdict`, `difference`, `group`, missing where there is no result.
    """
    summary = findings.summary.set_index("configuration_id", drop=False)
    verdicts = findings.comparison.set_index("configuration_id")[["verdict", "difference", "group"]]
    joined = summary.join(verdicts)
    groups = [
        [joined.loc[i] for i in group["configuration_id"]]
        for _, group in findings.comparison.groupby("group", sort=False)
    ]
    rest = joined[joined["group"].isna()]
    return [*groups, [row for _, row in rest.iterrows()]]


def mean_and_interval(row: pd.Series, metric: str) -> str:
    """`-33.04 ± 0.31`: the mean and half the 95 % interval."""
    mean = row[f"{metric}.mean"]
    if math.isnan(mean):
        return "–"
    half = (row[f"{metric}.ci95_high"] - row[f"{metric}.ci95_low"]) / 2
    shown = format_number(mean)
    return shown if math.isnan(half) else f"{shown} ± {format_number(half)}"


def unfinished(trials: pd.DataFrame, fields: Sequence[str]) -> list[str]:
    """What did not finish, and why: one line per configuration, state and reason."""
    unfinished = trials[trials["state"] != "finished"]
    lines = []
    for (_, state, why), those in unfinished.groupby(
        ["configuration_id", "state", "error"], sort=False
    ):
        label = describe_fields(those.iloc[0], fields)
        reason = f": {why}" if why else ""
        lines.append(f"{state}: {label} s{write_seeds(those['seed'])}{reason}")
    return lines
