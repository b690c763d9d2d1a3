"""What of earlier experiments fits a study: the very configurations that it would have run."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from experiments.planning.lessons import Lessons, describe_lessons, find_lessons
from experiments.spec.ranges import Range
from experiments.spec.search_space import StudyPlan
from experiments.tracking.run_record import RunRecord
from vae.configuration import NUMBERS_VERSION, Configuration, Trial

FIXED = {"dataset": "mnist5k", "epochs": 3}
PLAN = StudyPlan(
    10, "tpe", "return", {"lr": Range(1e-4, 1e-2, log=True), "encoder": ("mlp1", "mlp3")}, "none",
    FIXED,
)  # fmt: skip


def runs_of(
    fields: dict[str, Any], returns: dict[int, float | None], **tags: str
) -> tuple[RunRecord, list[RunRecord]]:
    """A configuration's run and those of its trials.

    Args:
        returns: by seed; None for a trial that failed
    """
    configuration = Configuration(**{**FIXED, **fields})
    own = {
        "configuration_id": configuration.id,
        "configuration": json.dumps(configuration.model_dump()),
        "numbers_version": str(NUMBERS_VERSION),
        **tags,
    }
    trials = []
    for seed, value in returns.items():
        trial = Trial(configuration=configuration, seed=seed)
        of_trial = {
            "configuration_id": configuration.id,
            "trial_id": trial.id,
            "trial": trial.model_dump_json(),
            "completed": "true",
        }
        status = "FAILED" if value is None else "FINISHED"
        metrics = {} if value is None else {"return": value}
        trials.append(RunRecord(trial.id, status, of_trial, metrics, True, seed))
    return RunRecord(configuration.id, "FINISHED", own, {}, True, 0), trials


def lessons(*found: tuple[RunRecord, list[RunRecord]], seeds: tuple[int, ...] = (0, 1)) -> Lessons:
    configurations = [run for run, _ in found]
    trials = [trial for _, of_one in found for trial in of_one]
    return find_lessons("e", PLAN, seeds, configurations, trials)


def test_what_fits_is_taken_with_the_values_of_the_study_s_seeds() -> None:
    """More seeds than the study has do not count: the study would not have seen them."""
    found = lessons(runs_of({"encoder": "mlp1", "lr": 1e-3}, {0: -5.0, 1: -7.0, 2: 99.0}))
    (one,) = found.taken
    assert one.fields == {"lr": 1e-3, "encoder": "mlp1"}
    assert one.values == [-5.0, -7.0]
    assert one.configuration_id == PLAN.configuration(one.fields).id
    assert not found.left_out


@pytest.mark.parametrize(
    ("fields", "returns", "tags", "why"),
    [
        ({"lr": 0.1}, {0: 1.0, 1: 1.0}, {}, "outside the space in lr"),
        ({"encoder": "conv"}, {0: 1.0, 1: 1.0}, {}, "outside the space in encoder"),
        ({"epochs": 4}, {0: 1.0, 1: 1.0}, {}, "with another epochs"),
        ({"epochs": 4, "loss": "bce"}, {0: 1.0, 1: 1.0}, {}, "with another epochs, loss"),
        ({}, {0: 1.0}, {}, "without all of the seeds"),
        ({}, {0: 1.0, 2: 1.0}, {}, "without all of the seeds"),
        ({}, {0: 1.0, 1: None}, {}, "without all of the seeds"),
        ({}, {0: 1.0, 1: math.nan}, {}, "without all of the seeds"),
        ({}, {0: 1.0, 1: 1.0}, {"numbers_version": "1"}, "of another NUMBERS_VERSION"),
        ({}, {0: 1.0, 1: 1.0}, {"configuration_id": "x", "code_digest": "d"}, "with other code"),
        ({}, {0: 1.0, 1: 1.0}, {"configuration_id": "x", "data_digest": "d"}, "with other data"),
    ],
)
def test_what_does_not_fit_is_left_out_and_why(
    fields: dict[str, Any], returns: dict[int, float | None], tags: dict[str, str], why: str
) -> None:
    found = lessons(runs_of(fields, returns, **tags))
    assert (list(found.taken), found.left_out) == ([], {why: 1})


def test_a_line_for_people() -> None:
    assert describe_lessons("e", 2, {}) == "2 of 2 tracked configurations of 'e' taken"
    told = describe_lessons("e", 1, {"with another lr": 1, "with another epochs": 3})
    assert told == (
        "1 of 5 tracked configurations of 'e' taken; "
        "not taken: 3 with another epochs, 1 with another lr"
    )
