"""What a benchmark finds: ratios over repetitions, held against a goal."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A ratio of two things that were measured side by side.

    Attributes:
        row: the benchmark it belongs to
        what: the two things
        values: the ratio of each repetition; none where `note` says why
        goal: the bound that the median is to keep, if there is one
        at_least: whether the goal is a lower bound
        note: what else is worth a word, such as the absolute times of this machine and day
    """

    row: str
    what: str
    values: Sequence[float]
    goal: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values) if self.values else math.nan

    @property
    def met(self) -> bool | None:
        """Whether the goal was met; None where there is none, or nothing was measured."""
        if self.goal is None or not self.values:
            return None
        return self.median >= self.goal if self.at_least else self.median <= self.goal


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Repetition by repetition, so that what slows a whole repetition cancels."""
    return [one / other for one, other in zip(above, below, strict=True)]


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The exponent b of the power law seconds = a · size^b, by least squares of the logarithms."""
    logs = [math.log(size) for size in sizes], [math.log(second) for second in seconds]
    return statistics.linear_regression(*logs).slope
