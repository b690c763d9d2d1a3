"""Ranges and choices of configuration fields: what a study draws from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vae.components.registry import check_name
from vae.configuration import NLL_FIELDS, Configuration, check_field, check_field_name, explain
from vae.errors import BadInput

_STEP_ERROR = 1e-8
"""By how much of a step a number may be off the grid, as decimals are."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __contains__(self, value: Any) -> bool:
        """Whether `value` is one that may be drawn."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not self.low <= value <= self.high:
            return False
        if isinstance(self.low, int) and value != int(value):
            return False
        n_steps = (value - self.low) / (self.step or 1.0)
        return self.step is None or abs(n_steps - round(n_steps)) < _STEP_ERROR

    def __str__(self) -> str:
        how = ", logarithmic" if self.log else f", in steps of {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{how}"


Choices = tuple[Any, ...]
Space = Mapping[str, Range | Choices]


class _Bounds(BaseModel):
    """`{low: 1e-4, high: 1e-2, log: true}`; the bounds are checked as values of their field."""

    model_config = ConfigDict(extra="forbid")

    low: Any
    high: Any
    log: bool = False
    step: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


def check_range(field: str, raw: dict[str, Any]) -> Range:
    check_field_name(field)
    if field in NLL_FIELDS:
        raise BadInput("belongs to the yardstick, which is one for all trials; use `fixed`")
    for key in raw:
        check_name(_Bounds.model_fields, str(key), "key")
    try:
        bounds = _Bounds.model_validate(raw)
    except ValidationError as error:
        raise BadInput(explain(error)) from error
    if "." in field:  # of which type its numbers are, the components tell that take it
        return Range(bounds.low, bounds.high, bounds.log, bounds.step)
    kind = Configuration.model_fields[field].annotation
    if kind not in (int, float):
        raise BadInput("has names for values: give a list of them")
    low, high = check_field(field, bounds.low), check_field(field, bounds.high)
    return check_bounds(kind, low, high, bounds.log, bounds.step)


def check_bounds(kind: Any, low: Any, high: Any, log: bool, step: float | None) -> Range:
    """A range of numbers of type `kind`, int or float; BadInput for one that cannot be."""
    if not low < high:
        raise BadInput(f"low should be below high (got {low} and {high})")
    if log and low <= 0:
        raise BadInput(f"a logarithmic range starts above 0 (got {low})")
    if log and step is not None:
        raise BadInput("a range is either logarithmic or in steps")
    if kind is int and step is not None and step != int(step):
        raise BadInput(f"step should be a whole number (got {step})")
    return Range(low, high, log, step)
