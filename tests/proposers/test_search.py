"""The search: seeds as replicates of one Optuna trial, rungs, races, resuming."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from experiments.planning.results import Results, TrialOutcome
from experiments.proposers.decisions import Advance
from experiments.proposers.optuna_study import Study
from experiments.proposers.search import Search
from experiments.spec.ranges import Range
from experiments.spec.search_space import StudyPlan
from experiments.tracking.run_record import State
from tests.simulated import SimulatedSweep, Stopped, Value
from vae.configuration import Trial

SPACE = {"lr": Range(1e-4, 1e-1, log=True), "latent_dim": Range(2, 64)}
BEST_LR, BEST_DIM = 3e-3, 20


def noise(trial: Trial) -> float:
    """Of a trial: the same whenever and wherever it runs, and whatever its identity is made of."""
    c = trial.configuration
    known = f"{c.lr} {c.latent_dim} {trial.seed}"
    return float(np.random.default_rng(zlib.crc32(known.encode())).normal())


def value(trial: Trial, epoch: int) -> float:
    """Best at one learning rate and size; grows over the epochs; a seed is worth ±3."""
    c = trial.configuration
    off = abs(np.log10(c.lr / BEST_LR)) * 30 + abs(c.latent_dim - BEST_DIM) / 2
    return float(-off * (1 + 1 / epoch) + 3 * noise(trial))


class Tried:
    """One search from its start to its end, or to where it was cut short."""

    def __init__(
        self,
        storage: str | None = None,
        pruner: str = "none",
        racing: bool = False,
        sampler: str = "tpe",
        n: int = 40,
        seeds: int = 4,
        space: Mapping[str, object] = SPACE,
        known: Mapping[str, Mapping[int, TrialOutcome]] | None = None,
    ) -> None:
        fixed = {"dataset": "mnist5k", "epochs": 9}
        self.plan = StudyPlan(n, sampler, "return", space, pruner, fixed)  # type: ignore[arg-type]
        self.study = Study("t", self.plan, storage)
        self.results = Results(known)
        self.search = Search.resume(self.study, self.plan, range(seeds), racing, self.results)

    def run(
        self, value: Value = value, capacity: int = 2, interrupted_after: int | None = None
    ) -> Tried:
        self.sweep = SimulatedSweep(
            self.search, value, capacity=capacity, interrupted_after=interrupted_after
        ).run()
        return self

    def told(self) -> list[tuple[object, ...]]:
        return [(t.number, dict(t.fields), t.state, t.value) for t in self.study.told()]


def test_the_value_of_a_configuration_is_the_mean_over_its_seeds() -> None:
    tried = Tried(n=10).run()
    assert len(tried.study.told()) == 10
    for told in tried.study.told():
        configuration = tried.plan.configuration(told.fields)
        values = [value(Trial(configuration=configuration, seed=s), 9) for s in range(4)]
        assert told.state == State.FINISHED
        assert told.value == pytest.approx(np.mean(values))
    assert set(tried.sweep.over.values()) == {State.FINISHED}


def test_tpe_over_means_finds_the_better_region() -> None:
    """More of what it proposes late is near the best than of what chance proposes."""

    def near(sampler: str, n_last: int = 20) -> int:
        told = Tried(sampler=sampler, n=50).run().study.told()[-n_last:]
        return sum(
            abs(np.log10(t.fields["lr"] / BEST_LR)) < 0.5
            and abs(t.fields["latent_dim"] - BEST_DIM) < 16
            for t in told
        )

    tpe, chance = near("tpe"), near("random")
    print(f"near the best: {tpe} of 20 proposed by tpe, {chance} of 20 at random")
    assert tpe >= 2 * chance
    assert tpe >= 10


def test_seeds_run_in_parallel_and_nobody_is_idle() -> None:
    """With six workers and four seeds, two configurations are under way."""
    tried = Tried()
    asked = [tried.search.ask() for _ in range(6)]
    trials = [advance.trial for advance in asked if isinstance(advance, Advance)]
    assert [trial.seed for trial in trials] == [0, 1, 2, 3, 0, 1]
    assert len({trial.configuration.id for trial in trials}) == 2


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_pruning_goes_rung_by_rung_over_the_mean_of_the_seeds(pruner: str) -> None:
    tried = Tried(pruner=pruner).run()
    states = [t.state for t in tried.study.told()]
    assert states.count(State.PRUNED) >= 10
    assert states.count(State.FINISHED) >= 3
    for told in tried.study.told():
        configuration = tried.plan.configuration(told.fields)
        reached = {tried.sweep.epochs[configuration.id, s] for s in range(4)}
        assert len(reached) == 1, "all seeds of a configuration end at the same rung"
        (epoch,) = reached
        assert (epoch < 9) == (told.state == State.PRUNED)
        ends = {tried.sweep.over[configuration.id, s] for s in range(4)}
        assert ends == {State.FINISHED if told.state == State.FINISHED else State.PRUNED}
        assert tried.sweep.tags[configuration.id]["optuna.state"] == told.state
        if told.state == State.PRUNED:
            assert f"stopped by {pruner} after epoch {epoch}" in told.reason


def test_racing_gives_a_loser_no_more_seeds() -> None:
    tried = Tried(racing=True, seeds=10, sampler="random").run()
    raced = [t for t in tried.study.told() if t.state == State.PRUNED]
    assert len(raced) >= 10
    assert all("lost the race" in t.reason for t in raced)
    assert len(tried.sweep.epochs) < 40 * 10 / 2
    best = max(
        (t for t in tried.study.told()),
        key=lambda t: np.mean(
            [
                value(Trial(configuration=tried.plan.configuration(t.fields), seed=s), 9)
                for s in range(10)
            ]
        ),
    )
    assert tried.study.study_summary().best_number == best.number


def test_a_lucky_seed_does_not_win() -> None:
    """A configuration whose first seed is far above all is not the best of the study."""

    def lucky(trial: Trial, epoch: int) -> float:
        is_lucky = trial.configuration.latent_dim == 2 and trial.seed == 0
        return 100.0 if is_lucky else -float(trial.configuration.latent_dim == 2) * 150

    tried = Tried(space={"latent_dim": (2, 3, 4)}, sampler="random", n=8).run(lucky)
    assert tried.study.study_summary().best_fields["latent_dim"] != 2
    assert any(t.fields["latent_dim"] == 2 for t in tried.study.told())


def test_a_configuration_proposed_twice_is_trained_once() -> None:
    trained: list[tuple[str, int]] = []

    def once(trial: Trial, epoch: int) -> float:
        trained.append((trial.configuration.id, trial.seed))
        return value(trial, epoch)

    tried = Tried(space={"latent_dim": (2, 3)}, n=12).run(once, capacity=6)
    assert len(trained) == len(set(trained)) == 2 * 4
    told = tried.study.told()
    assert len(told) == 12
    assert len({(t.fields["latent_dim"], t.value) for t in told}) == 2
    numbers = [json.loads(tags["optuna.trial"]) for tags in tried.sweep.tags.values()]
    assert sorted(number for of_one in numbers for number in of_one) == list(range(12))


def test_a_seed_that_fails_fails_the_configuration_with_its_reason() -> None:
    def breaks(trial: Trial, epoch: int) -> float:
        if trial.seed == 2 and trial.configuration.latent_dim > 30:
            raise ArithmeticError("diverged")
        return value(trial, epoch)

    tried = Tried(n=20).run(breaks)
    failed = [t for t in tried.study.told() if t.state == State.FAILED]
    assert {t.number for t in failed} == {
        t.number for t in tried.study.told() if t.fields["latent_dim"] > 30
    }
    assert failed and all(t.reason == "seed 2: diverged" for t in failed)
    assert any("diverged" in reason for reason in tried.sweep.pruned.values())
    for told in failed:
        configuration = tried.plan.configuration(told.fields)
        assert tried.sweep.over[configuration.id, 2] == State.FAILED


@pytest.mark.parametrize("pruner", ["none", "hyperband"])
@pytest.mark.parametrize("racing", [False, True])
def test_a_seed_that_a_person_stops_leaves_the_others_and_makes_no_best(
    pruner: str, racing: bool
) -> None:
    """Stopping an unlucky seed would otherwise make the mean of the others the best."""

    def stops(trial: Trial, epoch: int) -> float:
        if trial.seed == 1 and trial.configuration.latent_dim > 30:
            raise Stopped
        return value(trial, epoch)

    tried = Tried(n=20, pruner=pruner, racing=racing).run(stops)
    stopped = [t for t in tried.study.told() if t.fields["latent_dim"] > 30]
    others = [t for t in tried.study.told() if t.fields["latent_dim"] <= 30]
    assert stopped and {t.state for t in stopped} == {State.PRUNED}
    assert State.FINISHED in {t.state for t in others}
    to_the_end = [t for t in stopped if t.reason == "stopped by hand"]
    assert to_the_end
    for told in to_the_end:
        configuration = tried.plan.configuration(told.fields)
        ends = [tried.sweep.over[configuration.id, seed] for seed in range(4)]
        assert ends == [State.FINISHED, State.PRUNED, State.FINISHED, State.FINISHED]
        assert tried.sweep.tags[configuration.id]["optuna.state"] == "pruned"
    best = tried.study.study_summary().best_number
    assert best in {t.number for t in others}
    assert tried.search.n_left == 0


def test_a_configuration_of_which_every_seed_is_stopped() -> None:
    def stops(trial: Trial, epoch: int) -> float:
        raise Stopped

    tried = Tried(n=3, pruner="median").run(stops)
    told = tried.study.told()
    assert [(t.state, t.reason, t.value) for t in told] == [("pruned", "stopped by hand", None)] * 3


def test_a_combination_that_cannot_be_fails_and_the_study_goes_on() -> None:
    space = {"loss": ("bce", "continuous_bernoulli"), "transform": ("none", "binarize")}
    tried = Tried(space=space, n=20, sampler="random").run()
    states = {t.state for t in tried.study.told()}
    assert states == {State.FINISHED, State.FAILED}
    for told in tried.study.told():
        cannot_be = (told.fields["loss"], told.fields["transform"]) == (
            "continuous_bernoulli",
            "binarize",
        )
        assert (told.state == State.FAILED) == cannot_be


@pytest.mark.parametrize("pruner", ["none", "median", "hyperband"])
@pytest.mark.parametrize("racing", [False, True])
def test_after_a_kill_a_study_ends_as_if_nothing_had_happened(
    pruner: str, racing: bool, tmp_path: Path
) -> None:
    """Killed after any task, with one worker: the same proposals, the same values."""
    undisturbed = Tried(pruner=pruner, racing=racing, n=12).run(capacity=1)
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    known: dict[str, dict[int, TrialOutcome]] = {}
    for n_trials in [13, 1, 17, 29] * 20:
        before = {(c, seed) for c, by_seed in known.items() for seed in by_seed}
        tried = Tried(storage, pruner, racing, n=12, known=known)
        tried.run(capacity=1, interrupted_after=n_trials)
        assert before.isdisjoint(tried.sweep.epochs), "nothing finished is trained again"
        for found in tried.results.configurations:
            known.setdefault(found.configuration.id, {}).update(found.finished)
        if len(tried.sweep.advanced) < n_trials:
            break
    assert tried.told() == undisturbed.told()
