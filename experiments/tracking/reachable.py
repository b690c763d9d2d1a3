"""Tracking stores and databases, looked at before anything is written: one line, in 10 seconds."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.secrets import mask
from experiments.tracking.schema import Tables, check_schema
from experiments.tracking.uris import (
    is_server,
    is_writable,
    read_only_name,
    sqlite_address,
    sqlite_path,
)
from vae.errors import BadInput

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_ANSWER_SECONDS = 7


def check_reachable(uri: str, read_only: bool = False) -> None:
    """Raise BadInput within 10 seconds if nothing can be tracked at `uri`; writes nothing.

    Args:
        read_only: whoever asks will only look
    """
    if is_server(uri):
        from experiments.tracking.server import check_server  # MLflow takes its time to import

        check_server(uri)
    elif (path := sqlite_path(uri)) is not None:
        _check_sqlite("--tracking-uri", path, read_only)
        _check_schema(f"--tracking-uri {sqlite_address(path)}", path)
    elif uri.startswith(("postgresql", "mysql")):
        with _connected("--tracking-uri", uri) as connection:
            check_schema(f"--tracking-uri {mask(uri)}", uri, _tables_of_server(connection))
    else:
        raise BadInput(
            f"--tracking-uri {mask(uri)}: should be sqlite:///FILE, postgresql://…, mysql://… or "
            f"the http(s) address of an MLflow server"
        )


def check_storage(uri: str) -> None:
    """Raise BadInput within 10 seconds if Optuna cannot keep a study at `uri`."""
    _tables_of_storage(uri, read_only=False)


def has_studies(uri: str) -> bool:
    """Whether Optuna has kept studies at `uri`; writes nothing. Raises BadInput as above."""
    return "studies" in _tables_of_storage(uri, read_only=True).names


def _tables_of_storage(uri: str, read_only: bool) -> Tables:
    place = f"--optuna-storage {mask(uri)}"
    path = sqlite_path(uri)
    if path is None:
        with _connected("--optuna-storage", uri) as connection:
            tables = _tables_of_server(connection)
    else:
        _check_sqlite("--optuna-storage", path, read_only)
        tables = _tables_of_file(place, path)
    if "experiments" in tables.names:  # both keep the version of their tables in a third one
        raise BadInput(f"{place}: holds MLflow's tables; give Optuna a database of its own")
    return tables


# ---------------------------------------------------------------------- database servers


@contextlib.contextmanager
def _connected(option: str, uri: str) -> Iterator[Connection]:
    """A connection to a database server; BadInput within 10 seconds if none answers."""
    import sqlalchemy  # takes its time to import

    try:
        # NullPool: the connection is closed, not kept.
        engine = sqlalchemy.create_engine(
            uri,
            connect_args={"connect_timeout": _ANSWER_SECONDS},
            poolclass=sqlalchemy.pool.NullPool,
        )
        with engine.connect() as connection:
            yield connection
    except ModuleNotFoundError as error:
        raise BadInput(
            f"{option} {mask(uri)}: needs the package {error.name}, or an address that names "
            f"another driver, such as postgresql+psycopg2://… (pip install psycopg2-binary)"
        ) from error
    except BadInput:
        raise
    except (sqlalchemy.exc.SQLAlchemyError, ValueError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise BadInput(f"{option} {mask(uri)}: no database answers ({mask(reason)})") from error


def _tables_of_server(connection: Connection) -> Tables:
    import sqlalchemy

    names = frozenset(sqlalchemy.inspect(connection).get_table_names())

    def first(query: str) -> object:
        return connection.execute(sqlalchemy.text(query)).scalar()

    return Tables.of(names, first, is_file=False)


# ------------------------------------------------------------------------------ SQLite


def _check_sqlite(option: str, path: Path, read_only: bool) -> None:
    place = f"{option} {sqlite_address(path)}"
    existing = next(p for p in (path, *path.parents) if p.exists())
    if path.is_dir() or (existing != path and not existing.is_dir()):
        raise BadInput(f"{place}: should name a file, in a folder")
    writable = is_writable(path) if path.exists() else os.access(existing, os.W_OK)
    if not read_only and not writable:
        raise BadInput(f"{place}: cannot be written")
    if path.exists() and not os.access(path, os.R_OK):
        raise BadInput(f"{place}: cannot be read")
    if path.exists() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                raise BadInput(f"{place}: is not a SQLite database")


def _check_schema(place: str, path: Path) -> None:
    if path.exists() and path.stat().st_size:
        check_schema(place, sqlite_address(path), _tables_of_file(place, path))


def _tables_of_file(place: str, path: Path) -> Tables:
    if not path.exists() or not path.stat().st_size:
        return Tables(frozenset())
    try:
        with contextlib.closing(_open(path)) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")

            def first(query: str) -> object:
                row = connection.execute(query).fetchone()
                return row and row[0]

            return Tables.of(frozenset(name for (name,) in names), first, is_file=True)
    except sqlite3.OperationalError as error:  # such as what a killed writer left, in a folder
        raise BadInput(f"{place}: cannot be read: {error}") from error  # that may not be written
    except sqlite3.DatabaseError as error:
        raise BadInput(
            f"{place}: is damaged ({error}); take a copy from before, or recover what is left: "
            f"sqlite3 {path.name} .recover | sqlite3 recovered.db"
        ) from error


def _open(path: Path) -> sqlite3.Connection:
    if is_writable(path):  # readers of a write-ahead log have to take turns with its writers
        return sqlite3.connect(path, timeout=_ANSWER_SECONDS)
    return sqlite3.connect(read_only_name(path), uri=True, timeout=_ANSWER_SECONDS)
