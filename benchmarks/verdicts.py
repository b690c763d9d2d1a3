"""How often verdicts are wrong, and what they find: simulated experiments.

    python -m benchmarks.verdicts                      # 2,000 experiments a row; minutes
    python -m benchmarks.verdicts --experiments 200    # a rougher look

A value is its configuration's mean plus its seed's effect (standard deviation 0.3) plus noise. What
a row promises stands beside what it measured; one that is missed is marked, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from experiments.analysis.inference import decide
from experiments.analysis.power import seeds_needed
from experiments.analysis.race import lost_to_best, race
from experiments.analysis.statistics import t_interval
from experiments.spec.racing import Racing

QUICKSTART_MEANS = -np.array(
    [132.62, 144.44, 132.62, 144.44, 132.68, 144.65, 122.11, 135.92, 122.11, 135.92, 121.78, 136.90]
)
"""Of −test/nll over the three seeds of `python sweep.py quickstart`."""

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
SEED_EFFECT = 0.3
NO_MORE = 0.06
"""Of experiments in which nothing differs, those with a wrong verdict."""

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Row:
    """A figure, and what it is to be: at most, or at least; None where nothing is promised."""

    name: str
    value: float
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
        return f"{self.name:<58} {self.value:7.3f}  {', '.join(bounds)}{missed}"


def _mean(values: Iterable[float]) -> float:
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


def verdicts(values: np.ndarray) -> np.ndarray:
    """Of a report, in which everybody has been given the same seeds."""
    everybody = np.ones(len(values), dtype=bool)
    return decide(values, everybody, everybody).verdict


def false_claims(n_experiments: int) -> Iterator[Row]:
    """Reports of experiments in which nothing differs."""
    for name, deviations in NOISE.items():
        few = n_experiments if len(deviations) < 50 else max(1, n_experiments // 4)
        for n in (3, 5, 8, 10):
            at_most = 0.10 if (name, n) == ("0.1 to 3", 3) else NO_MORE
            rng = np.random.default_rng([n, len(deviations)])
            null = np.zeros(len(deviations))
            wrong = [
                (verdicts(table(rng, null, deviations, n)) == "worse").any() for _ in range(few)
            ]
            yield Row(f"report: any false claim, noise {name}, {n} seeds", _mean(wrong), at_most)
    for name, draw, holes in (("heavy-tailed", heavy_tailed, 0.0), ("with holes", normal, 0.15)):
        rng, wrong = np.random.default_rng(7), []
        for _ in range(n_experiments):
            values = table(rng, np.zeros(12), QUICKSTART_DEVIATIONS, 5, draw)
            values[rng.random(values.shape) < holes] = np.nan
            wrong.append((verdicts(values) == "worse").any())
        yield Row(f"report: any false claim, {name}, 5 seeds", _mean(wrong), NO_MORE)


def found(n_experiments: int) -> Iterator[Row]:
    """Reports of the quickstart with three seeds."""
    rng = np.random.default_rng(3)
    behind = QUICKSTART_MEANS.max() - QUICKSTART_MEANS >= 10
    share = []
    for _ in range(n_experiments):
        values = table(rng, QUICKSTART_MEANS, QUICKSTART_DEVIATIONS, 3)
        share.append((verdicts(values)[behind] == "worse").mean())
    yield Row("report: ten nats behind called worse, quickstart, 3 seeds", _mean(share), None, 0.97)


def races(n_experiments: int) -> Iterator[Row]:
    """Races over eight seeds: who is dropped although nothing differs, and what one costs."""
    seeds = range(8)
    for name, deviations in NOISE.items():
        few = max(1, n_experiments // (4 if len(deviations) < 50 else 40))
        rng = np.random.default_rng(8)
        null, dropped = np.zeros(len(deviations)), []
        for _ in range(few):
            state = race(_values(table(rng, null, deviations, 8)), seeds, Racing())
            dropped.append(bool(state.lost))
        at_most = 0.10 if name == "0.1 to 3" else NO_MORE
        yield Row(f"race: anybody dropped, noise {name}", _mean(dropped), at_most)
    rng, kept, spent = np.random.default_rng(9), [], []
    for _ in range(max(1, n_experiments // 4)):
        values = table(rng, QUICKSTART_MEANS, QUICKSTART_DEVIATIONS, 8)
        state = race(_values(values), seeds, Racing())
        kept.append(str(values.mean(axis=1).argmax()) not in state.lost)
        spent.append(sum(state.given.values()) / values.size)
    yield Row("race: the full grid's winner is not dropped, quickstart", _mean(kept), None, 0.95)
    yield Row("race: share of the quickstart's trials", _mean(spent), 0.45)


def _values(values: np.ndarray) -> dict[str, dict[int, float | None]]:
    return {str(i): dict(enumerate(row.tolist())) for i, row in enumerate(values)}


def studies(n_experiments: int) -> Iterator[Row]:
    """A study of 100 equal candidates with a race over five seeds, then its report."""
    rng, claims, dropped = np.random.default_rng(5), [], []
    for _ in range(max(1, n_experiments // 20)):
        values = table(rng, np.zeros(100), np.full(100, 0.5), 5)
        complete: list[dict[int, float]] = []
        for row in values:
            known = [dict(enumerate(row[:n].tolist())) for n in range(2, 6)]
            if not any(lost_to_best(mine, complete) for mine in known[:-1]):
                complete.append(known[-1])
        finalists = np.array([list(one.values()) for one in complete])
        claims.append((verdicts(finalists) == "worse").any())
        dropped.append(1 - len(complete) / len(values))
    yield Row("study: any false claim over 100 equal candidates", _mean(claims), 0.05)
    yield Row("study: share of equal candidates that get no more seeds", _mean(dropped))


def intervals(n_experiments: int) -> Iterator[Row]:
    """95 % intervals of means."""
    for n in (3, 5, 10):
        values = np.random.default_rng(n).normal(3, 2, size=(10 * n_experiments, n))
        covered = _mean([low <= 3 <= high for low, high in map(t_interval, values)])
        yield Row(f"interval of a mean covers it, {n} seeds", covered, 0.965, 0.935)


def power(n_experiments: int) -> Iterator[Row]:
    """As many seeds as a report of five asks for: how often they show the difference."""
    effect, means = 1.0, np.array([0.0, -1.0, 0.0, 0.0])
    rng, shown = np.random.default_rng(6), []
    everybody = np.ones(4, dtype=bool)
    spread = np.full(4, 0.7)
    true = decide(table(rng, means, spread, 2000), everybody, everybody, control=0)
    n = int(seeds_needed(true, effect)[1])
    for _ in range(n_experiments):
        values = table(rng, means, spread, n)
        shown.append(decide(values, everybody, everybody, control=0).verdict[1] == "worse")
    yield Row(f"power of the {n} seeds that are named for 80 %", _mean(shown), 0.85, 0.75)


SUITES = (false_claims, found, races, studies, intervals, power)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description=__doc__)
    parser.add_argument("--experiments", type=int, default=2000, metavar="N")
    n_experiments = parser.parse_args().experiments
    missed = 0
    for suite in SUITES:
        for row in suite(n_experiments):
            print(row, flush=True)
            missed += not row.holds
    print(f"{missed} of the promises missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
