"""What an experiment answers: every frame that a report shows, and the sentences on top."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from experiments.analysis.comparison import compare
from experiments.analysis.main_effects import main_effects
from experiments.analysis.statistics import summarize
from experiments.analysis.trial_columns import describe_field, varying_fields
from experiments.metrics import YARDSTICK, find_metric
from experiments.spec.seeds import write_seeds
from experiments.tracking.study_summary import StudySummary


@dataclass(frozen=True)
class Findings:
    """An experiment, analysed.

    Attributes:
        metric: what was asked to be compared
        summary, comparison, effects: of that metric
        yardstick, yardstick_effects: the same comparison by `test/nll`, across all groups
        study_summary: of the study that proposed the configurations, if one did
    """

    name: str
    metric: str
    trials: pd.DataFrame
    summary: pd.DataFrame
    comparison: pd.DataFrame
    effects: pd.DataFrame
    yardstick: pd.DataFrame
    yardstick_effects: pd.DataFrame
    study_summary: StudySummary | None = None

    @cached_property
    def fields(self) -> list[str]:
        """The fields that tell the configurations apart, or name the only one there is."""
        return varying_fields(self.trials) or ["encoder", "loss", "transform"]

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
) -> Findings:
    """Analyse `trials`, as `load_trials` returns them."""
    crossed = trials if study_summary is None else trials.iloc[:0]  # a study crosses no axes
    metrics = [metric] + [m for m in ("return", YARDSTICK, "test/return") if m != metric]
    return Findings(
        name=name,
        metric=metric,
        trials=trials,
        summary=summarize(trials, metrics),
        comparison=compare(trials, metric),
        effects=main_effects(crossed, metric),
        yardstick=compare(trials, YARDSTICK),
        yardstick_effects=main_effects(crossed, YARDSTICK),
        study_summary=study_summary,
    )


def describe_fields(row: pd.Series, fields: Sequence[str]) -> str:
    return " ".join(filter(None, (describe_field(name, row[name]) for name in fields)))


# -------------------------------------------------------------------------- sentences


def conclusions(findings: Findings) -> list[str]:
    """The answer in words, most important first; claims only what the seeds can carry."""
    if findings.yardstick.empty:
        return ["No trial has finished yet: nothing can be said."]
    groups = [group for _, group in findings.yardstick.groupby("group", sort=False)]
    told = [_winner(findings, group, YARDSTICK, len(groups) > 1) for group in groups]
    if len(groups) > 1:
        told.append(f"Across these groups nothing ranks: their {YARDSTICK} is of other pixels.")
    told += [_effect(row, YARDSTICK) for _, row in findings.yardstick_effects.iterrows()]
    return told + (findings.study_summary.lines() if findings.study_summary else [])


def group_conclusions(findings: Findings) -> list[str]:
    """The same for the metric that was asked for, in each group in which it compares."""
    if find_metric(findings.metric).compares_losses:
        return []
    return [
        _winner(findings, group, findings.metric, True)
        for _, group in findings.comparison.groupby("group", sort=False)
        if len(group) > 1
    ]


def _winner(findings: Findings, comparison: pd.DataFrame, metric: str, of_several: bool) -> str:
    """Args: of_several: whether there are other groups, so that this one has to be named"""
    best = comparison.iloc[0]
    scope = f" among {best['group']}" if of_several else ""
    value = _mean_of(findings, best["configuration_id"], metric)
    others = comparison.iloc[1:]
    label = findings.label(best["configuration_id"])
    lead = f"By {metric}{scope}, {label} has the best mean: {value}."
    if others.empty:
        return lead
    parts = []
    worse = others[others["verdict"] == "worse"]
    if len(worse):
        nearest = worse.iloc[0]
        label = findings.label(nearest["configuration_id"])
        many = f"{len(worse)} of the others, the nearest being {label}"
        parts.append(
            f"It is better than {label if len(worse) == 1 else many} "
            f"({_difference(nearest, metric)}, Holm-corrected p = {_p(nearest['p_holm'])})."
        )
    for verdict, words in (
        ("not distinguishable", "Not distinguishable from it"),
        ("identical", "Identical to it in every seed"),
        ("given up", "Given up on the way"),
    ):
        same = others[others["verdict"] == verdict]
        if len(same):
            labels = [findings.label(i) for i in same["configuration_id"]]
            parts.append(f"{words}: {_listed(labels)}.")
    if len(worse) == 0 and (others["verdict"] == "not distinguishable").any():
        parts.append("No winner can be named with these seeds.")
    return " ".join([lead, *parts])


def _mean_of(findings: Findings, configuration_id: str, metric: str) -> str:
    rows = findings.summary[findings.summary["configuration_id"] == configuration_id]
    row = rows.iloc[0]
    return f"{mean_and_interval(row, metric)} over {row['n_finished']} seeds"


def mean_and_interval(row: pd.Series, metric: str) -> str:
    """`-33.04 ± 0.31`: the mean and half the 95 % interval."""
    mean = row[f"{metric}.mean"]
    if math.isnan(mean):
        return "–"
    half = (row[f"{metric}.ci95_high"] - row[f"{metric}.ci95_low"]) / 2
    return f"{mean:.2f}" if math.isnan(half) else f"{mean:.2f} ± {half:.2f}"


def _difference(row: pd.Series, metric: str) -> str:
    word = "higher" if (row["difference"] > 0) == find_metric(metric).lower_is_better else "lower"
    word = (
        {"higher": "more", "lower": "less"}[word] if find_metric(metric).lower_is_better else "less"
    )
    size = abs(row["difference"])
    low, high = sorted(abs(row[c]) for c in ("difference_low", "difference_high"))
    return f"{size:.2f} {word}, 95 % interval {low:.2f} to {high:.2f}"


def _p(value: float) -> str:
    return f"{value:.1g}" if value < 0.001 else f"{value:.3f}"


def _listed(labels: list[str], at_most: int = 4) -> str:
    if len(labels) > at_most:
        return ", ".join(labels[:at_most]) + f" and {len(labels) - at_most} more"
    return ", ".join(labels)


def _effect(row: pd.Series, metric: str) -> str:
    axis, better, worse = row["axis"], row["better"], row["worse"]
    if row["difference"] == 0 and row["p"] == 1:
        why = (
            " (the images are gray already)"
            if axis == "transform" and {better, worse} == {"none", "grayscale"}
            else ""
        )
        return f"{axis}: {better} and {worse} are identical in every trial{why}."
    if math.isnan(row["difference_low"]):
        return f"{axis}: one seed says nothing about {better} against {worse}."
    size = (
        f"by {abs(row['difference']):.2f} in {metric}, all else equal (95 % interval "
        f"{_signed_interval(row)}; {row['n_pairs']} pairs, {row['n_seeds']} seeds)"
    )
    if row["p_holm"] < 0.05:
        return f"{axis}: {better} is better than {worse} {size}."
    return f"{axis}: {better} and {worse} are not distinguishable; {better} is ahead {size}."


def _signed_interval(row: pd.Series) -> str:
    """The interval of how much better: below zero it would be worse."""
    bounds = [row["difference_low"], row["difference_high"]]
    if row["difference"] < 0:  # a loss: less is better
        bounds = [-bounds[1], -bounds[0]]
    return f"{bounds[0]:.2f} to {bounds[1]:.2f}"


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
