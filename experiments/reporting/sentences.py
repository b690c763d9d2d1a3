"""The answer in words, which claims no more than the seeds can carry."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib import metadata

import pandas as pd

from experiments.analysis.inference import LEVEL, UNKNOWN
from experiments.analysis.noise import PRIOR_FREEDOM
from experiments.analysis.power import MOST_SEEDS
from experiments.analysis.trial_columns import OTHER_CODE, comparable, with_other_code
from experiments.formatting import count, format_number, format_value
from experiments.metrics import YARDSTICK, find_metric
from experiments.reporting.findings import Findings, mean_and_interval
from experiments.spec.control import write_control
from vae.configuration import NUMBERS_VERSION


def conclusions(findings: Findings) -> list[str]:
    """The answer in words, most important first."""
    if findings.yardstick.empty:
        return ["No trial has finished yet: nothing can be said."]
    told = [
        _group(findings, group, YARDSTICK)
        for _, group in findings.yardstick.groupby("group", sort=False)
    ]
    told += _apart(findings)
    told += _effects(findings.yardstick_effects, findings.yardstick_interactions, YARDSTICK)
    return told + (findings.study_summary.lines() if findings.study_summary else [])


def group_conclusions(findings: Findings) -> list[str]:
    """The same for the metric that was asked for, in each group in which it compares."""
    if findings.metric == YARDSTICK:
        return []
    told = [
        _group(findings, group, findings.metric)
        for _, group in findings.comparison.groupby("group", sort=False)
        if len(group) > 1
    ]
    return [*told, *_effects(findings.effects, findings.interactions, findings.metric)]


def method(findings: Findings) -> str:
    """Which test, correction and version the claims are made with: a sentence for a paper."""
    if findings.control:
        family = f"for the comparisons with the control ({write_control(findings.control)}; Holm)"
    else:
        family = "for all pairs (step-down, after Holm 1979), since the best was found by looking"
    equal = (
        f"; equal: two one-sided tests within ±{findings.equal_within:g}"
        if findings.equal_within is not None
        else ""
    )
    return (
        "Configurations were compared by t-tests of differences paired by seed, with variances "
        f"moderated over all configurations (Smyth 2004, a prior of {PRIOR_FREEDOM:g} degrees of "
        f"freedom), corrected {family}, at a family-wise level of {LEVEL * 100:g} %{equal}; "
        "intervals are 95 % intervals of each mean or difference alone "
        f"({_version()}, numbers version {NUMBERS_VERSION})."
    )


def _version() -> str:
    try:
        return f"vae-sweeps {metadata.version('vae-sweeps')}"
    except metadata.PackageNotFoundError:  # run from a folder where it is not installed
        return "vae-sweeps"


# ------------------------------------------------------------------------- one group


def _group(findings: Findings, group: pd.DataFrame, metric: str) -> str:
    first, others = group.iloc[0], group.iloc[1:]
    several = len(_table_of(findings, metric)["group"].unique()) > 1
    scope = f" among {first['group']}" if several else ""
    label = findings.label(first["configuration_id"])
    value = _mean_of(findings, first["configuration_id"], metric)
    controlled = first["verdict"] == "control"
    if controlled:
        parts = [f"By {metric}{scope}, against the control {label}: {value}."]
    else:
        parts = [f"By {metric}{scope}, {label} has the best mean: {value}."]
        parts += _ahead_but_failed(findings, first, others, metric)
    it = "the control" if controlled else "it"
    parts += _claims(findings, others, metric, controlled)
    parts += [
        f"{words.format(it=it)}: {_listed(findings, same)}."
        for words, same in _no_claims(findings, others)
    ]
    parts += _what_it_would_take(findings, others)
    found = set(others["verdict"])
    if not controlled and UNKNOWN in found and "worse" not in found:
        parts.append("No winner can be named with these seeds.")
    return " ".join(parts)


def _table_of(findings: Findings, metric: str) -> pd.DataFrame:
    return findings.yardstick if metric == YARDSTICK else findings.comparison


def _claims(
    findings: Findings, others: pd.DataFrame, metric: str, controlled: bool
) -> Iterator[str]:
    better, worse = others[others["verdict"] == "better"], others[others["verdict"] == "worse"]
    if len(better):
        yield _claim(findings, "Better", better, metric)
    if len(worse) and controlled:
        yield _claim(findings, "Worse", worse, metric)
    elif len(worse):
        nearest = _nearest(worse, worse["difference"].abs())
        label = findings.label(nearest["configuration_id"])
        many = f"{len(worse)} of the others, the nearest being {label}"
        than = label if len(worse) == 1 else many
        yield f"It is better than {than} {_how_much(nearest, metric)}."


def _claim(findings: Findings, word: str, rows: pd.DataFrame, metric: str) -> str:
    nearest = _nearest(rows, rows["difference"].abs())
    label = findings.label(nearest["configuration_id"])
    many = f"{len(rows)} of the others, the nearest being {label}"
    return f"{word} than it: {label if len(rows) == 1 else many} {_how_much(nearest, metric)}."


def _nearest(rows: pd.DataFrame, distance: pd.Series) -> pd.Series:
    return rows.iloc[int(distance.argmin())]


def _no_claims(findings: Findings, others: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    within = "" if findings.equal_within is None else f" within {findings.equal_within:g}"
    for verdict, words in (
        ("equal", f"Equal to {{it}}{within}"),
        ("identical", "Identical to {it} in every seed"),
        (UNKNOWN, "Not distinguishable from {it}"),
        ("pruned", "Pruned on the way"),
    ):
        same = others[others["verdict"] == verdict]
        if len(same):
            yield words, same


def _what_it_would_take(findings: Findings, others: pd.DataFrame) -> Iterator[str]:
    """How many seeds would show what could not be shown."""
    known = others[(others["difference"] != 0) & others["seeds_needed"].notna()]
    if known.empty:
        return
    nearest = _nearest(known, known["seeds_needed"])
    seeds, sought = int(nearest["seeds_needed"]), findings.equal_within
    many = f"more than {MOST_SEEDS:,}" if seeds >= MOST_SEEDS else f"about {seeds:,}"
    size = abs(nearest["difference"]) if sought is None else sought
    yield f"At this noise {many} seeds would show a difference of {size:.2g} (80 % power)."


def _ahead_but_failed(
    findings: Findings, best: pd.Series, others: pd.DataFrame, metric: str
) -> Iterator[str]:
    """Survivors rank behind what is whole, and a reader who sees their mean is told why."""
    sign = find_metric(metric).sign
    ahead = others[(sign * (others["mean"] - best["mean"]) > 0) & (others["verdict"] != "pruned")]
    failed = ahead[ahead["configuration_id"].isin(findings.failed)]
    if len(failed):
        have = "has" if len(failed) == 1 else "have"
        yield (
            f"{_listed(findings, failed)} {have} a better mean over the seeds that did not fail, "
            "and cannot be the best."
        )


def _mean_of(findings: Findings, configuration_id: str, metric: str) -> str:
    rows = findings.summary[findings.summary["configuration_id"] == configuration_id]
    row = rows.iloc[0]
    return f"{mean_and_interval(row, metric)} over {count(int(row['n_finished']), 'seed')}"


def _how_much(row: pd.Series, metric: str) -> str:
    word = "more" if row["difference"] > 0 else "less"
    low, high = sorted(abs(row[c]) for c in ("difference_low", "difference_high"))
    interval = f"{format_number(low)} to {format_number(high)}"
    return (
        f"({format_number(abs(row['difference']))} {word}, 95 % interval of this difference "
        f"{interval}, corrected p = {_p(row['p_corrected'])})"
    )


def _p(value: float) -> str:
    return f"{value:.1g}" if value < 0.001 else f"{value:.3f}"


def _listed(findings: Findings, rows: pd.DataFrame, at_most: int = 4) -> str:
    labels = [findings.label(i) for i in rows["configuration_id"]]
    if len(labels) > at_most:
        return ", ".join(labels[:at_most]) + f" and {len(labels) - at_most} more"
    return ", ".join(labels)


_APART = {
    "yardstick": "pixels",
    "numbers_version": "version of the numbers",
    "data_digest": "content of the data",
    "dataset": "data set",
    OTHER_CODE: "code",
    "val_size": "number of validation images",
}
"""Columns of trials in words."""


def differing(findings: Findings, metric: str) -> list[str]:
    """What makes groups between which a metric does not rank, in words."""
    trials = with_other_code(findings.trials)
    finished = trials[trials["state"] == "finished"]
    columns = comparable(finished, find_metric(metric).scale)
    return [_APART.get(c, c) for c in columns if finished[c].nunique(dropna=False) > 1]


def listing(names: Sequence[str]) -> str:
    """`loss, transform and version of the numbers`; nothing of nothing."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _apart(findings: Findings) -> Iterator[str]:
    """What must not be compared is not, and this says so."""
    if apart := differing(findings, YARDSTICK):
        yield f"Across these groups nothing ranks: their {YARDSTICK} is of other {listing(apart)}."


