"""The values of an axis, checked one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationInfo

from vae.configuration import NLL_FIELDS, check_field, check_field_name
from vae.errors import BadInput


def check_choices(field: str, values: Any, folder: Path) -> list[Any]:
    """The values of an axis as the field holds them; files are relative to `folder`."""
    if field == "seed":
        raise BadInput("seeds are replicates, not an axis; use the key `seeds`")
    check_field_name(field)
    if not isinstance(values, list):
        raise BadInput(f"an axis is a list; one value goes under `fixed` (got {values!r})")
    if not values:
        raise BadInput("the axis is empty")
    if field in (*NLL_FIELDS, "dataset.yardstick") and len(values) > 1:
        raise BadInput("belongs to the yardstick, which is one for all trials; use `fixed`")
    return [check_field(field, value, folder) for value in values]


def folder_of(info: ValidationInfo) -> Path:
    """The folder of the experiment file that is being checked."""
    return Path((info.context or {}).get("folder", "."))


def check_distinct(axes: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Raises BadInput for an axis that names a value twice."""
    for field, values in axes.items():
        for value in values:
            if values.count(value) > 1:
                raise BadInput(f"{field}: {value!r} is given twice")
    return axes
