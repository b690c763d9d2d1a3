"""Sentences that claim no more than the seeds can carry."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from experiments.reporting.findings import answer
from experiments.reporting.sentences import conclusions, method
from vae.configuration import Configuration


def trials(**values: Sequence[float | None]) -> pd.DataFrame:
    """By encoder, `test/nll` over the seeds; None is a trial that failed."""
    rows = []
    for encoder, numbers in values.items():
        configuration = Configuration(encoder=encoder)
        for seed, value in enumerate(numbers):
            known = math.nan if value is None else value
            rows.append(
                {
                    "trial_id": f"{encoder}{seed}", "configuration_id": configuration.id,
                    "seed": seed, "state": "failed" if value is None else "finished",
                    "error": "diverged" if value is None else "", **configuration.model_dump(),
                    "return": -known, "test/return": -known, "test/nll": known,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def told(frame: pd.DataFrame, **how: object) -> str:
    return " ".join(conclusions(answer("x", frame, "test/nll", **how)))  # type: ignore[arg-type]


GOOD = [100.0, 101.0, 99.5, 100.2]
CLOSE = [100.4, 100.1, 99.9, 100.7]
BAD = [150.0, 152.0, 149.1, 151.5]


def test_a_winner_is_named_with_by_how_much() -> None:
    said = told(trials(mlp1=GOOD, mlp3=BAD))
    assert "mlp1 has the best mean" in said and "over 4 seeds" in said
    assert "It is better than mlp3 (50.47 more, 95 % interval" in said
    assert "No winner" not in said


def test_without_a_difference_no_winner_and_what_it_would_take() -> None:
    said = told(trials(mlp1=GOOD, mlp3=CLOSE))
    assert "Not distinguishable from it: mlp3." in said
    assert "No winner can be named with these seeds." in said
    assert "seeds would show a difference of 0.1 (80 % power)" in said


def test_who_is_better_than_some_is_a_winner_over_those() -> None:
    said = told(trials(mlp1=GOOD, mlp3=CLOSE, conv=BAD))
    assert "It is better than conv" in said and "Not distinguishable from it: mlp3." in said
    assert "No winner" not in said


def test_one_seed_says_nothing() -> None:
    said = told(trials(mlp1=GOOD[:1], mlp3=BAD[:1]))
    assert "over 1 seed." in said and "1 seeds" not in said
    assert "No winner" in said and "It is better" not in said
    assert "encoder: one seed says nothing about mlp1 against mlp3." in said


def test_no_seed_says_so() -> None:
    assert told(trials(mlp1=[None], mlp3=[None])) == (
        "No trial has finished yet: nothing can be said."
    )


def test_a_survivor_is_not_the_best_and_the_reader_is_told_why() -> None:
    said = told(trials(mlp1=GOOD, mlp3=[90.0, 91.0, None, 90.5]))
    assert "mlp1 has the best mean" in said
    assert "mlp3 has a better mean over the seeds that did not fail, and cannot be the best" in said


def test_against_a_control_it_is_the_control_that_is_spoken_of() -> None:
    said = told(trials(mlp1=GOOD, mlp3=BAD, conv=CLOSE), control={"encoder": "mlp3"})
    assert "against the control mlp3" in said and "has the best mean" not in said
    assert "Better than it: 2 of the others, the nearest being conv (50." in said


def test_equal_and_identical_are_said_as_such() -> None:
    said = told(trials(mlp1=GOOD, mlp3=CLOSE, conv=GOOD), equal_within=30.0)
    assert "Equal to it within 30: mlp3." in said
    assert "Identical to it in every seed" in said


def test_the_method_is_a_sentence_for_a_paper() -> None:
    frame = trials(mlp1=GOOD, mlp3=BAD)
    best = method(answer("x", frame))
    control = method(answer("x", frame, control={"encoder": "mlp3"}, equal_within=0.5))
    assert "all pairs" in best and "equal:" not in best
    assert "with the control (encoder=mlp3; Holm)" in control and "within ±0.5" in control