# --------------------------------------------------------------------------- effects


_MOST_PAIRS = 3
"""Of an axis's values that are told one by one: those of three values."""


def _effects(effects: pd.DataFrame, interactions: pd.DataFrame, metric: str) -> Iterator[str]:
    """Where an effect depends on another axis, that is said instead of its mean; of an axis of many
    values, how its best one differs from the others.
    """
    effects = _told(effects)
    key = ["axis", "better", "worse"]
    depends = dict(list(interactions.groupby(key, sort=False)))
    for _, row in effects.iterrows():
        parts = depends.get(tuple(row[key]))
        if parts is None:
            yield _effect(row, metric)
        else:
            for other, of_other in parts.groupby("other", sort=False):
                yield _interaction(str(other), of_other, metric)


def _told(effects: pd.DataFrame) -> pd.DataFrame:
    kept = []
    for _, rows in effects.groupby("axis", sort=False):
        if len(rows) > _MOST_PAIRS:
            best = rows["better"].mode().iloc[0]
            rows = rows[(rows["better"] == best) | (rows["worse"] == best)]
        kept.append(rows)
    return pd.concat(kept) if kept else effects


def _interaction(other: str, rows: pd.DataFrame, metric: str) -> str:
    """`encoder: it depends on loss: mlp1 beats mlp3 by 14.7 with bce, by 2.9 with sse`."""
    first, sign = rows.iloc[0], find_metric(metric).sign
    told, winner = [], ""
    for _, row in rows.iterrows():
        names = (format_value(row["better"]), format_value(row["worse"]))
        better, worse = names if sign * row["difference"] > 0 else names[::-1]
        lead = f"{better} beats {worse} " if better != winner else ""
        size = format_number(abs(row["difference"]))
        told.append(f"{lead}by {size} with {_value(other, row['value'])}")
        winner = better
    return (
        f"{first['axis']}: the difference in {metric} depends on {other}: {', '.join(told)} "
        f"(corrected p = {_p(first['p_corrected'])})."
    )


