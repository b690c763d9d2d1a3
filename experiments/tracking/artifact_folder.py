"""Where an experiment's artifacts are: MLflow keeps absolute paths, which do not follow a move."""

from __future__ import annotations

import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

from experiments.tracking.uris import safe_name, sqlite_path


def folder_beside(uri: str, experiment: str) -> Path | None:
    """Where the artifacts of a new experiment go: beside a SQLite file; or a server knows."""
    database = sqlite_path(uri)
    return database.parent / "mlartifacts" / safe_name(experiment) if database else None


def local_folder(location: str) -> Path | None:
    """The folder of an artifact location; None for one that is not in the file system."""
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme else Path(location)


def why_missing(location: str, uri: str, experiment: str) -> str:
    """What is wrong with artifacts that are not where MLflow says; empty if the folder is there."""
    folder = local_folder(location)
    if folder is None or folder.exists():
        return ""
    beside = folder_beside(uri, experiment)
    there = beside if beside is not None and beside.exists() and beside != folder else Path("NEW")
    return (
        f"its artifacts are in {folder} by MLflow's word, and that is not there; if it was moved, "
        f"move it back or let the old path lead there: {_link(there, folder)}"
    )


def goes_elsewhere(location: str, uri: str, experiment: str) -> str:
    """What to say of a database that was copied: new artifacts go to where the original's are;
    empty where they go beside it.
    """
    folder, beside = local_folder(location), folder_beside(uri, experiment)
    if folder is None or beside is None or not (folder.exists() and beside.exists()):
        return ""
    if beside.samefile(folder):
        return ""
    return (
        f"this database is a copy: new artifacts go to {folder}, where the original's are, and not "
        f"to {beside}"
    )


def _link(target: Path, name: Path) -> str:
    made = shlex.join(["mkdir", "-p", str(name.parent)])
    return f"{made} && {shlex.join(['ln', '-s', str(target), str(name)])}"
