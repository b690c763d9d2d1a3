"""What Optuna is asked and told: proposals, rungs, verdicts, and all of it again after a kill."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import optuna
import pytest

from experiments.proposers.optuna_study import Study
from experiments.spec import resolver, search_space
from experiments.spec.ranges import Range, Space
from experiments.spec.search_space import SAMPLERS, StudyPlan, rungs
from experiments.tracking.run_record import State
from vae.errors import BadInput

SPACE: Space = {
    "lr": Range(1e-4, 1e-2, log=True),
    "latent_dim": Range(2, 64),
    "hidden_dim": Range(100, 600, step=100),
    "encoder": ("mlp1", "mlp3", "conv"),
}


def make_plan(
    sampler: str = "tpe", pruner: str = "none", n: int = 30, **fixed: object
) -> StudyPlan:
    return StudyPlan(n, sampler, "return", SPACE, pruner, {"dataset": "mnist5k", **fixed})


def worth(fields: Mapping[str, float]) -> float:
    return -abs(fields["lr"] - 3e-3) * 1000 - abs(fields["latent_dim"] - 20)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_proposals_lie_in_the_space(sampler: str) -> None:
    study = Study("s", make_plan(sampler))
    for _ in range(12):
        proposal = study.propose()
        fields = proposal.fields
        assert 1e-4 <= fields["lr"] <= 1e-2
        assert fields["latent_dim"] in range(2, 65)
        assert fields["hidden_dim"] in range(100, 601, 100)
        assert fields["encoder"] in ("mlp1", "mlp3", "conv")
        study.tell(proposal.number, State.FINISHED, worth(fields))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_opened_anew_goes_on_as_if_it_had_not_been_closed(
    sampler: str, tmp_path: Path
) -> None:
    """Also from between a proposal and what it is told."""

    def propose_twelve(storage: str, reopen: bool) -> list[Mapping[str, object]]:
        study, proposed = Study("s", make_plan(sampler), storage), []
        for _ in range(12):
            proposal = study.propose()
            if reopen:
                study = Study("s", make_plan(sampler), storage)
                assert study.running() == [proposal]
            proposed.append(proposal.fields)
            study.tell(proposal.number, State.FINISHED, worth(proposal.fields))
        return proposed

    first = propose_twelve(f"sqlite:///{tmp_path / 'one.db'}", reopen=False)
    again = propose_twelve(f"sqlite:///{tmp_path / 'two.db'}", reopen=True)
    assert first == again


def test_another_question_is_another_study() -> None:
    plan = make_plan()
    digests = {
        plan.digest([0, 1], False),
        plan.digest([0, 1], True),
        plan.digest([0, 1, 2], False),
        make_plan("random").digest([0, 1], False),
        make_plan(epochs=3).digest([0, 1], False),
    }
    assert len(digests) == 5
    assert make_plan(lr_schedule="constant").digest([0, 1], False) == plan.digest([0, 1], False)
    assert make_plan(n=99).digest([1, 0], False) == plan.digest([0, 1], False), "it may be extended"


def test_a_study_whose_numbers_or_defaults_have_changed_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digests = {make_plan().digest([0, 1], False)}
    for name, value in (("NUMBERS_VERSION", 10**6), ("DEFAULTS", None)):
        with monkeypatch.context() as patch:
            if name == "DEFAULTS":
                defaults = {**resolver.DEFAULTS, "weight_decay": 0.5}
                patch.setattr(resolver, "DEFAULTS", defaults)
            else:
                patch.setattr(search_space, name, value)
            digests.add(make_plan().digest([0, 1], False))
    assert len(digests) == 3


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_the_worse_are_stopped_at_rungs(pruner: str) -> None:
    plan = make_plan("random", pruner, epochs=27)
    study, answers = Study("s", plan), {}
    for i in range(24):
        proposal = study.propose()
        good = i % 4 == 0
        for epoch in rungs(pruner, 27):
            stop = study.should_prune(proposal.number, epoch, epoch + (10 if good else 0) - i / 100)
            assert study.answer(proposal.number, epoch) is stop
            if stop:
                study.tell(proposal.number, State.PRUNED, 0.0, "stopped", epoch)
                break
        else:
            study.tell(proposal.number, State.FINISHED, 37.0 if good else 27.0)
        answers[i] = stop
    assert sum(answers.values()) >= 6
    stopped_good = sum(stop for i, stop in answers.items() if i % 4 == 0)
    assert stopped_good < sum(answers.values()) / 4


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_a_rung_s_answer_is_the_same_after_a_kill(pruner: str, tmp_path: Path) -> None:
    """Whether the kill came before the answer was written down or after."""

    def answers(storage: str, kill: bool) -> list[bool]:
        plan = make_plan("random", pruner, epochs=27)
        study, found = Study("s", plan, storage), []
        for i in range(10):
            number = study.propose().number
            for epoch in rungs(pruner, 27):
                value = epoch + 5 * (i * 3 % 10)
                stop = study.should_prune(number, epoch, value)
                if kill:
                    forget_the_answer(storage, number, epoch)
                    study = Study("s", plan, storage)
                    assert study.answer(number, epoch) is None
                    assert study.should_prune(number, epoch, value) is stop
                found.append(stop)
                if stop:
                    study.tell(number, State.PRUNED, value, "stopped", epoch)
                    break
            else:
                study.tell(number, State.FINISHED, float(value))
        return found

    undisturbed = answers(f"sqlite:///{tmp_path / 'one.db'}", kill=False)
    assert any(undisturbed)
    assert answers(f"sqlite:///{tmp_path / 'two.db'}", kill=True) == undisturbed


def forget_the_answer(storage: str, number: int, epoch: int) -> None:
    """As if the process had died just before writing it."""
    with sqlite3.connect(storage.removeprefix("sqlite:///")) as db:
        query = "DELETE FROM trial_user_attributes WHERE key = ? AND trial_id = ?"
        changed = db.execute(query, (f"rung {epoch}", number + 1)).rowcount
    assert changed == 1


def test_rungs() -> None:
    assert rungs("hyperband", 15) == [1, 3, 9]
    assert rungs("median", 9) == [1, 3]
    assert rungs("none", 9) == []
    assert rungs("hyperband", 1) == []


def test_standing_names_the_best_and_what_mattered() -> None:
    study = Study("s", make_plan("random"))
    assert study.study_summary().best_number is None
    values = []
    for i in range(20):
        proposal = study.propose()
        if i % 5 == 4:
            study.tell(proposal.number, State.FAILED, reason="seed 0: diverged")
            continue
        values.append((-float(abs(proposal.fields["latent_dim"] - 20)), proposal))
        study.tell(proposal.number, State.FINISHED, values[-1][0])
    study_summary = study.study_summary()
    value, best = max(values, key=lambda pair: pair[0])
    assert study_summary.counts == {"finished": 16, "pruned": 0, "failed": 4}
    assert (study_summary.best_number, study_summary.best_value) == (best.number, value)
    assert study_summary.best_fields == best.fields
    assert max(study_summary.importances, key=study_summary.importances.__getitem__) == "latent_dim"
    assert sum(study_summary.importances.values()) == pytest.approx(1)
    told = "\n".join(study_summary.lines())
    assert "16 finished, 0 pruned, 4 failed" in told and "latent_dim" in told


def test_what_was_told_can_be_read_with_plain_optuna(tmp_path: Path) -> None:
    """The study is one that optuna-dashboard shows."""
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    study = Study("mine", make_plan("random", "hyperband", epochs=9), storage)
    first, second, third = (study.propose() for _ in range(3))
    study.tell(first.number, State.FINISHED, 3.0)
    study.should_prune(second.number, 1, 1.0)
    study.tell(second.number, State.PRUNED, 1.0, "stopped by hyperband after epoch 1", 1)
    study.tell(third.number, State.FAILED, reason="seed 0: diverged")
    trials = optuna.load_study(study_name="mine", storage=storage).get_trials()
    assert [t.state.name for t in trials] == ["COMPLETE", "PRUNED", "FAIL"]
    assert trials[0].params == first.fields
    assert trials[1].intermediate_values == {1: 1.0}
    assert trials[2].user_attrs["reason"] == "seed 0: diverged"


def test_a_storage_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--optuna-storage sqlite:////nowhere"):
        Study("s", make_plan(), "sqlite:////nowhere/at/all.db")


def test_storage_that_is_damaged_or_of_another_optuna_is_one_line(tmp_path: Path) -> None:
    """mlflow#6703: the same with the other database."""
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    Study("s", make_plan(), storage)
    path = tmp_path / "optuna.db"
    good = path.read_bytes()
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = 'v2.6.0.a'")
        db.execute("UPDATE version_info SET schema_version = 8")
    with pytest.raises(BadInput, match=f"optuna storage upgrade --storage {storage}"):
        Study("s", make_plan(), storage)
    for content, told in (
        (b"hello " * 100, "file is not a database"),
        (good[: len(good) // 2], "database disk image is malformed"),
    ):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=told) as refused:
            Study("s", make_plan(), storage)
        assert "\n" not in str(refused.value)
