"""Fields that contradict each other, in one line; and what is told as a warning."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from vae.configuration import Configuration, explain
from vae.consistency import warnings
from vae.errors import BadInput


def complaint(fields: dict[str, Any]) -> str:
    with pytest.raises((ValidationError, BadInput)) as caught:
        Configuration(**fields)
    error = caught.value
    return explain(error) if isinstance(error, ValidationError) else str(error)


LINEAR = {"beta_schedule": "linear"}
STEPS = {"lr_schedule": "steps"}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"loss": "iwae"}, ["objective: iwae", "objective.samples: 5", "loss: bce"]),
        ({"objective": "iwea"}, ["'iwae'", "elbo"]),
        ({"objective": "iwae", "beta": 4}, ["beta 4", "'iwae'", "exclude"]),
        ({"objective": "iwae", **LINEAR}, ["beta_schedule linear", "'iwae'", "constant"]),
        ({"objective": "iwae", "free_bits": 0.1}, ["free_bits 0.1", "'iwae'"]),
        ({"objective": "iwae", "objective.samples": 0}, ["objective.samples", "at least 1"]),
        ({"objective.samples": 5}, ["objective.samples", "no option of objective 'elbo'"]),
        ({"beta": 0, **LINEAR}, ["beta_schedule linear", "beta is 0"]),
        ({"beta": 0, "free_bits": 1}, ["free_bits 1", "beta is 0"]),
        ({"free_bits": -1}, ["free_bits"]),
        ({"free_bits": 300}, ["free_bits 300", "6000 nats", "at most 4347", "less than 217"]),
        ({"free_bits": 30, "transform": "binarize"}, ["600 nats", "at most 543"]),
        ({"patience": 5}, ["patience 5", "5 epochs"]),
        ({"patience": -1}, ["patience"]),
        ({"grad_clip": -1}, ["grad_clip"]),
        ({"optimizer": "adamv"}, ["did you mean 'adam", "sgd"]),
        ({"optimizer": "sgd", "optimizer.eps": 1}, ["optimizer.eps", "momentum"]),
        ({"optimizer": "sgd", "optimizer.momentum": 1}, ["optimizer.momentum", "below 1"]),
        ({"optimizer": "sgd", "optimizer.nesterov": True}, ["needs momentum"]),
        ({"optimizer.betas": [0.9]}, ["optimizer.betas", "two numbers"]),
        ({"optimizer.betas": [0.9, 1]}, ["optimizer.betas", "below 1"]),
        ({"optimizer.eps": 0}, ["optimizer.eps", "more than 0"]),
        ({**LINEAR, "beta_schedule.epochs": 0}, ["beta_schedule.epochs", "more than 0"]),
        (LINEAR | {"beta_schedule.cycles": 2}, ["beta_schedule.cycles", "beta_schedule.epochs"]),
        ({"beta_schedule": "cyclical", "beta_schedule.ratio": 0}, ["ratio", "above 0"]),
        ({"beta_schedule": "cyclical", "beta_schedule.cycles": 0}, ["cycles", "at least 1"]),
        (STEPS, ["lr_schedule.at", "[200, 350]"]),
        (STEPS | {"lr_schedule.at": [3, 2]}, ["lr_schedule.at", "rising"]),
        (STEPS | {"lr_schedule.at": ["a"]}, ["lr_schedule.at", "rising"]),
        (STEPS | {"lr_schedule.at": [2], "lr_schedule.factor": 0}, ["factor", "more than 0"]),
        ({"lr_schedule.warmup": -1}, ["lr_schedule.warmup", "at least 0"]),
        ({"encoder": "mlp", "encoder.layers": 0}, ["encoder.layers", "at least 1"]),
        ({"encoder": "mlp", "encoder.activation": "tahn"}, ["did you mean 'tanh'"]),
        ({"decoder": "mlp", "decoder.bias": "date"}, ["decoder.bias", "'data'"]),
        ({"decoder": "mlp1", "decoder.bias": "data"}, ["decoder.bias", "mlp1"]),
    ],
    ids=str,
)  # fmt: skip
def test_a_contradiction_is_one_line(fields: dict[str, Any], told: list[str]) -> None:
    line = complaint(fields)
    assert "\n" not in line
    for part in told:
        assert part in line


@pytest.mark.parametrize(
    "fields",
    [
        {"free_bits": 200},
        {"patience": 4},
        {"beta": 0},
        {"objective": "iwae", "loss": "gaussian"},
        {"objective": "iwae", "loss": "continuous_bernoulli"},
        {**LINEAR, "free_bits": 0.1},
        {"lr_schedule": "steps", "lr_schedule.at": [1, 2.5]},
        {"optimizer": "sgd", "optimizer.momentum": 0.9, "optimizer.nesterov": True},
    ],
    ids=str,
)
def test_what_goes_together_is_taken_and_told_nothing(fields: dict[str, Any]) -> None:
    assert list(warnings(Configuration(**{"epochs": 20, "patience": 0, **fields}))) == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            LINEAR | {"beta_schedule.epochs": 20, "beta": 4},
            ["20", "5 epochs", "ends at 1, not at 4"],
        ),
        ({"lr_schedule.warmup": 10}, ["lr_schedule.warmup 10", "ends at 0.0005, not at 0.001"]),
        (STEPS | {"lr_schedule.at": [3, 5]}, ["lr_schedule.at 5", "never"]),
        (LINEAR | {"beta_schedule.epochs": 4, "patience": 2}, ["patience 2", "warm-up"]),
    ],
    ids=str,
)
def test_what_is_likely_a_mistake_is_a_warning(fields: dict[str, Any], told: list[str]) -> None:
    (line,) = warnings(Configuration(epochs=5, **fields))
    for part in told:
        assert part in line
