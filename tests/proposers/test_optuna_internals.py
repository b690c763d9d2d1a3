"""Whether Optuna still is as this project takes it to be: a new version may fail here first."""

from __future__ import annotations

import inspect
import re

import optuna
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage

from experiments.proposers.optuna_internals import (
    CALLED_BY_THE_CACHE,
    live_trial,
    without_last_mark,
)
from experiments.proposers.optuna_storage import _PatientStorage


def test_a_trial_is_gone_on_with_by_its_number() -> None:
    storage = InMemoryStorage()
    study = optuna.create_study(study_name="x", storage=storage)
    for _ in range(3):
        study.ask()
    trial = live_trial(study, storage, 1)
    assert trial.number == 1
    assert 0 <= trial.suggest_float("lr", 0, 1) <= 1
    trial.report(1.0, 1)
    study.tell(trial, 1.0)
    assert [t.state.name for t in study.get_trials()] == ["RUNNING", "COMPLETE", "RUNNING"]


def test_successive_halving_marks_what_it_has_looked_at() -> None:
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    study = optuna.create_study(pruner=pruner)
    trial = study.ask()
    for epoch in (1, 2, 3):
        trial.report(1.0, epoch)
        trial.should_prune()
    marked = study.get_trials()[0]
    before = dict(marked.system_attrs)
    gone = before.keys() - without_last_mark(marked).system_attrs.keys()
    assert gone == {"completed_rung_1"}
    assert "completed_rung_0" in marked.system_attrs


def test_the_last_mark_is_that_of_the_last_rung() -> None:
    trial = optuna.create_study().ask()
    frozen = trial.study.get_trials()[0]
    frozen.system_attrs = {f"completed_rung_{k}": 1.0 for k in range(12)} | {"other": 2}
    assert "completed_rung_11" not in without_last_mark(frozen).system_attrs
    assert len(frozen.system_attrs) == 12
    frozen.system_attrs = {"other": 2}
    assert without_last_mark(frozen).system_attrs == {"other": 2}


def test_every_call_of_optuna_s_cache_is_patient() -> None:
    """Also those that are not public: without them, a restart of the database ends a study."""
    called = set(re.findall(r"_backend\.(_\w+)\(", inspect.getsource(_CachedStorage)))
    assert called == set(CALLED_BY_THE_CACHE)
    for name in called:
        assert getattr(_PatientStorage, name) is not getattr(RDBStorage, name)
