"""Within a budget of time, what would not end in time waits as long as something else would."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from experiments.planning.results import Results, TrialOutcome
from experiments.proposers.budget import WithinBudget
from experiments.proposers.decisions import Advance, Decision
from experiments.proposers.grid import Grid
from experiments.proposers.racing_grid import RacingGrid
from experiments.tracking.run_record import State
from vae.configuration import Configuration, Trial

SECONDS = st.one_of(st.none(), st.floats(0, 20))


def grid_of(n: int) -> tuple[Grid, list[Trial]]:
    trials = [Trial(configuration=Configuration(dataset="mnist5k"), seed=s) for s in range(n)]
    results = Results()
    results.ask_for(trials[0].configuration, range(n))
    return Grid(trials, results), trials


def ends_in(left: float, seconds: float | None) -> bool:
    return seconds is None or seconds <= left


@given(st.lists(SECONDS, min_size=1, max_size=12), st.data())
def test_nothing_late_is_started_while_something_in_time_is_left(
    seconds: list[float | None], data: st.DataObject
) -> None:
    grid, trials = grid_of(len(seconds))
    left = data.draw(st.floats(0, 20))
    budget = WithinBudget(grid, lambda a: seconds[a.trial.seed], lambda: left)
    waiting = {trial.seed for trial in trials}
    for _ in trials:
        left = data.draw(st.floats(0, left))  # time only passes
        decision = budget.ask()
        assert isinstance(decision, Advance)
        waiting.remove(decision.trial.seed)
        if not ends_in(left, seconds[decision.trial.seed]):
            assert not any(ends_in(left, seconds[seed]) for seed in waiting)
    assert budget.ask() is None, "each was handed out once"
    assert not waiting


@given(st.integers(1, 12))
def test_with_time_enough_the_order_is_the_proposer_s(n: int) -> None:
    grid, trials = grid_of(n)
    budget = WithinBudget(grid, lambda a: 1.0, lambda: math.inf)
    assert [budget.ask() for _ in trials] == [Advance(t, t.configuration.epochs) for t in trials]


class Endless:
    """As a search: there is always one more, and asking decides."""

    def __init__(self) -> None:
        self.n_asked = 0
        self.n_left = 1
        self.left = Counter[str]()

    def ask(self) -> Decision | None:
        self.n_asked += 1
        trial = Trial(configuration=Configuration(dataset="mnist5k"), seed=self.n_asked)
        return Advance(trial, 1)

    def tell(self, trial: Trial, outcome: TrialOutcome) -> None: ...


def test_a_search_is_not_asked_without_end() -> None:
    search = Endless()
    budget = WithinBudget(search, lambda a: 100.0, lambda: 1.0, most_held=3)
    first = budget.ask()
    assert isinstance(first, Advance) and first.trial.seed == 1
    assert search.n_asked == 3


def test_a_race_goes_on_round_by_round() -> None:
    """What was held back in a round is part of it: the next begins when all have ended."""
    configurations = [Configuration(dataset="mnist5k", lr=lr) for lr in (1e-3, 1e-2)]
    results = Results()
    for configuration in configurations:
        results.ask_for(configuration, range(2))
    race = RacingGrid(results, range(2), "return")
    slow = configurations[0].id
    budget = WithinBudget(race, lambda a: 9.0 if a.configuration.id == slow else 1.0, lambda: 5.0)
    order = []
    while (decision := budget.ask()) is not None:
        if not isinstance(decision, Advance):
            continue
        order.append((decision.trial.seed, decision.configuration.id == slow))
        outcome = TrialOutcome(State.FINISHED, decision.until, {"return": -1.0})
        budget.tell(decision.trial, outcome)
    assert order == [(0, False), (0, True), (1, False), (1, True)]
    assert budget.n_left == 0
