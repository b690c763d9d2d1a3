"""How often verdicts are wrong, and what they find: simulated experiments.

    python -m benchmarks.verdicts                      # 2,000 experiments a row; ten minutes
    python -m benchmarks.verdicts --experiments 200    # a rougher look

What a row promises stands beside what it measured; one that is missed is marked, and the exit code
is 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.race_verdicts import effects_after_a_race, races, studies
from benchmarks.simulation import (
    NOISE,
    QUICKSTART_DEVIATIONS,
    QUICKSTART_MEANS,
    Row,
    heavy_tailed,
    mean,
    normal,
    table,
)
from experiments.analysis.inference import LEVEL, decide, differences
from experiments.analysis.noise import noise_of
from experiments.analysis.power import seeds_needed
from experiments.analysis.statistics import holm, t_interval

SEEDS = (3, 5, 8, 10)
NO_MORE = 0.06
"""Of experiments in which nothing differs, those with a wrong verdict."""


def verdicts(values: np.ndarray, control: int | None = None) -> np.ndarray:
    """Of a report, in which everybody has been given the same seeds."""
    everybody = np.ones(len(values), dtype=bool)
    return decide(values, everybody, everybody, control).verdict


def false_claims(n_experiments: int) -> Iterator[Row]:
    """Reports of experiments in which nothing differs."""
    for name, deviations in NOISE.items():
        for n in SEEDS:
            at_most = 0.10 if (name, n) == ("0.1 to 3", 3) else NO_MORE
            rng = np.random.default_rng([n, len(deviations)])
            null = np.zeros(len(deviations))
            wrong = [
                (verdicts(table(rng, null, deviations, n)) == "worse").any()
                for _ in range(n_experiments)
            ]
            name_of_row = f"report: any false claim, noise {name}, {n} seeds"
            yield Row(name_of_row, mean(wrong), n_experiments, at_most)


def false_claims_of_odd_tables(n_experiments: int) -> Iterator[Row]:
    """Heavy tails; trials that failed; equals of the best among others that are worse."""
    null = np.zeros(12)
    best = QUICKSTART_MEANS.round(-1)  # three of them are alike, and the best
    for name, means, draw, holes in (
        ("heavy tails", null, heavy_tailed, 0.0),
        ("15 % failed", null, normal, 0.15),
        ("three are the best", best, normal, 0.0),
    ):
        for n in SEEDS:
            rng, wrong = np.random.default_rng(7), []
            for _ in range(n_experiments):
                values = table(rng, means, QUICKSTART_DEVIATIONS, n, draw)
                values[rng.random(values.shape) < holes] = np.nan
                wrong.append((verdicts(values)[means == means.max()] == "worse").any())
            name_of_row = f"report: any false claim, {name}, {n} seeds"
            yield Row(name_of_row, mean(wrong), n_experiments, NO_MORE)


def found(n_experiments: int) -> Iterator[Row]:
    """Reports of the quickstart with three seeds."""
    rng = np.random.default_rng(3)
    behind = QUICKSTART_MEANS.max() - QUICKSTART_MEANS >= 10
    share = []
    for _ in range(n_experiments):
        values = table(rng, QUICKSTART_MEANS, QUICKSTART_DEVIATIONS, 3)
        share.append((verdicts(values)[behind] == "worse").mean())
    name = "report: ten nats behind called worse, quickstart, 3 seeds"
    yield Row(name, mean(share), n_experiments, None, 0.97)


def pairs(n_experiments: int) -> Iterator[Row]:
    """Of pairs of the quickstart that differ, those of which that is claimed, with three seeds.

    Once with Holm's correction for all 66 pairs, and once as `--control` claims it, each
    configuration in its turn. Of the 62 pairs that differ, 54 do so by more than a nat.
    """
    rng = np.random.default_rng(3)
    upper = np.triu_indices(len(QUICKSTART_MEANS), 1)
    true = np.abs(np.subtract.outer(QUICKSTART_MEANS, QUICKSTART_MEANS))[upper]
    claimed, null, controlled = [], [], []
    for _ in range(n_experiments):
        values = table(rng, QUICKSTART_MEANS, QUICKSTART_DEVIATIONS, 3)
        claimed.append(_pairs_claimed(values)[upper])
        null.append(_pairs_claimed(values - QUICKSTART_MEANS[:, None])[upper].any())
        against = [verdicts(values, control=i) for i in range(len(values))]
        controlled.append(np.isin(np.array(against)[upper], ["worse", "better"]))
    share, alone = np.mean(claimed, axis=0), np.mean(controlled, axis=0)
    name, n = "report: pairs that differ, {}, quickstart, 3 seeds", n_experiments
    yield Row(name.format("all 66 at once"), float(share[true > 0].mean()), n, None, 0.85)
    yield Row(name.format("by over 1 nat"), float(share[true > 1].mean()), n)
    yield Row(name.format("each as control"), float(alone[true > 0].mean()), n)
    yield Row(
        "report: any pair claimed, nothing differs, quickstart, 3 seeds",
        mean(map(bool, null)),
        n,
        0.06,
    )


def _pairs_claimed(values: np.ndarray) -> np.ndarray:
    """`(configurations, configurations)`, of which only what is above the diagonal counts."""
    noise, n = noise_of(values), len(values)
    p = np.array([differences(values, noise, i).p for i in range(n)])
    upper = np.triu_indices(n, 1)
    claimed = np.zeros((n, n), dtype=bool)
    claimed[upper] = holm(p[upper]) < LEVEL
    return claimed


def intervals(n_experiments: int) -> Iterator[Row]:
    """95 % intervals of means."""
    for n in (3, 5, 10):
        values = np.random.default_rng(n).normal(3, 2, size=(10 * n_experiments, n))
        covered = mean(low <= 3 <= high for low, high in map(t_interval, values))
        name = f"interval of a mean covers it, {n} seeds"
        yield Row(name, covered, len(values), 0.965, 0.935)


def power(n_experiments: int) -> Iterator[Row]:
    """As many seeds as a report names: how often they show the difference, against a control."""
    means, everybody = np.array([0.0, -1.0, 0.0, 0.0]), np.ones(4, dtype=bool)
    for name, spread in (("equal", np.full(4, 0.7)), ("0.3 to 1", np.geomspace(0.3, 1, 4))):
        rng = np.random.default_rng(6)
        true = decide(table(rng, means, spread, 2000), everybody, everybody, control=0)
        n = int(seeds_needed(true, 1.0)[1])
        shown = [
            verdicts(table(rng, means, spread, n), control=0)[1] == "worse"
            for _ in range(n_experiments)
        ]
        name_of_row = f"power of the {n} seeds that are named for 80 %, noise {name}"
        yield Row(name_of_row, mean(shown), n_experiments, 0.85, 0.75)


Suite = Callable[[int], Iterator[Row]]

SUITES: tuple[Suite, ...] = (
    false_claims, false_claims_of_odd_tables, found, pairs, races, studies, effects_after_a_race,
    intervals, power,
)  # fmt: skip


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
