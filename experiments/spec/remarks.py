"""What a file asks for that has no effect, or not the one that it seems to have: told in the plan.

Each is allowed, and most are mistakes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from experiments.spec.ranges import Choices, Range, Space
from experiments.spec.search_space import LEARNING_SAMPLERS, StudyPlan, rungs


def of_rules(rules: Sequence[Mapping[str, Any]], matched: Collection[int]) -> list[str]:
    """A line for every rule that excludes nothing.

    Args:
        matched: the positions of those that exclude something
    """
    lines = []
    for i, rule in enumerate(rules):
        if i not in matched:
            shown = ", ".join(f"{name}: {value}" for name, value in rule.items())
            lines.append(f"exclude.{i}: {{{shown}}} matches nothing of the grid")
    return lines


def of_study(plan: StudyPlan) -> list[str]:
    """A line for everything in a study that the sampler or the pruner will not do."""
    lines = [line for name, values in plan.space.items() for line in _of_range(name, values)]
    n_different = _n_different(plan.space)
    if n_different < plan.n_configurations:
        lines.append(
            f"study.trials: {plan.n_configurations} of at most {n_different} different "
            f"configurations; one that is proposed again is not trained again"
        )
    names = [name for name, values in plan.space.items() if not isinstance(values, Range)]
    if plan.sampler == "cmaes" and names:
        lines.append(f"study.sampler: cmaes moves numbers alone, and draws {', '.join(names)}")
    if plan.learn_from and plan.sampler not in LEARNING_SAMPLERS:
        lines.append(
            f"study.learn_from: {plan.sampler} proposes without regard to other experiments; "
            f"{' and '.join(LEARNING_SAMPLERS)} learn from them"
        )
    if plan.pruner != "none" and not rungs(plan.pruner, plan.most_epochs):
        lines.append(f"study.pruner: {plan.pruner} has no epoch to decide at before the last")
    return lines


def _of_range(name: str, values: Range | Choices) -> Iterator[str]:
    if not isinstance(values, Range) or values.step is None:
        return
    n_steps, last = _steps(values)
    if not n_steps:
        yield (
            f"study.space.{name}: a step of {values.step:g} leads out of {values.low:g} to "
            f"{values.high:g}; only {values.low:g} is tried"
        )
    elif last != values.high:
        yield (
            f"study.space.{name}: steps of {values.step:g} from {values.low:g} end at {last:g}; "
            f"{values.high:g} is never tried"
        )


def _steps(values: Range) -> tuple[int, float]:
    """How many steps fit in, and where the last one ends; in decimals, as they were written."""
    low, high, step = (Decimal(str(x)) for x in (values.low, values.high, values.step))
    n_steps = int((high - low) // step)
    return n_steps, float(low + n_steps * step)


def _n_different(space: Space) -> float:
    """How many different configurations a space has at most; infinite if numbers are continuous."""
    return math.prod(_n_values(values) for values in space.values())


def _n_values(values: Range | Choices) -> float:
    if not isinstance(values, Range):
        return len(values)
    if values.step is not None:
        return _steps(values)[0] + 1
    whole = isinstance(values.low, int) and isinstance(values.high, int)
    return int(values.high) - int(values.low) + 1 if whole else math.inf
