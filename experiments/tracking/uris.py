"""Where runs are tracked: addresses parsed, quoted, never pasted together. Loads no MLflow."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from experiments.secrets import mask
from vae.errors import BadInput

DEFAULT_URI = "sqlite:///mlflow.db"

_MEANS_SOMETHING = re.compile(r"[%?#{}]")
"""In an address; Optuna fills in what is in braces."""

_BUSY_SECONDS = "60"
"""How long SQLite waits for another writer; its 5 s are too short for many workers on a slow disk.
"""


def default_uri() -> str:
    return tracking_address(os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI)


def help_of_default_uri() -> str:
    """For argparse, to which `%` means something."""
    return f"default: {mask(default_uri())}".replace("%", "%%")


def tracking_address(text: str) -> str:
    """An address as it is used: of a server without what its page adds to it in a browser."""
    if not is_server(text):
        return text
    try:
        parts = urlsplit(text)
    except ValueError:  # whoever asks there will say so
        return text
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def is_server(uri: str) -> bool:
    """Whether it is an MLflow server's, rather than a database's."""
    return uri.startswith(("http://", "https://"))


# ------------------------------------------------------------------------------ SQLite


def sqlite_path(uri: str) -> Path | None:
    """The file of a SQLite address, without its options; None for a server.

    Raises:
        BadInput: for one that names no file.
    """
    parts = _sqlite_parts(uri)
    if parts is None:
        return None
    name, options = parts
    if not name or name.startswith((":memory:", "file:")) or "uri" in options:
        raise BadInput(f"{uri}: should name a file, as in sqlite:///FILE or sqlite:////FOLDER/FILE")
    return Path(name).absolute()


def sqlite_address(path: Path) -> str:
    """The address of a SQLite file; what would mean something in it is percent-encoded."""
    return f"sqlite:///{_quoted(str(path))}"


def client_address(uri: str) -> str:
    """The address that MLflow and Optuna are given: of a file, absolute, with patience.

    A file that may not be written is opened for reading alone. The driver is named because MLflow
    would make the folder of what begins with `sqlite:///`, and take it for a plain path.
    """
    parts, path = _sqlite_parts(uri), sqlite_path(uri)
    if parts is None or path is None:
        return uri
    options = {"timeout": _BUSY_SECONDS, **parts[1]}
    name = str(path)
    if path.exists() and not is_writable(path):
        name, _, read_only = read_only_name(path).partition("?")
        options |= {**dict(parse_qsl(read_only)), "uri": "true"}
    return f"sqlite+pysqlite:///{_quoted(name)}?{urlencode(options)}"


def read_only_name(path: Path) -> str:
    """A file as SQLite opens it for reading alone (`uri=True`); makes no file beside it."""
    immutable = "&immutable=1" if _would_make_files(path) else ""
    return f"file:{_quoted(str(path))}?mode=ro{immutable}"


def is_writable(path: Path) -> bool:
    """Whether a SQLite file may be written: that takes its folder, too."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _would_make_files(path: Path) -> bool:
    """With a write-ahead log, even readers make files, unless somebody has it open already."""
    with path.open("rb") as file:
        read_version = file.read(20)[19:]
    return read_version == b"\2" and not path.with_name(f"{path.name}-wal").exists()


def _sqlite_parts(uri: str) -> tuple[str, dict[str, str]] | None:
    scheme, found, rest = uri.partition("://")
    if not found or scheme.partition("+")[0] != "sqlite":
        return None
    host, _, place = rest.partition("/")
    if host:
        raise BadInput(f"{uri}: a SQLite address has three slashes, as in sqlite:///FILE")
    name, _, query = place.partition("?")
    return unquote(name), dict(parse_qsl(query, keep_blank_values=True))


def _quoted(path: str) -> str:
    return _MEANS_SOMETHING.sub(lambda found: f"%{ord(found[0]):02X}", path)


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
    return sqlite_address(_next_to_the_store(tracking_uri).absolute() / "optuna.db")


def _next_to_the_store(tracking_uri: str) -> Path:
    database = sqlite_path(tracking_uri)
    return database.parent if database else Path.cwd()
