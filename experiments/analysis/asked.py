"""Which of the tracked trials a question asks for, and which a person wants to see.

An experiment collects whatever was ever run under its name: what an older version of its file asked
for, and what was tried with `--set`. All of it is in the report, and what the file does not ask for
is told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.analysis.trial_columns import axes_among, fields_among, varying_fields
from experiments.formatting import count, format_value
from experiments.spec.experiment import Experiment, load_experiment
from experiments.spec.yaml_files import read_yaml
from vae.components.registry import check_name
from vae.data.datasets import KNOWN
from vae.errors import BadInput

_MOST_SHOWN = 4


def keep_only(trials: pd.DataFrame, only: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The trials of configurations that have, of each field that is named, one of its values.

    Raises:
        BadInput: for a field that there is not, or if nothing is left.
    """
    wanted: dict[str, list[Any]] = {}
    for fields in only:
        for field, value in fields.items():
            check_name(axes_among(trials.columns), field, "field")
            wanted.setdefault(field, []).append(value)
    for field, values in wanted.items():
        kept = trials[trials[field].isin(values).fillna(False)]
        if kept.empty:
            asked = ", ".join(f"{field}={format_value(value)}" for value in values)
            there = _shown(trials[field].dropna().drop_duplicates())
            raise BadInput(f"--only {asked}: nothing tracked has that; {field} is {there}")
        trials = kept
    return trials


def with_only(name: str, only: Sequence[Mapping[str, Any]]) -> str:
    """The name of what is left of an experiment."""
    fields = (f"{field}={format_value(value)}" for part in only for field, value in part.items())
    return f"{name}, only {', '.join(fields)}" if only else name


def not_asked_for(file: Path, trials: pd.DataFrame) -> str:
    """What of the tracked configurations the question of a file does not ask for, in words; empty
    where it asks for all, or where one would have to run something to know.
    """
    question = _question_of(file)
    if question is None or question.study is not None:
        return ""
    asked = {configuration.id for configuration in question.configurations}
    first = trials.drop_duplicates("configuration_id")
    others = first[~first["configuration_id"].isin(asked)]
    if others.empty:
        return ""
    told, only = _told(question, first)
    which = f" ({', '.join(told)})" if told else ""
    way_out = f"; to compare like with like: --only {only}" if only else ""
    n, total = len(others), count(len(first), "configuration")
    return f"{file.name} as it is does not ask for {n} of {total}{which}{way_out}"


def _question_of(file: Path) -> Experiment | None:
    """Executes nothing, and reads no data: those may have changed since, or be elsewhere."""
    try:
        raw = read_yaml(file)
        grid = raw.get("grid") or {}
        named = [raw.get("dataset", "mnist"), *(grid.get("dataset") or [])]
        if not all(name in KNOWN for name in named):
            return None
        return load_experiment(file, try_code=False)
    except (BadInput, TypeError, AttributeError):  # it has been changed to what is no question
        return None


def _told(question: Experiment, first: pd.DataFrame) -> tuple[list[str], str]:
    """Values that the question does not name, of fields that vary among what is tracked; and, of
    those fields that it does not vary, what keeps a single value, one that is asked for if any is.
    """
    told, keeps = [], []
    for field in varying_fields(first):
        if field not in fields_among(first.columns):  # versions of code and data say so themselves
            continue
        named = {configuration.flat.get(field) for configuration in question.configurations}
        tracked = list(first[field].dropna().drop_duplicates())
        foreign = [value for value in tracked if value not in named]
        if foreign:
            told.append(f"{field} {_shown(foreign)}")
            kept = [value for value in tracked if value in named] or foreign[-1:]
            keeps += [f"{field}={kept[0]}"] if len(kept) == 1 else []
    return told, ",".join(keeps)


def _shown(values: Iterable[Any]) -> str:
    texts = [format_value(value) for value in values]
    more = ["…"] if len(texts) > _MOST_SHOWN else []
    return " or ".join([*texts[:_MOST_SHOWN], *more])
