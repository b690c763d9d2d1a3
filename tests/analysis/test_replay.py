"""What a race would have saved of trials that have all run."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from experiments.analysis.replay import replay_race
from tests.analysis.frames import trials

N = 6
GOOD = [("mlp3", seed, "finished", -30.0 + seed / 10) for seed in range(N)]
CLOSE = [("mlp1", seed, "finished", -30.0 + (-1) ** seed / 3) for seed in range(N)]
BAD = [("conv", seed, "finished", -90.0 + seed / 5) for seed in range(N)]


def replayed(
    frame: pd.DataFrame, metric: str = "return", **rules: float
) -> dict[str, tuple[int, str]]:
    """By encoder, how many seeds it is given and what becomes of it."""
    names = frame.set_index("configuration_id")["encoder"].to_dict()
    rows = replay_race(frame, metric, **rules).itertuples(index=False)  # type: ignore[arg-type]
    return {names[c]: (n, verdict) for c, n, verdict in rows}


def test_a_loser_gets_the_first_seeds_and_who_cannot_be_told_apart_all() -> None:
    found = replayed(trials(*GOOD, *CLOSE, *BAD))
    assert list(found) == ["mlp3", "mlp1", "conv"], "in the order of the trials"
    assert found["conv"] == (2, "lost")
    assert found["mlp3"] == found["mlp1"] == (N, "not distinguishable")
    assert replayed(trials(*GOOD, *CLOSE, *BAD), first=4)["conv"] == (4, "lost")


@pytest.mark.parametrize("first", [-1, 0, 1])
def test_nobody_is_judged_by_one_seed(first: int) -> None:
    assert replayed(trials(*GOOD, *CLOSE, *BAD), first=first)["conv"] == (2, "lost")


def test_a_loss_races_the_other_way() -> None:
    frame = trials(*GOOD, *CLOSE, *BAD)
    losses = frame.assign(**{"test/kl": -frame["return"]})
    assert replayed(losses, "test/kl") == replayed(frame)


def test_what_does_not_matter_ends_a_race() -> None:
    found = replayed(trials(*GOOD, *CLOSE, *BAD), equal_within=20)
    assert {found["mlp3"][1], found["mlp1"][1]} == {"best", "equal"}
    assert found["mlp3"][0] < N


def test_who_failed_or_has_no_finite_value_races_no_further() -> None:
    rows = [*GOOD, *BAD, *CLOSE]
    failed = [(e, s, "failed" if (e, s) == ("mlp1", 1) else state, v) for e, s, state, v in rows]
    diverged = [(e, s, state, math.inf if (e, s) == ("mlp1", 1) else v) for e, s, state, v in rows]
    for frame in (trials(*failed), trials(*diverged)):
        assert replayed(frame) == {"mlp3": (2, "best"), "conv": (2, "lost"), "mlp1": (2, "failed")}


def test_where_results_are_missing_the_race_has_no_end() -> None:
    frame = trials(*GOOD, *CLOSE[:3], *BAD)
    assert replayed(frame) == {"mlp3": (3, ""), "mlp1": (3, ""), "conv": (2, "lost")}


def test_those_that_measure_something_else_race_among_themselves() -> None:
    frame = trials(*GOOD, *CLOSE, *BAD)
    others = frame.assign(loss="bce", configuration_id="x" + frame["configuration_id"])
    others["return"] -= 1000
    both = replay_race(pd.concat([frame, others]), "return")
    assert list(both["verdict"]) == 2 * list(replay_race(frame, "return")["verdict"])


def test_of_no_trials_there_is_no_race() -> None:
    assert replay_race(trials(*GOOD).iloc[:0], "return").empty
