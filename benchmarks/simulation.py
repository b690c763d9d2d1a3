"""Simulated experiments, and rows of what was found in them: for `verdicts.py` and its like.

A value is its configuration's mean plus its seed's effect plus noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

QUICKSTART_MEANS = -np.array(
    [132.62, 144.44, 132.62, 144.44, 132.68, 144.65, 122.11, 135.92, 122.11, 135.92, 121.78, 136.90]
)
"""Of −test/nll over the three seeds of `python sweep.py quickstart`.

In the order of its axes: loss (sse, bce) × transform (none, grayscale, binarize) × encoder (mlp1,
mlp3).
"""

QUICKSTART_DEVIATIONS = np.array(
    [0.485, 0.56, 0.485, 0.56, 0.57, 0.65, 0.262, 1.35, 0.262, 1.35, 0.46, 0.614]
)
"""Of the same."""

NOISE = {
    "equal": np.full(12, 0.5),
    "quickstart": QUICKSTART_DEVIATIONS,
    "one noisy of 12": np.r_[5.0, np.full(11, 0.4)],
    "one noisy of 100": np.r_[5.0, np.full(99, 0.4)],
    "0.1 to 3": np.geomspace(0.1, 3, 12),
}
"""Standard deviations by name."""

SEED_EFFECT = 0.3
"""Its standard deviation."""

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Row:
    """A figure, and what it is to be: at most, or at least; None where nothing is promised.

    Attributes:
        n: experiments that were simulated
    """

    name: str
    value: float
    n: int
    at_most: float | None = None
    at_least: float | None = None

    @property
    def holds(self) -> bool:
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    def __str__(self) -> str:
        bounds = [] if self.at_most is None else [f"≤ {self.at_most:g}"]
        bounds += [] if self.at_least is None else [f"≥ {self.at_least:g}"]
        missed = "" if self.holds else "  MISSED"
        return f"{self.name:<68} {self.value:7.3f}  n = {self.n:<6,} {', '.join(bounds)}{missed}"


def mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=shape)


def heavy_tailed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Student's t with 4 degrees of freedom, scaled to a variance of 1."""
    return rng.standard_t(4, size=shape) / np.sqrt(2)


def table(
    rng: np.random.Generator, means: np.ndarray, deviations: np.ndarray, n: int, draw: Draw = normal
) -> np.ndarray:
    """Values `(configurations, n seeds)`."""
    noise = deviations[:, None] * draw(rng, (len(means), n))
    return means[:, None] + SEED_EFFECT * rng.normal(size=n) + noise
