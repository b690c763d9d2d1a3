"""What a study searches: ranges and choices of configuration fields, checked one by one."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from experiments.metrics import DECISION_METRICS
from experiments.spec.axes import check_choices, check_distinct, folder_of
from experiments.spec.comparable import refuse_other_pixels
from experiments.spec.first import check_first, checked_fields
from experiments.spec.ranges import Choices, Range, Space, check_bounds, check_range
from experiments.spec.resolver import DEFAULTS, Resolver, refuse_unused_options
from vae.components.component import Component
from vae.components.registry import KINDS, check_name
from vae.components.signatures import check_value
from vae.configuration import (
    NUMBERS_VERSION,
    RETURN_SCALE_FIELDS,
    Configuration,
)
from vae.errors import BadInput, at
from vae.resolution import all_options

SAMPLERS = ("cmaes", "gp", "qmc", "random", "tpe")
LEARNING_SAMPLERS = ("gp", "tpe")
"""Those that reckon with values of configurations which they did not propose themselves."""

PRUNERS = ("hyperband", "median", "none")

REDUCTION = 3
"""Of the configurations that reach a rung, one in so many goes on to the next."""


@dataclass(frozen=True)
class StudyPlan:
    """How to search.

    Attributes:
        n_configurations: how many to try
        space: options come after the components that may take them
        fixed: the configuration fields that are not searched
        first: what is tried first; each says some of the searched fields
        learn_from: the experiments whose configurations the sampler is told of
    """

    n_configurations: int
    sampler: str
    metric: str
    space: Space
    pruner: str
    fixed: Mapping[str, Any]
    first: tuple[Mapping[str, Any], ...] = ()
    learn_from: tuple[str, ...] = ()
    resolver: Resolver = dataclasses.field(default_factory=Resolver, compare=False)

    @property
    def most_epochs(self) -> int:
        """That any of its configurations is trained for."""
        searched = self.space.get("epochs")
        if isinstance(searched, Range):
            return int(searched.high)
        default = Configuration.model_fields["epochs"].default
        return max(searched) if searched else int(self.fixed.get("epochs", default))

    def configuration(self, proposed: Mapping[str, Any]) -> Configuration:
        """Raises BadInput for a combination that cannot be."""
        return self.resolver.configuration({**self.fixed, **proposed}, proposed)

    def asks_for(self, name: str, drawn: Mapping[str, Any]) -> bool:
        """Whether `name` of the space is to be drawn where the fields before it are `drawn`: an
        option is, where the component takes it.
        """
        kind, dot, option = name.partition(".")
        if not dot:
            return True
        component = self.resolver.component(kind, {**self.fixed, **drawn})
        return option in dict(component.options)

    def components(self) -> list[Component]:
        """Every component that may be drawn, or is fixed, with its options at their defaults."""
        return [c for kind in KINDS for c in self._candidates(kind)]

    def _candidates(self, kind: str) -> list[Component]:
        values = self.space.get(kind, (self.fixed.get(kind, DEFAULTS[kind]),))
        return [self.resolver.component(kind, {kind: value}) for value in values]  # type: ignore[union-attr]

    def corner_configurations(self) -> Iterator[Configuration]:
        """One of every corner, which together have every component that may be drawn."""
        return (self.configuration(fields) for _, fields in self.corners())

    def corners(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every bound and choice, with the other fields at their first; by the field's name."""
        ends = {
            name: (values.low, values.high) if isinstance(values, Range) else values
            for name, values in self.space.items()
        }
        first = {name: values[0] for name, values in ends.items()}
        for name, values in ends.items():
            kind, dot, option = name.partition(".")
            around = dict(first)
            if dot and kind in self.space:
                takers = (c for c in self._candidates(kind) if option in dict(c.options))
                around[kind] = next(takers).value
            yield from ((name, {**around, name: value}) for value in values)

    def _resolved(self) -> list[Any]:
        """What is not searched, said or not: fields, and options and code of all components."""
        _, some = next(self.corners())
        fields = self.resolver.effective({**self.fixed, **some})
        plain = {k: v for k, v in fields.items() if "." not in k and k not in self.space}
        parts = [(c.value, dict(c.options), c.digest) for c in self.components()]
        options = {k: v for k, v in self.fixed.items() if "." in k}
        return [plain, parts, options]

    def digest(self, seeds: Iterable[int], racing: bool) -> str:
        """Of all that decides which configurations are tried and what they are worth; a study
        with another digest is another study. How many to try may grow, and so may what is tried
        first and what is learned from.
        """
        space = {k: asdict(v) if isinstance(v, Range) else v for k, v in self.space.items()}
        content = [NUMBERS_VERSION, space, self._resolved(), self.sampler, self.metric, self.pruner]
        text = json.dumps([*content, sorted(seeds), racing], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def _check_space(raw: dict[str, Any], info: ValidationInfo) -> dict[str, Range | Choices]:
    if not raw:
        raise BadInput("is empty: nothing to search")
    space: dict[str, Range | Choices] = {}
    for field, values in raw.items():
        with at(field):
            if isinstance(values, dict):
                space[field] = check_range(field, values)
            else:
                choices = check_choices(field, values, folder_of(info))
                space[field] = tuple(check_distinct({field: choices})[field])
    return space


def _one_of(choices: Iterable[str], kind: str) -> AfterValidator:
    return AfterValidator(lambda value: check_name(list(choices), value, kind))


def _check_once(names: list[str]) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"'{name}' is given twice")
    return names


