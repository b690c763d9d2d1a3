"""The columns of a frame of trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from experiments.formatting import format_value
from vae.components.registry import KINDS
from vae.configuration import Configuration

FIELDS = tuple(name for name in Configuration.model_fields if name not in ("options", "digests"))
"""The configuration fields that every trial has."""

VERSIONS = ("numbers_version", "code_digest", "data_digest")
"""What tells configurations apart whose fields are all the same: the code or the data changed."""

EXPERIMENT = "experiment"
"""Where trials are of several experiments: which of them."""

OTHER_CODE = "other_code"
"""Where the code of a configuration has changed since: which code it was."""

NOT_TAKEN = "–"
"""An option of a trial whose component does not take it, where rows are grouped."""


def fields_among(columns: Iterable[str]) -> list[str]:
    """The fields and the options among columns, options behind the fields that take them."""
    columns = list(columns)
    found: list[str] = []
    for field in FIELDS:
        found += [field] if field in columns else []
        if field in KINDS:
            found += [column for column in columns if column.startswith(f"{field}.")]
    return found


def axes_among(columns: Iterable[str]) -> list[str]:
    """The same, with `experiment` first where trials are of several."""
    columns = list(columns)
    return [*([EXPERIMENT] if EXPERIMENT in columns else []), *fields_among(columns)]


def varying_fields(trials: pd.DataFrame) -> list[str]:
    """The fields and options that differ between the rows, in the order of the configuration; of
    several experiments, `experiment` first.

    Where configurations are the same in all of them, what differs of `VERSIONS` as well.
    """
    found = [field for field in axes_among(trials.columns) if trials[field].nunique() > 1]
    first = trials.drop_duplicates("configuration_id")
    if first.duplicated(found).any() if found else len(first) > 1:
        versions = (name for name in VERSIONS if name in trials.columns)
        found += [name for name in versions if trials[name].nunique() > 1]
    return found


def is_missing(value: Any) -> bool:
    """Whether a cell of a frame is empty, as that of an option is that is not taken."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def describe_field(name: str, value: object) -> str:
    """A field in words: names bare, all else with the name of its field; nothing of an option
    that the trial's component does not take.
    """
    if is_missing(value):
        return ""
    if name in ("code_digest", "data_digest"):
        return f"{name.partition('_')[0]} {str(value)[:4]}" if value else ""
    if isinstance(value, str) and "." not in name:
        return value
    return f"{name}={format_value(value)}"


def comparable(trials: pd.DataFrame, scale: Iterable[str]) -> list[str]:
    """The columns in which trials have to agree for a metric to mean the same in both: its scale,
    the version of the code, the data, and which images were kept from training.

    Args:
        scale: of the metric
    """
    known = [name for name in scale if name in trials.columns]
    others = ("numbers_version", "data_digest", "val_size", OTHER_CODE)
    return [*known, *(c for c in others if c in trials.columns and trials[c].nunique() > 1)]


def with_other_code(trials: pd.DataFrame) -> pd.DataFrame:
    """The same with `OTHER_CODE` where some configuration was run again with other code of the
    user's: empty for what was first asked for last, and for all that has no such double.

    Components of other names have other code as well, and are what is to be compared.
    """
    if "code_digest" not in trials or trials["code_digest"].nunique() < 2:
        return trials
    first = trials.drop_duplicates("configuration_id")
    told_by = axes_among(first.columns)
    told_by += [c for c in ("numbers_version", "data_digest") if c in first]
    # Missing options are equal to each other.
    replaced = first[first.astype(dict.fromkeys(told_by, object)).duplicated(told_by, keep="last")]
    if replaced.empty:
        return trials
    digests = replaced.set_index("configuration_id")["code_digest"]
    named = trials["configuration_id"].map("code " + digests.str[:4]).fillna("")
    return trials.assign(**{OTHER_CODE: named})


def of_today(trials: pd.DataFrame) -> pd.DataFrame:
    """Without what an older version of the code, or of the user's own, has left."""
    trials = with_other_code(trials)
    if OTHER_CODE in trials:
        trials = trials[trials[OTHER_CODE] == ""].drop(columns=OTHER_CODE)
    return trials[trials["numbers_version"] == trials["numbers_version"].max()]


def describe_group(values: Mapping[str, object]) -> str:
    """A group of `comparable` in words: what tells it from the others, and what it is of."""
    return " ".join(filter(None, (describe_field(name, value) for name, value in values.items())))


def with_options_filled(trials: pd.DataFrame) -> pd.DataFrame:
    """The same with a dash for options that a trial's component does not take: in rows that are
    grouped, a missing value would leave its trial out.
    """
    filled = {}
    for name in fields_among(trials.columns):
        if "." in name:
            values = trials[name].astype(object)
            filled[name] = values.where(values.notna(), NOT_TAKEN)
    return trials.assign(**filled)
