from __future__ import annotations

import numpy as np

from benchmarks.adastop import adastop

PAIRS = [(0, 1), (0, 2), (1, 2)]


def test_what_differs_widely_is_decided_at_the_first_look() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 25)) + np.array([[0.0], [20.0], [60.0]])
    decided = adastop(values, PAIRS, 5, 0.05, rng)
    assert decided.differ == set(PAIRS)
    assert decided.n_runs.tolist() == [5, 5, 5]


def test_what_is_equal_runs_to_the_end_and_who_is_decided_stops() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(3, 25)) + np.array([[0.0], [0.0], [60.0]])
    decided = adastop(values, PAIRS, 5, 0.05, rng)
    assert decided.differ == {(0, 2), (1, 2)}
    assert decided.n_runs.tolist() == [25, 25, 5]


def test_claims_are_false_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(2)
    wrong = [bool(adastop(rng.normal(size=(3, 10)), PAIRS, 5, 0.2, rng).differ) for _ in range(150)]
    assert 0.1 < np.mean(wrong) < 0.3
