"""Which configuration a control names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from experiments.analysis.trial_columns import axes_among, varying_fields
from vae.components.registry import check_name
from vae.configuration import Configuration
from vae.errors import BadInput


def find_control(
    trials: pd.DataFrame, control: Mapping[str, Any], scale: Collection[str]
) -> str | None:
    """The configuration_id that has these fields, and of what else varies the defaults.

    In a group that was measured otherwise than the control, it is what differs from the control
    in nothing but that.

    Args:
        trials: of one group
        scale: the columns that make the groups

    Returns:
        None where there is none.

    Raises:
        BadInput: for an unknown field, or when several configurations have all of that.
    """
    known = axes_among(trials.columns)
    for field in control:
        check_name(known, field, "field")
    rows = trials.drop_duplicates("configuration_id")
    found = _with(rows, control)
    if found.empty:
        found = _with(rows, {k: v for k, v in control.items() if k not in scale})
    for field in varying_fields(found):
        if field in Configuration.model_fields and field not in control:
            default = _with(found, {field: Configuration.model_fields[field].default})
            found = found if default.empty else default
    if len(found) > 1:
        shown = ", ".join(f"{key}={value}" for key, value in control.items())
        fields = ", ".join(varying_fields(found))
        raise BadInput(f"control {shown}: {len(found)} configurations have that; also say {fields}")
    return None if found.empty else str(found["configuration_id"].iloc[0])


def _with(rows: pd.DataFrame, fields: Mapping[str, Any]) -> pd.DataFrame:
    for field, value in fields.items():
        rows = rows[(rows[field] == value).fillna(False).astype(bool)]
    return rows
