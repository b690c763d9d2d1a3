"""A grid: every trial that is left, once, in its order."""

from __future__ import annotations

from experiments.planning.results import TrialOutcome
from experiments.proposers.grid import Grid
from experiments.tracking.run_record import State
from tests.simulated import SimulatedSweep, asked_for
from vae.configuration import Configuration, Trial

CONFIGURATIONS = [Configuration(epochs=n) for n in (2, 3)]
TRIALS = [Trial(configuration=c, seed=s) for c in CONFIGURATIONS for s in range(3)]


def test_every_trial_is_asked_for_once_to_its_last_epoch() -> None:
    grid = Grid(TRIALS, asked_for(CONFIGURATIONS, range(3)))
    sweep = SimulatedSweep(grid, lambda trial, epoch: 0.0, capacity=3).run()
    assert [advance.trial for advance in sweep.advanced] == TRIALS
    assert [advance.until for advance in sweep.advanced] == [2, 2, 2, 3, 3, 3]
    assert set(sweep.over.values()) == {State.FINISHED}
    assert (grid.n_left, grid.ask()) == (0, None)


def test_a_failure_is_an_outcome_like_any_other() -> None:
    def value(trial: Trial, epoch: int) -> float:
        return 1 / trial.seed

    grid = Grid(TRIALS, asked_for(CONFIGURATIONS, range(3)))
    sweep = SimulatedSweep(grid, value).run()
    failed = [seed for (_, seed), state in sweep.over.items() if state is State.FAILED]
    assert failed == [0, 0] and len(sweep.over) == 6
    assert grid.n_left == 0


def test_what_is_left_counts_what_is_under_way_and_not_what_is_known() -> None:
    known = {CONFIGURATIONS[0].id: {0: TrialOutcome(State.FINISHED)}}
    grid = Grid(TRIALS[1:], asked_for(CONFIGURATIONS, range(3), known))
    assert grid.left == {CONFIGURATIONS[0].id: 2, CONFIGURATIONS[1].id: 3}
    advance = grid.ask()
    assert advance and advance.trial == TRIALS[1]
    assert grid.n_left == 5, "it is under way"
    grid.tell(advance.trial, TrialOutcome(State.FINISHED))
    assert grid.n_left == 4 == grid.left.total()


def test_a_grid_of_which_nothing_is_left_asks_for_nothing() -> None:
    assert Grid([], asked_for([], [])).ask() is None
