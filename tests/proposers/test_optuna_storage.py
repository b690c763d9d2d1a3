"""Where studies are kept; a server that is away for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from sqlalchemy.exc import OperationalError

from experiments.proposers.optuna_storage import _PatientStorage, open_storage
from experiments.tracking.errors import TrackingLost
from experiments.tracking.retries import limit_retries

MAXIMIZE = [StudyDirection.MAXIMIZE]


@contextmanager
def away(storage: RDBStorage, times: int) -> Iterator[list[str]]:
    """The next statements find no server; inside, the statements that were tried."""
    tried: list[str] = []

    def refuse(connection, cursor, statement, *rest) -> None:  # type: ignore[no-untyped-def]
        tried.append(statement)
        if len(tried) <= times:
            raise OperationalError(statement, {}, Exception("server closed the connection"))

    engine = storage.engine
    sqlalchemy.event.listen(engine, "before_cursor_execute", refuse)
    try:
        yield tried
    finally:
        sqlalchemy.event.remove(engine, "before_cursor_execute", refuse)


@pytest.fixture
def storage(tmp_path: Path) -> _PatientStorage:
    """As for a server, on a file."""
    return _PatientStorage(f"sqlite:///{tmp_path / 'optuna.db'}")


def test_without_an_address_a_study_leaves_nothing_behind() -> None:
    first, second = open_storage(None), open_storage(None)
    first.create_new_study(MAXIMIZE, "s")
    assert second.get_all_studies() == []


def test_what_is_kept_in_a_file_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'optuna.db'}"
    study_id = open_storage(address).create_new_study(MAXIMIZE, "s")
    open_storage(address).create_new_trial(study_id)
    assert open_storage(address).get_study_id_from_name("s") == study_id
    assert open_storage(address).get_n_trials(study_id) == 1


def test_a_server_that_is_away_for_a_moment_costs_no_data(storage: _PatientStorage) -> None:
    study_id = storage.create_new_study(MAXIMIZE, "s")
    with away(storage, times=2) as tried:
        storage.set_study_user_attr(study_id, "key", 5)
    assert len(tried) > 2
    assert storage.get_study_user_attrs(study_id) == {"key": 5}


def test_a_server_that_stays_away_is_told_in_one_line(storage: _PatientStorage) -> None:
    with (
        limit_retries(0.1),
        away(storage, times=1000),
        pytest.raises(TrackingLost, match=r"Optuna's storage: .*server closed") as lost,
    ):
        storage.create_new_study(MAXIMIZE, "s")
    assert "\n" not in str(lost.value)


def test_what_the_server_refuses_is_not_tried_again(storage: _PatientStorage) -> None:
    storage.create_new_study(MAXIMIZE, "s")
    with away(storage, times=0) as tried, pytest.raises(optuna.exceptions.DuplicatedStudyError):
        storage.create_new_study(MAXIMIZE, "s")
    assert sum("INSERT" in statement for statement in tried) <= 1
