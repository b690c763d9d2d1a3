"""Where runs are tracked: addresses checked before anything is written. Loads no MLflow."""

from __future__ import annotations

import http.client
import os
import re
import sqlite3
import urllib.request
from pathlib import Path

from vae.errors import BadInput

DEFAULT_URI = "sqlite:///mlflow.db"

_SQLITE = "sqlite:///"


def default_uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def check_reachable(uri: str) -> None:
    """Raise BadInput within 10 seconds if nothing can be tracked at `uri`; writes nothing."""
    if uri.startswith(("http://", "https://")):
        try:
            with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=8):  # noqa: S310
                return
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise BadInput(f"--tracking-uri {uri}: no MLflow server answers ({error})") from error
    if (path := sqlite_path(uri)) is not None:
        _check_sqlite(path)
    elif not uri.startswith(("postgresql", "mysql")):
        raise BadInput(
            f"--tracking-uri {uri}: should be sqlite:///FILE, postgresql://…, mysql://… or the "
            f"http(s) address of an MLflow server"
        )


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
