"""How a grid races: the key `racing` of an experiment file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from experiments.spec.axes import folder_of
from experiments.spec.comparable import refuse_other_pixels
from experiments.spec.control import Fields, find_control, write_control
from vae.components.registry import check_name
from vae.configuration import Configuration, check_field
from vae.errors import BadInput, at


@dataclass(frozen=True)
class Racing:
    """The rules of a race.

    Attributes:
        first: seeds that everybody gets, at least 2
        equal_within: a difference that does not matter, in units of the metric
        control: the configuration_id that everybody is held against; None for the best
    """

    first: int = 2
    equal_within: float | None = None
    control: str | None = None


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):  # pydantic would read `yes` as 1
        raise ValueError("should be a number, not yes or no")
    return value


class RacingSection(BaseModel):
    """`true`, or a mapping of which every key is optional; `control` holds fields."""

    model_config = ConfigDict(extra="forbid")

    first: Annotated[int, Field(ge=2, strict=True)] = 2
    equal_within: (
        Annotated[float, BeforeValidator(_refuse_bool), Field(gt=0, allow_inf_nan=False)] | None
    ) = None
    control: dict[str, Any] | None = None

    @field_validator("control")
    @classmethod
    def _check_control(cls, control: Fields | None, info: ValidationInfo) -> Fields | None:
        if control is None:
            return None
        if not control:
            raise ValueError("should name a field, such as {encoder: mlp3}")
        checked = {}
        for name, value in control.items():
            with at(name):
                checked[name] = check_field(name, value, folder_of(info))
        return checked

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, raw: Any) -> Any:
        for key in raw if isinstance(raw, dict) else ():
            check_name(cls.model_fields, str(key), "key")
        return raw

    def rules(self, competing: Sequence[Configuration]) -> Racing:
        """Raises BadInput where no race of these could be held."""
        refuse_other_pixels(competing)
        if self.control is None:
            return Racing(self.first, self.equal_within)
        with at("control"):
            place = find_control([c.flat for c in competing], self.control)
            if place is None:
                raise BadInput(f"no configuration has {write_control(self.control)}")
        return Racing(self.first, self.equal_within, competing[place].id)


def parse_racing(raw: Any) -> Any:
    """What the key holds as `RacingSection` reads it: `true` is all defaults, `false` no race."""
    if isinstance(raw, bool):
        return {} if raw else None
    if not isinstance(raw, dict):
        keys = ", ".join(RacingSection.model_fields)
        raise ValueError(f"should be true, or a mapping with any of {keys} (got {raw!r})")
    return raw
