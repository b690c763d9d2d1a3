"""Races as functions of their results: who loses, who rests, when it is over."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.analysis.inference import decide
from experiments.analysis.race import RaceState, lost_to_best, race
from experiments.spec.racing import Racing


def values_of(table: np.ndarray) -> dict[str, dict[int, float | None]]:
    """NaN is a seed that failed."""
    return {
        str(i): {seed: None if np.isnan(v) else float(v) for seed, v in enumerate(row)}
        for i, row in enumerate(table)
    }


def noisy(seed: int, *means: float, n_seeds: int = 8, sd: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array(means)[:, None] + rng.normal(0, sd, (len(means), n_seeds)) + rng.normal(
        0, 0.3, n_seeds
    )  # fmt: skip


def test_clear_losers_are_out_after_the_first_seeds_and_a_lone_winner_runs_no_more() -> None:
    state = race(values_of(noisy(0, 0, -20, -21, -22)), range(8))
    assert state.lost == {"1": 2, "2": 2, "3": 2}
    assert (state.racing, state.settled) == ((), {"0": "best"})
    assert set(state.given.values()) == {2}


def test_everybody_gets_the_first_seeds() -> None:
    state = race(values_of(noisy(0, 0, -20, -21, -22)), range(8), Racing(first=4))
    assert set(state.given.values()) == set(state.lost.values()) == {4}


def test_who_cannot_be_told_apart_takes_every_seed_and_no_more() -> None:
    state = race(values_of(noisy(1, 0, 0, -30)), range(8))
    assert state.given == {"0": 8, "1": 8, "2": 2}
    assert state.racing == ()
    assert state.settled == {"0": "not distinguishable", "1": "not distinguishable"}


def test_it_stops_where_a_result_is_missing() -> None:
    values = values_of(noisy(1, 0, 0, -30))
    del values["1"][3]
    state = race(values, range(8))
    assert (state.n_seeds, state.racing, state.lost) == (3, ("0", "1"), {"2": 2})


def test_equal_ends_a_race() -> None:
    table = noisy(2, 0, 0, -30, sd=0.05)
    assert race(values_of(table), range(8)).given["0"] == 8
    state = race(values_of(table), range(8), Racing(equal_within=1.0))
    assert state.settled["1"] == "equal" or state.settled["0"] == "equal"
    assert max(state.given.values()) < 8


def test_twins_are_not_told_apart_by_more_seeds() -> None:
    """Bit for bit the same: one of them stands for both, and both lose together."""
    table = noisy(3, 0, -20, -21, -22, -23)
    state = race(values_of(np.vstack([table, table[0], table[1]])), range(8))
    assert state.settled == {"0": "best", "5": "identical"}
    assert set(state.given.values()) == {2}
    assert {"1", "6"} <= set(state.lost)


def test_of_twins_that_are_undecided_one_races_for_both() -> None:
    table = noisy(3, 0, 0.1, -20, -21, -22, -23)
    state = race(values_of(np.vstack([table, table[1]])), range(8))
    assert sorted(state.given.values()) == [2, 2, 2, 2, 2, 8, 8]
    assert state.lost.keys() == {"2", "3", "4", "5"}


def test_whoever_is_equal_runs_again_when_another_is_the_best() -> None:
    """0 and 1 are equal and one of them rests, until 2 comes ahead of both."""
    table = noisy(7, 0, 0, -1.2, -30, -30, -30, -30, sd=0.05)
    table[2] += [0.3, -0.3, 0.3, 9, 9, 9, 9, 9]
    rules = Racing(equal_within=1.0)
    early = race(values_of(table[:, :3]), range(8), rules)
    (resting,) = early.settled
    assert early.settled[resting] == "equal" and "2" in early.racing
    assert race(values_of(table), range(8), rules).given[resting] > early.given[resting]


def test_who_failed_with_a_seed_races_no_further() -> None:
    """Issue 14, item 2"""
    table = noisy(4, 0, 0, -30, -31, -32)
    table[1, 1] = np.nan
    state = race(values_of(table), range(8))
    assert state.settled == {"0": "best", "1": "failed"}
    assert set(state.given.values()) == {2}
    table[0, 0] = np.nan
    assert race(values_of(table[:2]), range(8)).settled == {"0": "failed", "1": "failed"}


def test_against_a_control_everybody_runs_until_that_is_decided() -> None:
    table = noisy(5, 0, 20, 20.1, -20, 0.1)
    state = race(values_of(table), range(8), Racing(control="0"))
    assert state.settled["1"] == state.settled["2"] == "better", "which of them does not matter"
    assert state.lost == {"3": 2}
    assert state.given == {"0": 8, "1": 2, "2": 2, "3": 2, "4": 8}
    alone = race(values_of(table[:4]), range(8), Racing(control="0"))
    assert set(alone.given.values()) == {2}


def test_a_control_that_failed_ends_the_race() -> None:
    table = noisy(5, 0, 20, -20)
    table[0, 0] = np.nan
    state = race(values_of(table), range(8), Racing(control="0"))
    assert (state.racing, state.lost) == ((), {})


def until(
    values: Mapping[str, Mapping[int, float | None]], seeds: range, rules: Racing
) -> RaceState:
    """The race as a sweep holds it: asked after every round, with nothing known beforehand."""
    known: dict[str, dict[int, float | None]] = {c: {} for c in values}
    while (state := race(known, seeds, rules)).racing:
        for c in state.racing:
            known[c][seeds[state.n_seeds]] = values[c][seeds[state.n_seeds]]
    return state


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([None, 0.5, 2.0]), st.sampled_from([None, "1"]))
def test_a_race_is_a_function_of_its_results(
    seed: int, equal_within: float | None, control: str | None
) -> None:
    """Held round by round or over results that are all there: the same seeds, the same end."""
    rng = np.random.default_rng(seed)
    table = noisy(seed, *rng.choice([0, 0, -1, -3, -9], 5), n_seeds=6)
    table[rng.random(table.shape) < 0.03] = np.nan
    rules = Racing(equal_within=equal_within, control=control)
    assert until(values_of(table), range(6), rules) == race(values_of(table), range(6), rules)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_what_a_race_calls_lost_a_report_of_the_same_results_calls_worse(seed: int) -> None:
    table = noisy(seed, *np.random.default_rng(seed).choice([0, 0, -2, -4, -9], 6), n_seeds=5)
    everybody = np.ones(6, dtype=bool)
    for n in (2, 3, 4):
        lost = race(values_of(table[:, :n]), range(5)).lost
        verdict = decide(table[:, :n], everybody, everybody).verdict
        first = [int(c) for c, after in lost.items() if after == 2]
        if n == 2:
            assert all(verdict[i] == "worse" for i in first)
        still = np.array([str(i) not in lost or lost[str(i)] == n for i in range(6)])
        verdict = decide(table[:, :n], still, still).verdict
        assert all(verdict[int(c)] == "worse" for c, after in lost.items() if after == n)


@pytest.mark.parametrize("n", [2, 3])
def test_a_study_drops_who_is_clearly_worse_than_its_best(n: int) -> None:
    table = noisy(6, 0, -1, -2, -30, 0.5)
    complete = [dict(enumerate(row)) for row in table[:3]]
    assert lost_to_best(dict(enumerate(table[3, :n])), complete)
    assert not lost_to_best(dict(enumerate(table[4, :n])), complete)
    assert not lost_to_best(dict(enumerate(table[3, :1])), complete), "one seed says nothing"
    assert not lost_to_best(dict(enumerate(table[3, :n])), [])
