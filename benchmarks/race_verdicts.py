"""Races in simulated experiments: rows of `verdicts.py`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.simulation import (
    NOISE,
    QUICKSTART_DEVIATIONS,
    QUICKSTART_MEANS,
    Draw,
    Row,
    heavy_tailed,
    mean,
    normal,
    table,
)
from experiments.analysis.comparison import contenders
from experiments.analysis.inference import Decision, decide
from experiments.analysis.main_effects import main_effects
from experiments.analysis.race import RaceState, lost_to_best, race
from experiments.spec.racing import Racing
from vae.configuration import Configuration

MOST_SEEDS = 8
NO_MORE = 0.06
_METRIC = "val/nll"


def hold(values: np.ndarray, rules: Racing | None = None) -> RaceState:
    """A race for these values `(configurations, seeds)`; the configurations' ids are their rows.

    A trial of NaN is one that failed.
    """
    known: dict[str, dict[int, float | None]] = {
        str(i): {j: None if np.isnan(v) else v for j, v in enumerate(row.tolist())}
        for i, row in enumerate(values)
    }
    return race(known, range(values.shape[1]), rules or Racing())


def given(values: np.ndarray, state: RaceState) -> np.ndarray:
    """What the race has measured of them, NaN elsewhere."""
    n = np.array(list(state.given.values()))[:, None]
    return np.where(np.arange(values.shape[1]) < n, values, np.nan)


def report_after(values: np.ndarray, state: RaceState) -> Decision:
    """As `compare` makes it: nothing is claimed of those that have lost."""
    measured = given(values, state)
    family = np.array([c not in state.lost for c in state.given])
    return decide(measured, family, contenders(measured, family, family))


def races(n_experiments: int) -> Iterator[Row]:
    yield from _false_drops(n_experiments)
    yield from _false_drops_of_odd_tables(n_experiments)
    yield from _quickstart(n_experiments)


def _false_drops(n_experiments: int) -> Iterator[Row]:
    """Who is dropped although nothing differs, and what a report of such a race claims."""
    for name, deviations in NOISE.items():
        for n in (3, 5, 8, 10):
            rng, dropped, claimed = np.random.default_rng([8, n]), [], []
            for _ in range(n_experiments):
                values = table(rng, np.zeros(len(deviations)), deviations, n)
                state = hold(values)
                dropped.append(bool(state.lost))
                claimed.append((report_after(values, state).verdict == "worse").any())
            at_most = 0.10 if (name, n) == ("0.1 to 3", 3) else NO_MORE
            of_row = f"noise {name}, {n} seeds"
            yield Row(f"race: anybody dropped, {of_row}", mean(dropped), n_experiments, at_most)
            name_of_row = f"report of a race: any false claim, {of_row}"
            yield Row(name_of_row, mean(claimed), n_experiments, at_most)


def _false_drops_of_odd_tables(n_experiments: int) -> Iterator[Row]:
    cases: tuple[tuple[str, Draw, float], ...] = (
        ("heavy tails", heavy_tailed, 0.0),
        ("3 % failed", normal, 0.03),
    )
    for name, draw, holes in cases:
        rng, dropped = np.random.default_rng(10), []
        for _ in range(n_experiments):
            values = table(rng, np.zeros(12), QUICKSTART_DEVIATIONS, MOST_SEEDS, draw)
            values[rng.random(values.shape) < holes] = np.nan
            dropped.append(bool(hold(values).lost))
        yield Row(f"race: anybody dropped, {name}, 8 seeds", mean(dropped), n_experiments, NO_MORE)


def _quickstart(n_experiments: int) -> Iterator[Row]:
    """Whom a race over eight seeds names, beside the full grid's report, and what it spends."""
    rng, named, kept, spent = np.random.default_rng(9), [], [], []
    everybody = np.ones(len(QUICKSTART_MEANS), dtype=bool)
    for _ in range(n_experiments):
        values = table(rng, QUICKSTART_MEANS, QUICKSTART_DEVIATIONS, MOST_SEEDS)
        state = hold(values)
        full = decide(values, everybody, everybody)
        named.append(full.verdict[report_after(values, state).differences.reference] != "worse")
        kept.append(str(values.mean(axis=1).argmax()) not in state.lost)
        spent.append(sum(state.given.values()) / values.size)
    n = n_experiments
    name = "race: its winner is the full grid's or not worse, quickstart, 8 seeds"
    yield Row(name, mean(named), n, None, 0.95)
    yield Row("race: the full grid's winner is not dropped, quickstart", mean(kept), n, None, 0.95)
    yield Row("race: share of the quickstart's trials", mean(spent), n, 0.45)


def studies(n_experiments: int) -> Iterator[Row]:
    """A study of 100 equal candidates with a race over five seeds, then its report."""
    rng, claims, dropped = np.random.default_rng(5), [], []
    for _ in range(n_experiments):
        values = table(rng, np.zeros(100), np.full(100, 0.5), 5)
        complete: list[dict[int, float]] = []
        for row in values:
            known = [dict(enumerate(row[:n].tolist())) for n in range(2, 6)]
            if not any(lost_to_best(mine, complete) for mine in known[:-1]):
                complete.append(known[-1])
        finalists = np.array([list(one.values()) for one in complete])
        everybody = np.ones(len(finalists), dtype=bool)
        claims.append((decide(finalists, everybody, everybody).verdict == "worse").any())
        dropped.append(1 - len(complete) / len(values))
    n = n_experiments
    yield Row("study: any false claim over 100 equal candidates", mean(claims), n, 0.05)
    yield Row("study: share of equal candidates that get no more seeds", mean(dropped), n)


def effects_after_a_race(n_experiments: int) -> Iterator[Row]:
    """Main effects of the quickstart's axes, from all trials and from those that a race ran.

    What changing the encoder does depends on the loss there, which is what biased them once.
    """
    for name, racing in (("the full grid", False), ("a race", True)):
        rng, covered = np.random.default_rng(11), dict[str, list[bool]]()
        for _ in range(n_experiments):
            values = table(rng, QUICKSTART_MEANS, QUICKSTART_DEVIATIONS, MOST_SEEDS)
            measured = given(values, hold(values)) if racing else values
            for effect in main_effects(_trials(measured), _METRIC).to_dict("records"):
                inside = effect["difference_low"] <= _true(effect) <= effect["difference_high"]
                covered.setdefault(str(effect["axis"]), []).append(inside)
        for axis, hits in covered.items():
            name_of_row = f"interval of a main effect covers it, after {name}, {axis}"
            yield Row(name_of_row, mean(hits), n_experiments, 0.97, 0.93)


_CELLS = pd.DataFrame(
    [
        {"configuration_id": configuration.id, **configuration.model_dump()}
        for loss, transform, encoder in itertools.product(
            ("sse", "bce"), ("none", "grayscale", "binarize"), ("mlp1", "mlp3")
        )
        for configuration in [Configuration(loss=loss, transform=transform, encoder=encoder)]
    ]
)
"""Of the quickstart, in the order of its means."""


def _trials(values: np.ndarray) -> pd.DataFrame:
    """As `load_trials` returns them."""
    cell, seed = np.nonzero(~np.isnan(values))
    frame = _CELLS.iloc[cell].reset_index(drop=True)
    return frame.assign(seed=seed, state="finished", **{_METRIC: -values[cell, seed]})


def _true(effect: Mapping[Any, Any]) -> float:
    of_axis = pd.Series(-QUICKSTART_MEANS).groupby(_CELLS[effect["axis"]]).mean()
    return float(of_axis[effect["better"]] - of_axis[effect["worse"]])