def _value(name: str, value: object) -> str:
    return str(value) if isinstance(value, str) else f"{name}={format_value(value)}"


def _effect(row: pd.Series, metric: str) -> str:
    axis, better, worse = row["axis"], format_value(row["better"]), format_value(row["worse"])
    if row["difference"] == 0 and row["p"] == 1:
        gray = axis == "transform" and {better, worse} == {"none", "grayscale"}
        why = " (the images are gray already)" if gray else ""
        return f"{axis}: {better} and {worse} are identical in every trial{why}."
    if math.isnan(row["difference_low"]):
        return f"{axis}: one seed says nothing about {better} against {worse}."
    size = (
        f"by {format_number(abs(row['difference']))} in {metric}, all else equal (95 % interval "
        f"{_signed_interval(row, metric)}; {count(row['n_pairs'], 'pair')}, "
        f"{count(row['n_seeds'], 'seed')})"
    )
    if row["p_corrected"] < LEVEL:
        return f"{axis}: {better} is better than {worse} {size}."
    return f"{axis}: {better} and {worse} are not distinguishable; {better} is ahead {size}."


def _signed_interval(row: pd.Series, metric: str) -> str:
    """The interval of how much better: below zero it would be worse."""
    sign = find_metric(metric).sign
    low, high = sorted(sign * row[c] for c in ("difference_low", "difference_high"))
    return f"{format_number(low)} to {format_number(high)}"
