"""What a study tries first: the key `study.first`, checked against the space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationInfo

from experiments.spec.axes import folder_of
from experiments.spec.ranges import Choices, Range
from vae.components.registry import check_name
from vae.components.signatures import check_value
from vae.configuration import check_field
from vae.errors import BadInput, at
from vae.resolution import all_options

if TYPE_CHECKING:
    from experiments.spec.search_space import StudyPlan

Fields = Mapping[str, Any]


def checked_fields(entries: list[dict[str, Any]], info: ValidationInfo) -> list[dict[str, Any]]:
    """The entries with their values as the fields hold them; files are relative to the file's
    folder.
    """
    checked: list[dict[str, Any]] = []
    for i, entry in enumerate(entries):
        fields: dict[str, Any] = {}
        for name, value in entry.items():
            with at(f"{i}.{name}"):
                fields[name] = check_field(name, value, folder_of(info))
        checked.append(fields)
    return checked


def check_first(plan: StudyPlan, entries: Sequence[Fields]) -> tuple[Fields, ...]:
    """The entries as configurations that the study may draw, or as parts of such.

    Raises:
        BadInput: that names the entry.
    """
    if len(entries) > plan.n_configurations:
        raise BadInput(
            f"study.first: has {len(entries)} configurations, and `trials` allows "
            f"{plan.n_configurations}"
        )
    checked: list[Fields] = []
    for i, entry in enumerate(entries):
        with at(f"study.first.{i}"):
            fields = _checked(plan, entry)
            if fields in checked:
                raise BadInput("is given twice")
        checked.append(fields)
    return tuple(checked)


def _checked(plan: StudyPlan, entry: Fields) -> Fields:
    if not entry:
        raise BadInput("should name a searched field, such as {lr: 1e-3}")
    for name in entry:
        _check_is_searched(plan, name)
    fields: dict[str, Any] = {}
    whole = True
    for name, values in plan.space.items():  # options come after their components
        if name not in entry:
            whole = whole and not _may_be_drawn(plan, name, fields)
            continue
        with at(name):
            _check_is_taken(plan, name, fields)
            fields[name] = _value_among(values, _typed(plan, name, entry[name]))
    if whole:
        plan.configuration(fields)
    return fields


def _check_is_searched(plan: StudyPlan, name: str) -> None:
    if name in plan.fixed:
        raise BadInput(f"{name}: is not searched, but fixed ({plan.fixed[name]})")
    check_name(plan.space, name, "searched field")


def _takers(plan: StudyPlan, name: str, fields: Fields) -> list[bool]:
    """Of an option: whether each component takes it that it may meet."""
    kind = name.partition(".")[0]
    open_choice = kind in plan.space and kind not in fields
    values = plan.space[kind] if open_choice else [fields.get(kind)]
    named = [{**fields, kind: v} if v is not None else fields for v in values]  # type: ignore[union-attr]
    return [plan.asks_for(name, around) for around in named]


def _may_be_drawn(plan: StudyPlan, name: str, fields: Fields) -> bool:
    return "." not in name or any(_takers(plan, name, fields))


def _check_is_taken(plan: StudyPlan, name: str, fields: Fields) -> None:
    if "." not in name:
        return
    takers, kind = _takers(plan, name, fields), name.partition(".")[0]
    if not any(takers):
        raise BadInput(f"{kind} '{fields[kind]}' takes no such option")
    if not all(takers):
        raise BadInput(f"not every {kind} takes it: say which {kind}, as well")


def _typed(plan: StudyPlan, name: str, value: Any) -> Any:
    options = all_options(plan.components())
    return check_value(options[name], value) if name in options else value


def _value_among(values: Range | Choices, value: Any) -> Any:
    if value in values:
        return value
    if isinstance(values, Range):
        raise BadInput(f"should be in the space, {values} (got {value})")
    if all(isinstance(choice, str) for choice in values):
        return check_name(values, str(value), "choice")
    raise BadInput(f"should be one of {', '.join(map(str, values))} (got {value})")
