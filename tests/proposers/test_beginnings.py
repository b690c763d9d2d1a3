"""What a study begins with: configurations to try first, and what others have found out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage

from experiments.planning.lessons import Lesson, Lessons
from experiments.planning.results import Results
from experiments.proposers import optuna_study
from experiments.proposers.optuna_study import Study
from experiments.proposers.search import Search
from experiments.spec.ranges import Range, Space
from experiments.spec.search_space import SAMPLERS, StudyPlan
from experiments.tracking.run_record import State
from tests.simulated import SimulatedSweep

SPACE: Space = {
    "lr": Range(1e-4, 1e-2, log=True),
    "latent_dim": Range(2, 64),
    "encoder": ("mlp1", "mlp3"),
}
FIRST = ({"lr": 2e-3, "latent_dim": 7, "encoder": "mlp3"}, {"latent_dim": 33})


def make_plan(
    sampler: str = "tpe", n: int = 6, first: Sequence[Mapping[str, Any]] = FIRST
) -> StudyPlan:
    fixed = {"dataset": "mnist5k", "epochs": 3}
    return StudyPlan(n, sampler, "return", SPACE, "none", fixed, tuple(first))


def worth(fields: Mapping[str, Any]) -> float:
    return -abs(fields["lr"] - 3e-3) * 1000 - abs(fields["latent_dim"] - 20)


def lessons(n: int = 12, experiment: str = "earlier") -> Lessons:
    """More than the sampler draws at random before it begins to reckon."""
    found = []
    for i in range(n):
        fields = {"lr": 1e-4 * (i + 1), "latent_dim": 4 * i + 2, "encoder": "mlp1"}
        configuration = make_plan().configuration(fields)
        found.append(Lesson(configuration.id, fields, [worth(fields) - 1, worth(fields) + 1]))
    return Lessons(experiment, found, {"with another lr": 3})


def go_on(study: Study, n: int) -> None:
    """Tell and ask until so many were proposed and told."""
    for proposal in study.running():
        study.tell(proposal.number, State.FINISHED, worth(proposal.fields))
    while study.n_proposed < n:
        proposal = study.propose()
        study.tell(proposal.number, State.FINISHED, worth(proposal.fields))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_first_ones_are_tried_first_and_the_rest_of_them_is_drawn(sampler: str) -> None:
    study = Study("s", make_plan(sampler))
    go_on(study, 6)
    told = study.told()
    assert len(told) == 6
    assert told[0].fields == FIRST[0]
    assert told[1].fields["latent_dim"] == 33
    assert 1e-4 <= told[1].fields["lr"] <= 1e-2
    assert [t.fields["latent_dim"] for t in told[2:]].count(33) < 4


def test_what_is_put_first_later_is_tried_next(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    go_on(Study("s", make_plan(), storage), 4)
    more = Study("s", make_plan(first=[*FIRST, {"latent_dim": 64}]), storage)
    assert more.propose().fields["latent_dim"] == 64
    assert more.n_proposed == 5


def test_what_was_learned_counts_for_the_sampler_and_not_as_tried() -> None:
    study = Study("s", make_plan(first=()))
    study.learn(lessons())
    assert (study.n_proposed, study.told()) == (0, [])
    assert study.learned_from == {
        "earlier": "12 of 15 tracked configurations of 'earlier' taken; "
        "not taken: 3 with another lr"
    }
    assert {t.value for t in study.learned().values()} == {worth(t.fields) for t in lessons().taken}
    go_on(study, 20)
    dims = [t.fields["latent_dim"] for t in study.told()]
    chance = Study("s", make_plan("random", first=()))
    go_on(chance, 20)
    by_chance = [t.fields["latent_dim"] for t in chance.told()]
    assert sum(abs(d - 20) < 10 for d in dims) > sum(abs(d - 20) < 10 for d in by_chance)
    summary = study.study_summary()
    assert (summary.n_over, summary.n_learned) == (20, 12)


def test_each_experiment_is_learned_from_once_and_each_configuration_too() -> None:
    study = Study("s", make_plan(first=()))
    study.learn(lessons(4))
    study.learn(lessons(9))
    study.learn(lessons(6, "another"))
    assert len(study.learned()) == 6
    assert study.learned_from["another"] == (
        "2 of 9 tracked configurations of 'another' taken; not taken: 4 known already, "
        "3 with another lr"
    )


def test_the_best_may_be_one_that_was_learned() -> None:
    study = Study("s", make_plan(first=[{"lr": 1e-2, "latent_dim": 64, "encoder": "mlp1"}]))
    study.learn(lessons())
    go_on(study, 1)
    summary = study.study_summary()
    assert summary.best_from == "earlier"
    assert "learned from earlier" in summary.lines()[1]
    assert "over the 1 finished and 12 learned" in summary.lines()[2]


def test_what_was_learned_is_not_trained_again() -> None:
    """Nor is it given a run: it has those that it was learned from."""
    known = lessons(1)
    plan = make_plan(first=[known.taken[0].fields], n=2)
    study = Study("s", plan)
    study.learn(known)
    for _ in range(2):  # the second time after a restart
        search = Search.resume(study, plan, range(2), False, Results())
        sweep = SimulatedSweep(search, lambda trial, epoch: float(trial.seed)).run()
        assert known.taken[0].configuration_id not in {c for c, _ in sweep.epochs} | set(sweep.tags)
    first, second = study.told()
    assert first.value == worth(known.taken[0].fields)
    assert second.value == 0.5


class Killed(BaseException):
    """As SIGKILL: nobody gets to clear up."""


class Mortal(InMemoryStorage):
    """A storage whose process is killed before one of its writes, and the storage is not."""

    n_writes = 0
    dies_at: int | None = None

    def _write(self) -> None:
        self.n_writes += 1
        if self.n_writes == self.dies_at:
            raise Killed


def _counted(name: str) -> Any:
    def method(self: Mortal, *args: Any, **kwargs: Any) -> Any:
        self._write()
        return getattr(InMemoryStorage, name)(self, *args, **kwargs)

    return method


for _name in (
    "create_new_study", "create_new_trial", "set_trial_param", "set_trial_state_values",
    "set_trial_user_attr", "set_trial_system_attr", "set_study_user_attr",
    "set_study_system_attr", "set_trial_intermediate_value",
):  # fmt: skip
    setattr(Mortal, _name, _counted(_name))


def told_of(storage: Mortal) -> list[tuple[object, ...]]:
    study = optuna.load_study(study_name="s", storage=storage)
    return [
        (t.number, t.state, t.params, t.value, t.user_attrs, t.system_attrs) for t in study.trials
    ]


def test_killed_before_any_write_a_study_becomes_what_it_would_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(storage: Mortal) -> None:
        monkeypatch.setattr(optuna_study, "open_storage", lambda _: storage)
        study = Study("s", make_plan())
        study.learn(replace(lessons(), taken=lessons().taken[:11]))
        go_on(study, 4)

    undisturbed = Mortal()
    run(undisturbed)
    expected = told_of(undisturbed)
    assert len(expected) == 11 + 4
    for at in range(1, undisturbed.n_writes + 1):
        storage = Mortal()
        storage.dies_at = at
        with pytest.raises(Killed):
            run(storage)
        run(storage)
        assert told_of(storage) == expected, f"killed before write {at}"
    print(f"killed before each of {undisturbed.n_writes} writes")
