"""Racing: who loses, who wins, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import product

import numpy as np

from experiments.planning.results import Results, TrialOutcome
from experiments.proposers.racing_grid import RacingGrid, hold_race
from experiments.spec.racing import Racing
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
    nll: dict[tuple[str, int], float],
    capacity: int = 2,
    results: Results | None = None,
    rules: Racing | None = None,
) -> SimulatedSweep:
    """Args: results: what is known before; by default nothing"""
    proposer = RacingGrid(results or asked_for(CONFIGURATIONS, SEEDS), SEEDS, "test/nll", rules)

    def value(trial: Trial, epoch: int) -> float:
        return nll[trial.configuration.id, trial.seed]

    return SimulatedSweep(proposer, value, "test/nll", capacity).run()


def best_of(nll: dict[tuple[str, int], float], raced: SimulatedSweep | None = None) -> str:
    """The lowest mean over the seeds that ran, among those that did not lose."""
    out = raced.pruned if raced else ()

    def mean(c: str) -> float:
        return float(np.mean([nll[c, s] for s in SEEDS if raced is None or (c, s) in raced.over]))

    return min((c for c in MEASURED if c not in out), key=mean)


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
    assert np.mean(spent) <= 40


def test_who_drops_out_does_not_depend_on_the_workers() -> None:
    nll = simulated_grid(np.random.default_rng(7))
    one, many = race_through(nll, capacity=1), race_through(nll, capacity=16)
    assert one.pruned and (one.pruned, one.over) == (many.pruned, many.over)


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
        lost_before = set(hold_race(results, SEEDS, "test/nll", Racing()).lost)
        rest = race_through(nll, results=results)
        assert set(rest.epochs) | set(in_order[:n_before]) == set(in_order)
        assert set(rest.pruned) | lost_before == set(undisturbed.pruned)
        assert lost_before.isdisjoint(rest.pruned)
        assert results.n_left == 0


def test_a_race_that_is_over_has_nothing_left() -> None:
    nll = simulated_grid(np.random.default_rng(3))
    results = known(nll, finished_of(race_through(nll)))
    hold_race(results, SEEDS, "test/nll", Racing())
    proposer = RacingGrid(results, SEEDS, "test/nll")
    assert (proposer.n_left, proposer.left.total(), proposer.ask()) == (0, 0, None)


def test_a_value_that_is_not_finite_is_a_seed_that_failed() -> None:
    """optuna#3132: it is not waited for, keeps nobody from losing, and is given no more seeds."""
    nll = simulated_grid(np.random.default_rng(5))
    broken = CONFIGURATIONS[4].id  # one of the best
    nll[broken, 1] = float("nan")
    raced = race_through(nll)
    assert len(raced.pruned) == 6
    assert broken not in raced.pruned
    assert broken in raced.settled
    assert [seed for c, seed in raced.epochs if c == broken] == [0, 1]


def test_a_lone_winner_gets_no_further_seeds() -> None:
    nll = simulated_grid(np.random.default_rng(5))
    winner = CONFIGURATIONS[0].id
    nll |= {(winner, seed): nll[winner, seed] - 50 for seed in SEEDS}
    raced = race_through(nll)
    assert len(raced.epochs) == 2 * len(CONFIGURATIONS)
    assert raced.settled == [winner]
    assert len(raced.pruned) == len(CONFIGURATIONS) - 1
    assert raced.proposer.n_left == 0


def test_rules_of_a_race_are_kept() -> None:
    nll = simulated_grid(np.random.default_rng(5))
    first = race_through(nll, rules=Racing(first=5))
    assert min(Counter(c for c, _ in first.epochs).values()) == 5
    control = CONFIGURATIONS[1].id
    raced = race_through(nll, rules=Racing(control=control))
    assert all("worse in test/nll than the control" in why for why in raced.pruned.values())
    assert {CONFIGURATIONS[i].id for i in (0, 2, 4, 6)} <= set(raced.settled), "they are better"
    near = race_through(nll, rules=Racing(equal_within=8.0))
    assert len(near.epochs) < len(race_through(nll).epochs)
