"""Where Optuna keeps its studies: in memory, in a SQLite file, or on a database server."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from sqlalchemy.exc import DBAPIError

from experiments.proposers.optuna_internals import CALLED_BY_THE_CACHE
from experiments.secrets import mask
from experiments.tracking import retries
from experiments.tracking.errors import TrackingLost
from experiments.tracking.uris import client_address, sqlite_path


def open_storage(address: str | None) -> BaseStorage:
    """Args: address: one of Optuna's; None for a study that is kept in memory only"""
    if address is None:
        return InMemoryStorage()
    if sqlite_path(address) is not None:
        return RDBStorage(client_address(address))
    # A connection that a restart of the database broke is noticed before it is used.
    return _PatientStorage(address, engine_kwargs={"pool_pre_ping": True})


class _PatientStorage(RDBStorage):
    """On a server that may be away for a while: that costs time, as it does with MLflow.

    Every public method is one transaction, and is tried again as a whole.

    Raises:
        TrackingLost: from any method, when the server stays away.
    """


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return retries.retrying(_is_away)(method, *args, **kwargs)
        except Exception as error:
            if not _is_away(error):
                raise
            reason = mask(str(error.__cause__ or error).splitlines()[0])
            raise TrackingLost(f"Optuna's storage: {reason}") from error

    return call


def _is_away(error: BaseException) -> bool:
    """Whether the connection broke; Optuna wraps what SQLAlchemy says of it."""
    if isinstance(error, optuna.exceptions.StorageInternalError):
        error = error.__cause__ or error
    # Drivers name a broken connection differently; SQLAlchemy knows them all.
    broken = isinstance(error, DBAPIError) and error.connection_invalidated
    return broken or type(error).__name__ in ("OperationalError", "InterfaceError")


for _name in (*vars(BaseStorage), *CALLED_BY_THE_CACHE):
    if not _name.startswith("__") and callable(getattr(RDBStorage, _name, None)):
        setattr(_PatientStorage, _name, _patient(getattr(RDBStorage, _name)))
