"""Racing: who loses, who wins, and what it costs."""

from __future__ import annotations

from collections.abc import Collection
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.planning.results import Results, TrialOutcome
from experiments.proposers.race import LEVEL, lost, race
from experiments.proposers.racing_grid import RacingGrid, prune_the_lost
from experiments.tracking.run_record import State
from tests.simulated import SimulatedSweep, asked_for
from vae.configuration import Configuration, Trial

QUICKSTART = {  # encoder, loss, transform: mean and standard deviation over seeds of test/nll
    ("mlp1", "sse", "none"): (132.62, 0.48),
    ("mlp3", "sse", "none"): (144.44, 0.56),
    ("mlp1", "sse", "binarize"): (132.68, 0.57),
    ("mlp3", "sse", "binarize"): (144.65, 0.65),
    ("mlp1", "bce", "none"): (122.11, 0.26),
    ("mlp3", "bce", "none"): (135.92, 1.35),
    ("mlp1", "bce", "binarize"): (121.78, 0.46),
    ("mlp3", "bce", "binarize"): (136.90, 0.61),
}
"""As `python analyze.py quickstart` gives them."""

CONFIGURATIONS = [
    Configuration(encoder=e, loss=loss, transform=t, epochs=2) for e, loss, t in QUICKSTART
]
MEASURED = dict(zip((c.id for c in CONFIGURATIONS), QUICKSTART.values(), strict=True))
SEEDS = tuple(range(10))


def simulated_grid(rng: np.random.Generator) -> dict[tuple[str, int], float]:
    """test/nll of every trial, with noise as on `quickstart` and an effect of each seed."""
    of_seed = rng.normal(0, 0.3, len(SEEDS))
    return {
        (c, seed): rng.normal(mean, sd) + of_seed[seed]
        for (c, (mean, sd)), seed in product(MEASURED.items(), SEEDS)
    }


def race_through(
    nll: dict[tuple[str, int], float], capacity: int = 2, results: Results | None = None
) -> SimulatedSweep:
    """Args: results: what is known before; by default nothing"""
    proposer = RacingGrid(results or asked_for(CONFIGURATIONS, SEEDS), SEEDS, "test/nll")

    def value(trial: Trial, epoch: int) -> float:
        return nll[trial.configuration.id, trial.seed]

    return SimulatedSweep(proposer, value, "test/nll", capacity).run()


def best_of(nll: dict[tuple[str, int], float], raced: SimulatedSweep | None = None) -> str:
    """The lowest mean among those with all of their seeds."""

    def whole(c: str) -> bool:
        return raced is None or all(raced.over.get((c, s)) == State.FINISHED for s in SEEDS)

    return min((c for c in MEASURED if whole(c)), key=lambda c: np.mean([nll[c, s] for s in SEEDS]))


def test_racing_names_the_winner_of_the_full_grid_for_half_of_the_trials() -> None:
    rng = np.random.default_rng(2026)
    same, spent = 0, []
    for _ in range(100):
        nll = simulated_grid(rng)
        raced = race_through(nll)
        same += best_of(nll) == best_of(nll, raced)
        spent.append(len(raced.epochs))
    print(f"seed 2026: same winner in {same} of 100, trials {min(spent)}–{max(spent)} of 80")
    assert same >= 95
    assert max(spent) <= 40


def test_who_drops_out_does_not_depend_on_the_workers() -> None:
    nll = simulated_grid(np.random.default_rng(7))
    one, many = race_through(nll, capacity=1), race_through(nll, capacity=16)
    assert one.pruned and (one.pruned, one.over) == (many.pruned, many.over)


def test_no_worse_configuration_loses_more_often_than_the_level() -> None:
    """Of twelve that are all alike, over all looks: any drop-out is an error."""
    rng, n_races, n_seeds = np.random.default_rng(4), 2000, 8
    wrong = 0
    for _ in range(n_races):
        table = rng.normal(size=(12, n_seeds)) + rng.normal(size=n_seeds)
        values = {str(i): dict(enumerate(row)) for i, row in enumerate(table)}
        wrong += bool(race(values, range(n_seeds)).lost)
    print(f"seed 4: somebody lost in {wrong} of {n_races} races")
    assert wrong / n_races <= LEVEL


