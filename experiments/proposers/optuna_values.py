"""Values of configuration fields, as Optuna keeps them: numbers, and choices as texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, Trial

from experiments.spec.ranges import Choices, Range, Space
from vae.components.signatures import with_tuples

_LIST = "list "
"""Before a list of values, which Optuna keeps as a text only."""


def draw(trial: Trial, name: str, values: Range | Choices) -> Any:
    """The value of a field, as the trial's sampler draws it."""
    if isinstance(values, Range):
        low, high, log, step = values.low, values.high, values.log, values.step
        if isinstance(low, int):
            return trial.suggest_int(name, low, int(high), log=log, step=int(step or 1))
        return trial.suggest_float(name, low, high, log=log, step=step)
    by_param = {_to_param(value): value for value in values}
    return by_param[trial.suggest_categorical(name, tuple(by_param))]


def distributions(space: Space, fields: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """What `fields` would have been drawn from."""
    return {name: _distribution(space[name]) for name in fields}


def _distribution(values: Range | Choices) -> BaseDistribution:
    if not isinstance(values, Range):
        return CategoricalDistribution([_to_param(value) for value in values])
    low, high, log, step = values.low, values.high, values.log, values.step
    if isinstance(low, int):
        return IntDistribution(low, int(high), log=log, step=int(step or 1))
    return FloatDistribution(low, high, log=log, step=step)


def params_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as Optuna keeps them."""
    return {name: _to_param(value) for name, value in fields.items()}


def fields_of(trial: FrozenTrial) -> dict[str, Any]:
    """What a trial sets, as `draw` gave it."""
    return {name: _from_param(value) for name, value in trial.params.items()}


def _to_param(value: Any) -> Any:
    return _LIST + json.dumps(value) if isinstance(value, tuple) else value


def _from_param(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_LIST):
        return with_tuples(json.loads(value.removeprefix(_LIST)))
    return value
