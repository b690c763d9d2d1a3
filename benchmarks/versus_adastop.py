"""Our race beside AdaStop on the same simulated grids: false claims, and runs until all is decided.

    python -m benchmarks.versus_adastop                      # 200 experiments a row; minutes
    python -m benchmarks.versus_adastop --experiments 50     # a rougher look

Both may spend 25 runs on each of 12 configurations. AdaStop looks after every five (its defaults,
at a level of 0.05) and decides pairs: all of them, or all with a control. Our race holds everybody
against the best, or against the control, and looks after every run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.adastop import adastop
from benchmarks.race_verdicts import hold, report_after
from benchmarks.simulation import NOISE, QUICKSTART_DEVIATIONS, QUICKSTART_MEANS, Row, mean, table
from experiments.analysis.inference import LEVEL
from experiments.spec.racing import Racing

_MOST_RUNS, _BLOCK = 25, 5
_EQUAL_WITHIN = 1.0
_CONTROL = 1


@dataclass(frozen=True)
class Grid:
    """Attributes: control: the row that all are held against; None for the best, or all pairs"""

    name: str
    means: np.ndarray
    deviations: np.ndarray
    control: int | None = None

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        return table(rng, self.means, self.deviations, _MOST_RUNS)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        n = len(self.means)
        if self.control is None:
            return [(i, j) for i in range(n) for j in range(i + 1, n)]
        return [(self.control, i) for i in range(n) if i != self.control]

    def rules(self, equal_within: float | None = None) -> Racing:
        control = None if self.control is None else str(self.control)
        return Racing(equal_within=equal_within, control=control)


_NULL = [
    Grid(f"noise {name}", np.zeros(12), deviations)
    for name, deviations in NOISE.items()
    if len(deviations) == 12
]
_APART = -3.0 * np.arange(12)
_EQUAL = np.full(12, 0.5)
_DIFFERENT = [
    Grid("three nats apart", _APART, _EQUAL),
    Grid("three nats apart, control", _APART, _EQUAL, _CONTROL),
    Grid("quickstart", QUICKSTART_MEANS, QUICKSTART_DEVIATIONS),
    Grid("quickstart, control", QUICKSTART_MEANS, QUICKSTART_DEVIATIONS, _CONTROL),
]


def false_claims(n_experiments: int) -> Iterator[Row]:
    """Of experiments in which nothing differs, those with any claim."""
    for grid in _NULL:
        rng, theirs, ours = np.random.default_rng(12), [], []
        for _ in range(n_experiments):
            values = grid.draw(rng)
            theirs.append(bool(adastop(values, grid.pairs, _BLOCK, LEVEL, rng).differ))
            state = hold(values)
            report = (report_after(values, state).verdict == "worse").any()
            ours.append(bool(state.lost) or bool(report))
        yield Row(f"any false claim, {grid.name}: AdaStop", mean(theirs), n_experiments)
        yield Row(f"any false claim, {grid.name}: a race and its report", mean(ours), n_experiments)


def runs(n_experiments: int) -> Iterator[Row]:
    """Runs of a configuration until all is decided, and ours as a share of AdaStop's."""
    for grid in [*_DIFFERENT, _NULL[1]]:
        rng = np.random.default_rng(13)
        theirs, ours, within = [], [], []
        for _ in range(n_experiments):
            values = grid.draw(rng)
            theirs.append(adastop(values, grid.pairs, _BLOCK, LEVEL, rng).n_runs.mean())
            ours.append(_runs(values, grid.rules()))
            within.append(_runs(values, grid.rules(_EQUAL_WITHIN)))
        n = n_experiments
        yield Row(f"runs each, {grid.name}: AdaStop", mean(theirs), n)
        yield Row(f"runs each, {grid.name}: a race", mean(ours), n)
        yield Row("   as a share of AdaStop's", mean(ours) / mean(theirs), n, 0.5)
        yield Row(f"runs each, {grid.name}: a race, equal_within 1", mean(within), n)
        yield Row("   as a share of AdaStop's", mean(within) / mean(theirs), n, 0.5)


def _runs(values: np.ndarray, rules: Racing) -> float:
    return mean(hold(values, rules).given.values())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versus_adastop")
    parser.add_argument("--experiments", type=int, default=200, metavar="N")
    n_experiments = parser.parse_args().experiments
    missed = 0
    for suite in (false_claims, runs):
        for row in suite(n_experiments):
            print(row, flush=True)
            missed += not row.holds
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
