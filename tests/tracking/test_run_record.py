"""What the state of a run means, and which run speaks for a trial."""

from __future__ import annotations

import itertools
import math
import sys

import pytest

from experiments.tracking.run_record import RETRIED, RunRecord, State, by_trial, mlflow_status


def record(run_id: str, status: str, start_time: int = 0, **tags: str) -> RunRecord:
    return RunRecord(run_id, status, {"trial_id": "t", **tags}, {}, True, start_time)


@pytest.mark.parametrize(
    ("status", "tags", "state"),
    [
        ("FINISHED", {"completed": "true"}, State.FINISHED),
        ("FINISHED", {}, State.MISSING),
        ("KILLED", {"pruned": "true"}, State.PRUNED),
        ("KILLED", {}, State.MISSING),
        ("FAILED", {"completed": "true"}, State.FAILED),
        ("RUNNING", {"completed": "true"}, State.RUNNING),
        ("SCHEDULED", {}, State.MISSING),
    ],
)
def test_only_completed_and_finished_together_mean_finished(
    status: str, tags: dict[str, str], state: State
) -> None:
    assert record("r", status, 0, **tags).state == state


def test_every_state_has_a_status_that_mlflow_knows() -> None:
    known = {"RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"}
    assert {mlflow_status(state) for state in State} <= known


def test_the_run_to_use_does_not_depend_on_the_order() -> None:
    records = [
        record("failed", "FAILED"),
        record("finished", "FINISHED", completed="true"),
        record("older", "FINISHED", -1, completed="true"),
        record("tried again", "FINISHED", 5, completed="true", **{RETRIED: "true"}),
    ]
    for order in itertools.permutations(records):
        assert by_trial(order)["t"].run_id == "finished"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, sys.float_info.max])
def test_a_run_with_a_final_metric_that_is_no_number_has_diverged(value: float) -> None:
    """ray#31276, optuna#3132: older versions let it pass, and everybody who decides stumbled."""
    tags = {"trial_id": "t", "completed": "true"}
    metrics = {"return": -1.0, "test/nll": value, "epoch_seconds": value}
    run = RunRecord("r", "FINISHED", tags, metrics, True, 0)
    assert (run.state, run.error) == (State.FAILED, "diverged: test/nll is not finite")
    fine = RunRecord("r", "FINISHED", tags, {**metrics, "test/nll": 1.0}, True, 0)
    assert (fine.state, fine.error) == (State.FINISHED, "")
