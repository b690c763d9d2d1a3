"""Where runs are tracked: addresses checked before anything is written. Loads no MLflow."""

from __future__ import annotations

import http.client
import os
import re
import sqlite3
import urllib.error
import urllib.request
from pathlib import Path

from experiments.secrets import mask, without_credentials
from vae.errors import BadInput

DEFAULT_URI = "sqlite:///mlflow.db"

_SQLITE = "sqlite:///"
_ANSWER_SECONDS = 7


def default_uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def help_of_default_uri() -> str:
    """For argparse, to which `%` means something."""
    return f"default: {mask(default_uri())}".replace("%", "%%")


def check_reachable(uri: str) -> None:
    """Raise BadInput within 10 seconds if nothing can be tracked at `uri`; writes nothing."""
    if uri.startswith(("http://", "https://")):
        try:
            _check_server(without_credentials(uri).rstrip("/"))
            return
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise BadInput(
                f"--tracking-uri {mask(uri)}: no MLflow server answers ({error})"
            ) from error
    if (path := sqlite_path(uri)) is not None:
        _check_sqlite(path)
    elif uri.startswith(("postgresql", "mysql")):
        check_database("--tracking-uri", uri)
    else:
        raise BadInput(
            f"--tracking-uri {mask(uri)}: should be sqlite:///FILE, postgresql://…, mysql://… or "
            f"the http(s) address of an MLflow server"
        )


def check_storage(uri: str) -> None:
    """Raise BadInput within 10 seconds if Optuna cannot keep a study on the server at `uri`."""
    if not uri.startswith("sqlite:"):
        check_database("--optuna-storage", uri)


def check_database(option: str, uri: str) -> None:
    """Raise BadInput within 10 seconds if no database server answers; writes nothing.

    Args:
        option: that gave the address
    """
    import sqlalchemy  # takes its time to import

    try:
        # NullPool: the connection is closed, not kept.
        engine = sqlalchemy.create_engine(
            uri,
            connect_args={"connect_timeout": _ANSWER_SECONDS},
            poolclass=sqlalchemy.pool.NullPool,
        )
        engine.connect().close()
    except ModuleNotFoundError as error:
        raise BadInput(
            f"{option} {mask(uri)}: needs the package {error.name}, or an address that names "
            f"another driver, such as postgresql+psycopg2://… (pip install psycopg2-binary)"
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, UnicodeError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise BadInput(f"{option} {mask(uri)}: no database answers ({mask(reason)})") from error


def _check_server(address: str) -> None:
    with urllib.request.urlopen(f"{address}/health", timeout=_ANSWER_SECONDS):  # noqa: S310
        pass
    try:  # anyone may ask for its health, and only some for more
        any_call = f"{address}/api/2.0/mlflow/experiments/get?experiment_id=0"
        with urllib.request.urlopen(any_call, timeout=_ANSWER_SECONDS / 4):  # noqa: S310
            pass
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.FORBIDDEN:
            place = address.partition("://")[2]
            raise BadInput(
                f"--tracking-uri {address}: the MLflow server takes no calls under this name; "
                f"start it with --allowed-hosts {place}"
            ) from error
    except TimeoutError:  # it is slow; its clients have more patience
        return


def sqlite_path(uri: str) -> Path | None:
    """The file of a `sqlite:///` address; None for a server."""
    return Path(uri.removeprefix(_SQLITE)).absolute() if uri.startswith(_SQLITE) else None


def _check_sqlite(path: Path) -> None:
    place = f"--tracking-uri {_SQLITE}{path}"
    existing = next(p for p in (path, *path.parents) if p.exists())
    if path.is_dir() or (existing != path and not existing.is_dir()):
        raise BadInput(f"{place}: should name a file, in a folder")
    if not os.access(existing, os.W_OK) or (path.exists() and not os.access(path.parent, os.W_OK)):
        raise BadInput(f"{place}: cannot be written")
    if path.exists() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                raise BadInput(f"{place}: is not a SQLite database")


def use_write_ahead_log(path: Path) -> None:
    """Let readers and one writer work at once; the setting stays in the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=60)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def safe_name(name: str) -> str:
    """`name` as one component of a path."""
    return re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "_"


def checkpoint_folder(experiment: str, tracking_uri: str, checkpoint_dir: Path | None) -> Path:
    """Where an experiment's checkpoints are; by default next to the tracking store."""
    if checkpoint_dir is None:
        checkpoint_dir = _next_to_the_store(tracking_uri) / "checkpoints"
    return checkpoint_dir.absolute() / safe_name(experiment)


def optuna_storage(tracking_uri: str) -> str:
    """Where studies are kept by default: in a SQLite file next to the tracking store."""
    return f"sqlite:///{_next_to_the_store(tracking_uri).absolute() / 'optuna.db'}"


def _next_to_the_store(tracking_uri: str) -> Path:
    database = sqlite_path(tracking_uri)
    return database.parent if database else Path.cwd()
