"""How long what is left will take."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.planning.estimate import Estimate
from experiments.tracking.run_record import RunRecord
from vae.configuration import Configuration


def configuration(**fields: object) -> Configuration:
    return Configuration(**{"dataset": "mnist5k", "epochs": 10, **fields})


def many(n: int) -> list[Configuration]:
    kinds = [{"encoder": e, "hidden_dim": h} for e in ("mlp1", "mlp3") for h in (16, 32, 64)]
    return [configuration(lr=1e-3 + k * 1e-6, **kinds[k % len(kinds)]) for k in range(n)]


def test_nothing_is_said_before_anything_was_measured() -> None:
    one = configuration()
    estimate = Estimate([one])
    assert estimate.seconds({one.id: 3}, 1) is None
    assert estimate.seconds_of(one, 1) is None


def test_what_was_measured_counts_as_it_was() -> None:
    fast, slow = configuration(encoder="mlp1"), configuration(encoder="conv")
    estimate = Estimate([fast, slow])
    estimate.learn(fast.id, 1.0)
    estimate.learn(slow.id, 100.0)
    estimate.learn(slow.id, 7.0)  # the last one: the machine has less to do now
    assert estimate.seconds({fast.id: 2, slow.id: 3}, 1) == pytest.approx(10 * (2 * 1 + 3 * 7))
    assert estimate.seconds({fast.id: 0, slow.id: 0}, 1) == 0
    assert estimate.seconds_of(slow, 4) == 28


def test_what_was_not_measured_takes_as_long_as_its_like() -> None:
    """The mean over those that agree in the most telling fields."""
    measured = {
        configuration(encoder="mlp1", hidden_dim=16): 1.0,
        configuration(encoder="mlp1", hidden_dim=16, lr=1e-2): 3.0,
        configuration(encoder="mlp1", hidden_dim=64): 20.0,
        configuration(encoder="conv", hidden_dim=16): 90.0,
    }
    wanted = {
        configuration(encoder="mlp1", hidden_dim=16, lr=1e-4): 2.0,
        configuration(encoder="mlp1", hidden_dim=32): 8.0,
        configuration(encoder="conv", hidden_dim=32): 90.0,
        configuration(encoder="mlp3"): 28.5,
    }
    estimate = Estimate([*measured, *wanted])
    for one, seconds in measured.items():
        estimate.learn(one.id, seconds)
    for one, seconds in wanted.items():
        assert estimate.seconds({one.id: 1}, 1) == pytest.approx(10 * seconds), one


def test_workers_share_the_time_but_not_a_trial() -> None:
    one = configuration()
    estimate = Estimate([one])
    estimate.learn(one.id, 1.0)
    assert estimate.seconds({one.id: 8}, 1) == 80, "the serial engine has one"
    assert estimate.seconds({one.id: 8}, 4) == 20
    assert estimate.seconds({one.id: 2}, 64) == 10


def test_a_configuration_that_comes_later_and_one_that_is_unknown() -> None:
    first, later = configuration(), configuration(lr=1e-2)
    estimate = Estimate([first])
    estimate.learn("unknown", 99.0)
    estimate.learn_from(
        [
            RunRecord(
                "a", "FINISHED", {"configuration_id": first.id}, {"epoch_seconds": 2.0}, True, 0
            ),
            RunRecord("b", "RUNNING", {"configuration_id": first.id}, {}, True, 0),
        ]
    )
    assert estimate.seconds({later.id: 1, "": 4}, 1) == 0
    estimate.know(later)
    assert estimate.seconds({later.id: 1, "": 4}, 1) == 20


@given(st.lists(st.tuples(st.integers(0, 11), st.floats(0.01, 100)), min_size=1, max_size=40))
def test_an_estimate_lies_between_what_was_measured(measured: list[tuple[int, float]]) -> None:
    configurations = many(12)
    estimate = Estimate(configurations)
    last: dict[str, float] = {}
    for which, seconds in measured:
        estimate.learn(configurations[which].id, seconds)
        last[configurations[which].id] = seconds
    for one in configurations:
        estimated = estimate.seconds_of(one, 1)
        assert estimated is not None
        assert min(last.values()) * 0.999 <= estimated <= max(last.values()) * 1.001


def test_a_configuration_costs_the_same_among_few_and_among_many() -> None:
    """Half of them measured, one more before every look: 5.8 s a look at 4,000 once."""

    def seconds(n: int) -> float:
        configurations = many(n)
        estimate = Estimate(configurations)
        for one in configurations[::2]:
            estimate.learn(one.id, 1.0)
        n_trials = {one.id: 5 for one in configurations}
        started = time.process_time()
        for one in configurations[1:10:2]:
            estimate.learn(one.id, 1.0)
            estimate.seconds(n_trials, 4)
        return time.process_time() - started

    few, more = seconds(500), seconds(4_000)
    exponent = math.log(more / few) / math.log(8)
    print(f"500: {few / 5:.4f} s a look, 4,000: {more / 5:.4f} s; exponent {exponent:.2f}")
    assert exponent <= 1.5
