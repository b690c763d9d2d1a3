"""How long a sweep still takes."""

from __future__ import annotations

import pytest

from experiments.execution.messages import EpochDone
from experiments.planning.results import TrialOutcome
from experiments.proposers.decisions import Advance
from experiments.spec.experiment import load_experiment
from experiments.sweep.time_left import TimeLeft
from experiments.tracking.run_record import State
from tests.simulated import asked_for
from vae.configuration import Trial

EXPERIMENT = load_experiment(
    {"name": "tiny", "dataset": "mnist5k", "grid": {"lr": [1e-3, 1e-4]}, "fixed": {"epochs": 10}}
)
ONE, OTHER = EXPERIMENT.configurations


def epoch_of(seconds: float) -> EpochDone:
    return EpochDone(1, "tiny", ONE.id, 1, 10, {"epoch_seconds": seconds})


def test_a_trial_takes_what_is_left_of_its_epochs() -> None:
    known = {ONE.id: {0: TrialOutcome(State.RUNNING, epoch=4)}}
    time_left = TimeLeft(EXPERIMENT, [], asked_for([ONE, OTHER], range(2), known), n_workers=1)
    begun, fresh = (Advance(Trial(configuration=ONE, seed=seed), 10) for seed in (0, 1))
    assert time_left.seconds_of(begun) is None
    time_left.learn(epoch_of(3.0))
    assert (time_left.seconds_of(begun), time_left.seconds_of(fresh)) == (18, 30)


def test_it_is_estimated_anew_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    time_left = TimeLeft(EXPERIMENT, [], asked_for([ONE, OTHER], range(2)), n_workers=2)
    left = {ONE.id: 2}
    time_left.learn(epoch_of(3.0))
    assert time_left.seconds(left) == 30
    time_left.learn(epoch_of(5.0))
    now += 0.9
    assert time_left.seconds(left) == 30
    assert time_left.seconds_now(left) == 50, "whoever asks for the last time wants it exact"
    now += 0.2
    assert time_left.seconds(left) == 50
