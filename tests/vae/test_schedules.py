"""Schedules: factors at known shares of a training, and a training that a schedule moves."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.vae.test_training import numbers, small, splits, start
from vae import checkpoints, schedules
from vae.components.registry import BETA_SCHEDULES, LR_SCHEDULES
from vae.configuration import Configuration
from vae.schedules import Pace, Progress
from vae.training import fit

epochs_over = st.floats(0, 499)


def test_progress_is_the_share_that_is_over() -> None:
    progress = Progress(1.5, 6)
    assert progress == 0.25
    assert (progress.epochs, progress.n_epochs) == (1.5, 6)


@pytest.mark.parametrize(("over", "factor"), [(0, 0), (1, 0.1), (5, 0.5), (10, 1), (20, 1)])
def test_linear_rises_to_one_and_stays(over: float, factor: float) -> None:
    assert schedules.linear(Progress(over, 20), epochs=10.0) == factor


@pytest.mark.parametrize(
    ("over", "factor"), [(0, 0), (5, 0.5), (10, 1), (19, 1), (20, 0), (25, 0.5), (79, 1)]
)
def test_cyclical_starts_again_each_cycle(over: float, factor: float) -> None:
    assert schedules.cyclical(Progress(over, 80), cycles=4, ratio=0.5) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("over", "factor"), [(0, 0), (1, 0.5), (2, 1), (6, 0.5), (4, (1 + math.sqrt(0.5)) / 2)]
)
def test_cosine_falls_from_the_end_of_its_warm_up(over: float, factor: float) -> None:
    assert schedules.cosine(Progress(over, 10), warmup=2.0) == pytest.approx(factor)


def test_cosine_ends_at_nothing() -> None:
    assert schedules.cosine(Progress(10 - 1e-6, 10)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("over", "factor"), [(0, 1), (199.99, 1), (200, 0.5), (349.99, 0.5), (350, 0.25), (499, 0.25)]
)
def test_steps_fall_where_an_epoch_begins(over: float, factor: float) -> None:
    assert schedules.steps(Progress(over, 500), at=(200, 350), factor=0.5) == factor


@given(st.integers(1, 500), st.data())
def test_steps_are_exact_for_any_length_of_training(n_epochs: int, data: st.DataObject) -> None:
    """A share times the length may round to just below the epoch that it came from."""
    at = data.draw(st.integers(1, n_epochs))
    n_steps = data.draw(st.integers(1, 1000))
    last = Progress(at - 1 + (n_steps - 1) / n_steps, n_epochs)
    assert schedules.steps(last, at=(at,), factor=0.5) == 1
    assert schedules.steps(Progress(float(at), n_epochs), at=(at,), factor=0.5) == 0.5


def test_burda_s_stages_last_three_times_as_long_each() -> None:
    """Stage i is 3^i epochs long and has rate 10^(-i/7); eight of them are 3,280 epochs."""
    begins = 0
    for stage in range(8):
        ends = begins + 3**stage
        for epoch in (begins, ends - 0.001):
            factor = schedules.burda(Progress(epoch, 3280))
            assert factor == pytest.approx(10 ** (-stage / 7))
        begins = ends
    assert begins == 3280


@given(epochs_over, st.floats(0.1, 600))
def test_a_warm_up_multiplies_what_comes_after(over: float, warmup: float) -> None:
    share = min(1.0, over / warmup)
    progress = Progress(over, 500)
    assert schedules.constant_rate(progress, warmup=warmup) == share
    for schedule in (schedules.burda, schedules.steps):
        expected = share * schedule(progress)
        assert schedule(progress, warmup=warmup) == pytest.approx(expected)


@given(epochs_over, st.sampled_from([*LR_SCHEDULES]), st.floats(0, 600))
def test_no_rate_is_negative_or_above_one(over: float, name: str, warmup: float) -> None:
    options = {"at": (3, 200)} if name == "steps" else {}
    configuration = Configuration(
        epochs=500, lr_schedule=name, **{f"lr_schedule.{k}": v for k, v in options.items()},
        **{"lr_schedule.warmup": warmup},
    )  # fmt: skip
    lr, beta = Pace.of(configuration).at(over)
    assert 0 <= lr <= configuration.lr
    assert beta == configuration.beta


def test_what_is_constant_costs_nothing_in_a_step() -> None:
    pace = Pace.of(Configuration())
    assert not pace.moves
    assert pace.lr_factor is None
    assert pace.beta_factor is None
    assert Pace.of(Configuration(**{"lr_schedule.warmup": 2})).moves


MOVING: dict[str, dict[str, Any]] = {
    "linear": {"beta_schedule": "linear", "beta_schedule.epochs": 3},
    "cyclical": {"beta_schedule": "cyclical", "beta_schedule.cycles": 2},
    "constant": {"lr_schedule.warmup": 2.5},
    "cosine": {"lr_schedule": "cosine", "lr_schedule.warmup": 1},
    "steps": {"lr_schedule": "steps", "lr_schedule.at": [1, 3]},
    "burda": {"lr_schedule": "burda"},
    "both": {"lr_schedule": "cosine", "beta_schedule": "linear", "optimizer": "adam"},
}


def test_every_schedule_is_resumed() -> None:
    assert {*BETA_SCHEDULES, *LR_SCHEDULES} <= {*MOVING}


@pytest.mark.parametrize("name", MOVING)
def test_going_on_in_the_middle_of_a_schedule_changes_no_bit(tmp_path: Path, name: str) -> None:
    configuration, data = small(**MOVING[name]), splits()
    undisturbed = start(configuration)
    expected = [numbers(m) for m in fit(undisturbed, data, 4)]
    for stop in (1, 2, 3):
        interrupted = start(configuration)
        history = [numbers(m) for m in fit(interrupted, data, stop)]
        checkpoints.save(interrupted, tmp_path / "c.pt")
        resumed = start(configuration)
        checkpoints.load(resumed, tmp_path / "c.pt")
        history += [numbers(m) for m in fit(resumed, data, 4)]
        assert history == expected
        for name_, tensor in undisturbed.model.state_dict().items():
            assert torch.equal(tensor, resumed.model.state_dict()[name_])


def test_an_epoch_tells_what_moved() -> None:
    moved = small(beta_schedule="linear", beta_schedule__epochs=2, beta=3)
    history = list(fit(start(moved), splits(), 4))
    # Six batches of seven images: the last step begins when 5/6 of the epoch are over.
    expected = [3 * (5 / 6) / 2, 3 * (11 / 6) / 2, 3, 3]
    assert [m.scheduled["beta"] for m in history] == pytest.approx(expected)
    assert all(set(m.scheduled) == {"beta"} for m in history)
    rates = [m.scheduled["lr"] for m in fit(start(small(lr_schedule="cosine")), splits(), 4)]
    assert all(a > b for a, b in itertools.pairwise(rates))
    assert all(m.scheduled == {} for m in fit(start(), splits(), 1))


def test_the_loss_of_an_epoch_is_the_mean_over_its_steps_of_what_they_minimised() -> None:
    """With β from 0: less than the terms at the epoch's last β, more than those at 0."""
    moved = small(beta_schedule="linear", beta_schedule__epochs=1, beta=100)
    first = next(fit(start(moved), splits(), 1))
    last_beta = first.scheduled["beta"]
    loss = first.train.loss(last_beta)
    assert (
        first.train.reconstruction < loss < first.train.reconstruction + last_beta * first.train.kl
    )
    expected = first.val.reconstruction + last_beta * first.val.kl
    assert first.val.loss(last_beta) == pytest.approx(expected)


def test_a_warm_up_of_beta_is_a_smaller_beta_at_first() -> None:
    """After one epoch of a long warm-up the KL is nearly as free as with β = 0."""
    free, warm, whole = (
        next(fit(start(small(lr=1e-2, **fields)), splits(), 1)).val.kl
        for fields in (
            {"beta": 0},
            {"beta": 50, "beta_schedule": "linear", "beta_schedule__epochs": 1e6},
            {"beta": 50},
        )
    )
    assert abs(warm - free) < 0.1 * abs(whole - free)


def test_a_rate_of_nothing_moves_no_weight() -> None:
    """Adam's first step moves every weight by the rate: by 1e-10 of it, not at all."""
    configuration = small(lr_schedule__warmup=1e12, weight_decay=0)
    training = start(configuration)
    before = {k: v.clone() for k, v in training.model.state_dict().items()}
    list(fit(training, splits(), 1))
    for name, tensor in training.model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=1e-9)