@given(
    st.integers(2, 6).flatmap(
        lambda n: st.lists(
            st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4), min_size=n, max_size=n
        )
    )
)
def test_the_first_in_order_of_means_never_loses(rows: list[list[float]]) -> None:
    table = np.array(rows)
    assert not lost(table, 1)[table.mean(axis=1).argmax()]


def test_a_shift_of_a_seed_or_of_the_scale_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(6, 5)) + np.arange(6)[:, None] * 2
    expected = lost(table, 10)
    assert expected.any() and not expected.all()
    np.testing.assert_array_equal(lost(table + rng.normal(size=5) * 100, 10), expected)
    np.testing.assert_array_equal(lost(table * 1000, 10), expected)


def test_two_rows_are_the_paired_t_test() -> None:
    from scipy import stats

    rng = np.random.default_rng(1)
    table = rng.normal(size=(2, 6)) + np.array([[0.0], [1.0]])
    p = stats.ttest_rel(table[1], table[0]).pvalue  # two-sided: either might have been ahead
    assert list(lost(table, LEVEL / (p * 1.01))) == [True, False]
    assert not lost(table, LEVEL / (p * 0.99)).any()


@pytest.mark.parametrize("same", [0.0, 5.0])
def test_without_noise_nobody_loses(same: float) -> None:
    assert not lost(np.full((3, 4), same), 1).any()


def test_a_configuration_that_failed_stays_and_is_not_compared() -> None:
    values = {"good": {0: 1.0, 1: 1.1}, "bad": {0: -9.0, 1: -9.1}, "broken": {0: None, 1: -9.0}}
    race_state = race(values, range(4))
    assert race_state.racing == ("good", "broken")
    assert race_state.lost == {"bad": 2}


def known(nll: dict[tuple[str, int], float], finished: Collection[tuple[str, int]]) -> Results:
    """What a sweep knows that starts when these have finished."""
    outcomes: dict[str, dict[int, TrialOutcome]] = {}
    for configuration_id, seed in finished:
        metrics = {"test/nll": nll[configuration_id, seed]}
        outcome = TrialOutcome(State.FINISHED, epoch=2, metrics=metrics)
        outcomes.setdefault(configuration_id, {})[seed] = outcome
    return asked_for(CONFIGURATIONS, SEEDS, outcomes)


def finished_of(raced: SimulatedSweep) -> list[tuple[str, int]]:
    """In the order in which they finished."""
    return [key for key, state in raced.over.items() if state is State.FINISHED]


def test_a_race_goes_on_where_it_was() -> None:
    """Cut short after any trial, it ends as if nothing had happened."""
    nll = simulated_grid(np.random.default_rng(11))
    undisturbed = race_through(nll)
    in_order = finished_of(undisturbed)
    for n_before in range(0, len(in_order), 5):
        results = known(nll, in_order[:n_before])
        lost_before = set(prune_the_lost(results, SEEDS, "test/nll").lost)
        rest = race_through(nll, results=results)
        assert set(rest.epochs) | set(in_order[:n_before]) == set(in_order)
        assert set(rest.pruned) | lost_before == set(undisturbed.pruned)
        assert lost_before.isdisjoint(rest.pruned)
        assert results.n_left == 0


def test_a_race_that_is_over_has_nothing_left() -> None:
    nll = simulated_grid(np.random.default_rng(3))
    results = known(nll, finished_of(race_through(nll)))
    prune_the_lost(results, SEEDS, "test/nll")
    proposer = RacingGrid(results, SEEDS, "test/nll")
    assert (proposer.n_left, proposer.left.total(), proposer.ask()) == (0, 0, None)


def test_a_value_that_is_not_finite_is_none() -> None:
    """Such a seed is as good as failed: nobody is compared with it, and the race goes on."""
    nll = simulated_grid(np.random.default_rng(5))
    broken = CONFIGURATIONS[0].id
    nll[broken, 1] = float("nan")
    raced = race_through(nll)
    assert raced.pruned and broken not in raced.pruned
    assert len(finished_of(raced)) < len(nll)