class StudySection(BaseModel):
    """The keys below `study:` in an experiment file."""

    model_config = ConfigDict(extra="forbid")

    trials: Annotated[int, Field(ge=1, le=10**6)]
    sampler: Annotated[str, _one_of(SAMPLERS, "sampler")] = "tpe"
    metric: Annotated[str, _one_of(DECISION_METRICS, "metric")] = "return"
    space: Annotated[dict[str, Any], AfterValidator(_check_space)]
    pruner: Annotated[str, _one_of(PRUNERS, "pruner")] = "none"
    racing: Annotated[bool, Field(strict=True)] = False
    first: Annotated[list[dict[str, Any]], AfterValidator(checked_fields)] = []
    learn_from: Annotated[list[str], AfterValidator(_check_once)] = []

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, raw: Any) -> Any:
        """Before pydantic says which key is missing: it may just be misspelt."""
        if isinstance(raw, dict):
            for key in raw:
                check_name(cls.model_fields, str(key), "key")
        return raw

    def plan(self, fixed: Mapping[str, Any], resolver: Resolver) -> StudyPlan:
        """Raises BadInput where a study of these could not run or would compare the
        incomparable.
        """
        for field in RETURN_SCALE_FIELDS:
            searched = self.space.get(field)
            if field in self.space and (self.metric == "return" or field == "dataset"):
                if isinstance(searched, tuple) and len(searched) == 1:
                    continue
                way_out = "fix it" if field == "dataset" else "use `metric: nll`, or fix it"
                raise BadInput(
                    f"study.space.{field}: {self.metric}s of different {field}s measure "
                    f"different things; {way_out}"
                )
        plan = StudyPlan(
            self.trials,
            self.sampler,
            DECISION_METRICS[self.metric],
            dict(self.space),
            self.pruner,
            fixed,
            learn_from=tuple(self.learn_from),
            resolver=resolver,
        )
        refuse_unused_options(
            [("fixed", fixed), ("study.space", plan.space)], all_options(plan.components())
        )
        plan = replace(plan, space=_typed_options(plan))
        corners = []
        for field, fields in plan.corners():
            with at(f"study.space.{field}"):
                corners.append(plan.configuration(fields))
        with at("study.space"):
            refuse_other_pixels(corners)
        return replace(plan, first=check_first(plan, self.first))


def _typed_options(plan: StudyPlan) -> dict[str, Range | Choices]:
    """The space with the options last, and their values of the types that their components say."""
    plain = {name: values for name, values in plan.space.items() if "." not in name}
    typed: dict[str, Range | Choices] = {}
    for name, values in plan.space.items():
        if "." in name:
            with at(f"study.space.{name}"):
                for component in plan.components():
                    default = all_options([component]).get(name, _UNKNOWN)
                    if default is not _UNKNOWN:
                        values = _typed(default, values)
                typed[name] = values
    return {**plain, **typed}


_UNKNOWN = object()


def _typed(default: Any, values: Range | Choices) -> Range | Choices:
    if not isinstance(values, Range):
        return tuple(check_value(default, value) for value in values)
    if isinstance(default, bool) or not isinstance(default, int | float):
        raise BadInput(f"is no number (it is {default!r} by default): give a list of values")
    low, high = check_value(default, values.low), check_value(default, values.high)
    return check_bounds(type(default), low, high, values.log, values.step)


def rungs(pruner: str, epochs: int) -> list[int]:
    """The epochs at which a pruner is asked: 1, 3, 9, … before the last."""
    if pruner == "none":
        return []
    found, epoch = [], 1
    while epoch < epochs:
        found.append(epoch)
        epoch *= REDUCTION
    return found
