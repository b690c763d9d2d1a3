"""What is known of a sweep's trials: whatever happens to them, the counts add up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.planning.results import ConfigurationResults, Results, TrialOutcome
from experiments.tracking.run_record import State
from vae.configuration import Configuration, Trial

CONFIGURATIONS = [Configuration(latent_dim=n) for n in (1, 2, 3)]
ONE = CONFIGURATIONS[0]
SEEDS = range(4)
FINISHED, FAILED, RUNNING = (
    TrialOutcome(state) for state in (State.FINISHED, State.FAILED, State.RUNNING)
)

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(CONFIGURATIONS),
        st.sampled_from(["prune", "settle", *SEEDS]),
        st.sampled_from([FINISHED, FAILED, RUNNING, TrialOutcome(State.PRUNED)]),
    ),
    max_size=25,
)


def asked(known: Mapping[int, TrialOutcome] | None = None) -> tuple[Results, ConfigurationResults]:
    results = Results({ONE.id: known or {}})
    return results, results.ask_for(ONE, SEEDS)


@given(EVENTS)
def test_every_trial_is_counted_once_whatever_happens(events: list[Any]) -> None:
    """Also when a trial ends that was under way while its configuration was pruned. Nobody settles
    one with a trial under way.
    """
    known = {0: TrialOutcome(State.FINISHED), 1: TrialOutcome(State.FAILED)}
    results = Results({ONE.id: known})
    for configuration in CONFIGURATIONS:
        results.ask_for(configuration, SEEDS)
    for configuration, event, outcome in events:
        if event == "settle":
            results.settle(configuration.id)
        elif event == "prune":
            results.prune(configuration.id, "lost")
        elif event in results[configuration.id].not_over:
            results.record(Trial(configuration=configuration, seed=event), outcome)
    assert results.n_left == sum(len(found.left) for found in results.configurations)
    counts = results.count()
    ended = counts.n_before + counts.n_finished + counts.n_failed + counts.n_pruned
    n_seeds = sum(len(found.seeds) for found in results.configurations)
    assert ended + results.n_left == n_seeds
    assert counts.n_before == (0 in results[ONE.id].seeds)


@pytest.mark.parametrize(
    ("outcome", "metric", "value"),
    [
        (TrialOutcome(State.FINISHED, metrics={"return": -3.0}), "return", -3.0),
        (TrialOutcome(State.FINISHED, metrics={"test/nll": 3.0}), "test/nll", -3.0),
        (TrialOutcome(State.RUNNING, metrics={"return": -3.0}), "return", -3.0),
        (TrialOutcome(State.FAILED, metrics={"return": -3.0}), "return", None),
        (TrialOutcome(State.PRUNED, metrics={"return": -3.0}), "return", None),
        (TrialOutcome(State.FINISHED, metrics={"return": math.nan}), "return", None),
        (TrialOutcome(State.FINISHED, metrics={"return": -math.inf}), "return", None),
        (TrialOutcome(State.FINISHED), "return", None),
    ],
)
def test_higher_is_better_and_what_has_no_finite_value_has_none(
    outcome: TrialOutcome, metric: str, value: float | None
) -> None:
    assert outcome.value(metric) == value


def test_the_state_of_a_configuration() -> None:
    results, one = asked()
    assert one.state is State.RUNNING
    for seed in SEEDS:
        results.record(Trial(configuration=ONE, seed=seed), FINISHED)
    assert one.state is State.FINISHED and one.ended
    results.record(Trial(configuration=ONE, seed=2), FAILED)
    assert one.state is State.FAILED
    results, one = asked()
    results.prune(ONE.id, "lost")
    assert one.state is State.PRUNED and one.left == [] and one.not_over == list(SEEDS)
    results.record(Trial(configuration=ONE, seed=2), FAILED)
    assert one.state is State.FAILED, "what failed is told before what was pruned"


def test_seeds_that_another_sweep_asked_for_and_never_ran_are_still_missing() -> None:
    results = Results({ONE.id: dict.fromkeys(SEEDS, FINISHED)}, {ONE.id: [7]})
    assert results.ask_for(ONE, SEEDS).state is State.MISSING
    results = Results({ONE.id: dict.fromkeys([*SEEDS, 7], FINISHED)}, {ONE.id: [7]})
    assert results.ask_for(ONE, SEEDS).state is State.FINISHED


def test_a_configuration_that_is_settled_expects_the_seeds_that_it_has_had() -> None:
    results, one = asked({0: FINISHED, 1: FINISHED})
    results.settle(ONE.id)
    assert (one.seeds, one.expected, one.not_needed) == ((0, 1), {0, 1}, 2)
    assert one.state is State.FINISHED
    assert results.count().n_not_needed == 2


def test_seeds_are_in_order_whoever_finished_first() -> None:
    results, one = asked()
    for seed in (3, 0, 2):
        results.record(Trial(configuration=ONE, seed=seed), TrialOutcome(State.FINISHED, seed))
    assert list(one.finished) == [0, 2, 3]


def test_values_are_of_this_sweep_s_seeds_that_came_so_far() -> None:
    def at(epoch: int) -> TrialOutcome:
        return TrialOutcome(State.RUNNING, epoch, {"return": float(-epoch)})

    results, one = asked({9: at(5)})
    for seed, epoch in ((0, 1), (2, 3), (1, 2)):
        results.record(Trial(configuration=ONE, seed=seed), at(epoch))
    assert one.values("return") == {0: -1, 1: -2, 2: -3}
    assert one.values("return", epoch=2) == {1: -2, 2: -3}


def test_what_was_known_before_is_not_new_and_what_is_asked_for_is_a_copy() -> None:
    known = {0: FINISHED}
    results, _ = asked(known)
    results.record(Trial(configuration=ONE, seed=1), TrialOutcome(State.FINISHED))
    assert [results.is_new(ONE.id, seed) for seed in (0, 1)] == [False, True]
    assert (results.count().n_before, results.count().n_finished) == (1, 1)
    assert list(known) == [0]


def test_errors_are_those_of_the_seeds_that_are_asked_for() -> None:
    _, one = asked({9: TrialOutcome(State.FAILED, error="long ago"), 2: FAILED, 0: FINISHED})
    assert one.errors == {2: ""}
    assert one.state is State.RUNNING
