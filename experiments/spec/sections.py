"""The parts of an experiment file, each checked by its own type."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, ValidationInfo

from experiments.spec.axes import check_choices, check_distinct, folder_of
from vae.configuration import check_field, explain
from vae.errors import BadInput, at


def _check_fields(fields: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    checked = {}
    for field, value in fields.items():
        with at(field):
            checked[field] = check_field(field, value, folder_of(info))
    return checked


def _check_axes(axes: dict[str, Any], info: ValidationInfo) -> dict[str, list[Any]]:
    checked = {}
    for field, values in axes.items():
        with at(field):
            checked[field] = check_choices(field, values, folder_of(info))
    return checked


def _check_equal_lengths(axes: dict[str, list[Any]]) -> dict[str, list[Any]]:
    lengths = {field: len(values) for field, values in axes.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{field} has {n}" for field, n in lengths.items())
        raise BadInput(f"axes that advance together should be equally long: {shown}")
    return axes


def _check_not_empty(fields: dict[str, Any]) -> dict[str, Any]:
    if not fields:
        raise BadInput("an empty rule would exclude everything")
    return fields


Fields = Annotated[dict[str, Any], AfterValidator(_check_fields)]
Axes = Annotated[dict[str, Any], AfterValidator(_check_axes)]
Grid = Annotated[Axes, AfterValidator(check_distinct)]
ZipGroup = Annotated[Axes, Field(min_length=1), AfterValidator(_check_equal_lengths)]
Rule = Annotated[Fields, AfterValidator(_check_not_empty)]
Name = Annotated[str, Field(max_length=100, pattern=r"^\w[\w .+-]*$")]
DataSetName = Annotated[
    str, AfterValidator(lambda value, info: check_field("dataset", value, folder_of(info)))
]


def check_name_of_experiment(name: str) -> str:
    """Return `name` if an experiment may be called so; BadInput otherwise."""
    try:
        return TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise BadInput(explain(error)) from error
