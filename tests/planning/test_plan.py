"""Where every trial stands before a sweep, and which are to be run."""

from __future__ import annotations

import pytest

from experiments.planning.plan import Plan, PlanState, make_plan
from experiments.planning.results import Outcomes, Results, TrialOutcome
from experiments.planning.snapshot import settled
from experiments.tracking.run_record import RunRecord, State
from vae.configuration import Configuration, Trial

ONE = Configuration()
STATUS = {
    "finished": ("FINISHED", {"completed": "true"}),
    "half finished": ("FINISHED", {}),
    "failed": ("FAILED", {}),
    "pruned": ("KILLED", {"pruned": "true"}),
    "killed": ("KILLED", {}),
    "running": ("RUNNING", {}),
}


def plan(*found: str | None, retry_failed: bool = False, checkpoints: bool = False) -> Plan:
    """Of trials that have such runs, or none.

    Args:
        checkpoints: whether every run has one
    """
    trials = [Trial(configuration=ONE, seed=seed) for seed in range(len(found))]
    records = {
        trial.id: RunRecord(f"run {trial.seed}", *STATUS[how], {}, True, 0)
        for trial, how in zip(trials, found, strict=True)
        if how
    }
    outcomes: Outcomes = {
        t.seed: TrialOutcome(records[t.id].state) for t in trials if t.id in records
    }
    results = Results(settled({ONE.id: outcomes}, retry_failed))
    results.ask_for(ONE, range(len(found)))
    resumable = {record.run_id for record in records.values()} if checkpoints else set()
    return make_plan(trials, results, records, resumable)


@pytest.mark.parametrize(
    ("found", "state", "todo"),
    [
        (None, PlanState.MISSING, True),
        ("finished", PlanState.FINISHED, False),
        ("half finished", PlanState.MISSING, True),  # its last word is missing
        ("failed", PlanState.FAILED, False),
        ("pruned", PlanState.PRUNED, True),  # by a race that this sweep does not hold
        ("killed", PlanState.MISSING, True),
        ("running", PlanState.MISSING, True),  # whoever ran it is dead
    ],
)
def test_a_trial_is_run_unless_it_is_over(found: str | None, state: PlanState, todo: bool) -> None:
    (planned,) = plan(found).trials
    assert (planned.state, planned.todo) == (state, todo)


def test_what_failed_is_shown_as_failed_when_it_is_run_again() -> None:
    (planned,) = plan("failed", retry_failed=True).trials
    assert (planned.state, planned.todo) == (PlanState.FAILED, True)


def test_a_checkpoint_is_gone_on_from_only_where_the_trial_is_not_over() -> None:
    states = [t.state for t in plan("killed", "running", "finished", None, checkpoints=True).trials]
    assert states == [
        PlanState.RESUMABLE,
        PlanState.RESUMABLE,
        PlanState.FINISHED,
        PlanState.MISSING,
    ]


def test_trials_keep_the_order_in_which_they_are_to_run() -> None:
    made = plan(None, "finished", "killed", None)
    assert [trial.seed for trial in made.todo] == [0, 2, 3]
    assert made.states == {ONE.id: {PlanState.MISSING: 3, PlanState.FINISHED: 1}}


@pytest.mark.parametrize("lost", [True, False])
def test_who_is_out_of_a_race_is_not_run(lost: bool) -> None:
    trials = [Trial(configuration=ONE, seed=seed) for seed in range(3)]
    results = Results({ONE.id: {0: TrialOutcome(State.FINISHED)}})
    results.ask_for(ONE, range(3))
    if lost:
        results.prune(ONE.id, "lost")
    else:
        results.settle(ONE.id)
    made = make_plan(trials, results, {}, ())
    rest = PlanState.PRUNED if lost else PlanState.NOT_NEEDED
    assert [planned.state for planned in made.trials] == [PlanState.FINISHED, rest, rest]
    assert made.todo == ()
