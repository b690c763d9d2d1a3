"""What a study searches: ranges and choices of configuration fields, checked one by one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from experiments.metrics import DECISION_METRICS
from vae.configuration import NLL_FIELDS, RETURN_SCALE_FIELDS, Configuration, check_field, explain
from vae.errors import BadInput, at
from vae.registry import check_name

SAMPLERS = ("cmaes", "gp", "qmc", "random", "tpe")
PRUNERS = ("hyperband", "median", "none")

REDUCTION = 3
"""Of the configurations that reach a rung, one in so many goes on to the next."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __str__(self) -> str:
        how = ", logarithmic" if self.log else f", in steps of {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{how}"


Choices = tuple[Any, ...]
Space = Mapping[str, Range | Choices]


@dataclass(frozen=True)
class StudyPlan:
    """How to search.

    Attributes:
        n_configurations: how many to try
        fixed: the configuration fields that are not searched
    """

    n_configurations: int
    sampler: str
    metric: str
    space: Space
    pruner: str
    fixed: Mapping[str, Any]

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
        return make_configuration({**self.fixed, **proposed}, proposed)

    def digest(self, seeds: Iterable[int], racing: bool) -> str:
        """Of all that decides which configurations are tried and what they are worth; a study
        with another digest is another study. How many to try may grow.
        """
        space = {k: asdict(v) if isinstance(v, Range) else v for k, v in self.space.items()}
        content = [space, dict(self.fixed), self.sampler, self.metric, self.pruner]
        text = json.dumps([*content, sorted(seeds), racing], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def make_configuration(fields: Mapping[str, Any], varying: Mapping[str, Any]) -> Configuration:
    """Raises BadInput that names what varies."""
    try:
        return Configuration(**fields)
    except ValidationError as error:
        where = ", ".join(f"{field}={value}" for field, value in varying.items())
        raise BadInput(f"{where}: {explain(error)}" if where else explain(error)) from error


def check_choices(field: str, values: Any) -> list[Any]:
    """The values of an axis as the field holds them."""
    if field == "seed":
        raise BadInput("seeds are replicates, not an axis; use the key `seeds`")
    check_name(Configuration.model_fields, field, "field")
    if not isinstance(values, list):
        raise BadInput(f"an axis is a list; one value goes under `fixed` (got {values!r})")
    if not values:
        raise BadInput("the axis is empty")
    if field in NLL_FIELDS and len(values) > 1:
        raise BadInput("belongs to the yardstick, which is one for all trials; use `fixed`")
    return [check_field(field, value) for value in values]


def check_distinct(axes: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Raises BadInput for an axis that names a value twice."""
    for field, values in axes.items():
        for value in values:
            if values.count(value) > 1:
                raise BadInput(f"{field}: {value!r} is given twice")
    return axes


class _Bounds(BaseModel):
    """`{low: 1e-4, high: 1e-2, log: true}`; the bounds are checked as values of their field."""

    model_config = ConfigDict(extra="forbid")

    low: Any
    high: Any
    log: bool = False
    step: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


def _check_range(field: str, raw: dict[str, Any]) -> Range:
    check_name(Configuration.model_fields, field, "field")
    kind = Configuration.model_fields[field].annotation
    if kind not in (int, float):
        raise BadInput("has names for values: give a list of them")
    if field in NLL_FIELDS:
        raise BadInput("belongs to the yardstick, which is one for all trials; use `fixed`")
    for key in raw:
        check_name(_Bounds.model_fields, str(key), "key")
    try:
        bounds = _Bounds.model_validate(raw)
    except ValidationError as error:
        raise BadInput(explain(error)) from error
    low, high = check_field(field, bounds.low), check_field(field, bounds.high)
    if not low < high:
        raise BadInput(f"low should be below high (got {low} and {high})")
    if bounds.log and low <= 0:
        raise BadInput(f"a logarithmic range starts above 0 (got {low})")
    if bounds.log and bounds.step is not None:
        raise BadInput("a range is either logarithmic or in steps")
    if kind is int and bounds.step is not None and bounds.step != int(bounds.step):
        raise BadInput(f"step should be a whole number (got {bounds.step})")
    return Range(low, high, bounds.log, bounds.step)


def _check_space(raw: dict[str, Any]) -> dict[str, Range | Choices]:
    if not raw:
        raise BadInput("is empty: nothing to search")
    space: dict[str, Range | Choices] = {}
    for field, values in raw.items():
        with at(field):
            if isinstance(values, dict):
                space[field] = _check_range(field, values)
            else:
                choices = check_choices(field, values)
                space[field] = tuple(check_distinct({field: choices})[field])
    return space


def _one_of(choices: Iterable[str], kind: str) -> AfterValidator:
    return AfterValidator(lambda value: check_name(list(choices), value, kind))


class StudySection(BaseModel):
    """The keys below `study:` in an experiment file."""

    model_config = ConfigDict(extra="forbid")

    trials: Annotated[int, Field(ge=1, le=10**6)]
    sampler: Annotated[str, _one_of(SAMPLERS, "sampler")] = "tpe"
    metric: Annotated[str, _one_of(DECISION_METRICS, "metric")] = "return"
    space: Annotated[dict[str, Any], AfterValidator(_check_space)]
    pruner: Annotated[str, _one_of(PRUNERS, "pruner")] = "none"
    racing: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, raw: Any) -> Any:
        """Before pydantic says which key is missing: it may just be misspelt."""
        if isinstance(raw, dict):
            for key in raw:
                check_name(cls.model_fields, str(key), "key")
        return raw

    def plan(self, fixed: Mapping[str, Any]) -> StudyPlan:
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
        )
        self._check_corners(plan)
        return plan

    def _check_corners(self, plan: StudyPlan) -> None:
        """Every bound and choice must be possible, with the others at their first."""
        corners = {
            field: (values.low, values.high) if isinstance(values, Range) else values
            for field, values in plan.space.items()
        }
        first = {field: values[0] for field, values in corners.items()}
        for field, values in corners.items():
            for value in values:
                with at(f"study.space.{field}"):
                    plan.configuration({**first, field: value})


def rungs(pruner: str, epochs: int) -> list[int]:
    """The epochs at which a pruner is asked: 1, 3, 9, … before the last."""
    if pruner == "none":
        return []
    found, epoch = [], 1
    while epoch < epochs:
        found.append(epoch)
        epoch *= REDUCTION
    return found
