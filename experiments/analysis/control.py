"""Which configuration a control names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from experiments.analysis.trial_columns import axes_among, is_missing
from experiments.spec.control import find_control as find_place
from vae.components.registry import check_name
from vae.errors import at


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
    configurations = [
        {name: value for name in known if not is_missing(value := row[name])}
        for row in rows[list(known)].to_dict("records")
    ]
    with at("control"):
        place = find_place(configurations, control)
        if place is None:
            comparable = {name: value for name, value in control.items() if name not in scale}
            place = find_place(configurations, comparable)
    return None if place is None else str(rows["configuration_id"].iloc[place])
