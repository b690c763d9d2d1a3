"""Where an experiment's artifacts are: MLflow keeps absolute paths, which do not follow a move."""

from __future__ import annotations

import shlex
from collections.abc import Callable
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


def why_not_written(
    location: str, uri: str, experiment: str, has_trials: Callable[[], bool]
) -> str:
    """Why new trials' artifacts would go to the wrong place; empty if they would not.

    Args:
        has_trials: whether there are any: without, nothing can be missing
    """
    folder, beside = local_folder(location), folder_beside(uri, experiment)
    if folder is None or folder == beside:  # also one that a person emptied
        return ""
    if not folder.exists():
        return why_missing(location, uri, experiment) if has_trials() else ""
    if beside is not None and beside.exists() and not beside.samefile(folder):
        return (
            f"this database is a copy: new artifacts would go to {folder}, where the original's "
            f"are, and not to {beside}; use the original, or give the experiment another name"
        )
    return ""


def _link(target: Path, name: Path) -> str:
    made = shlex.join(["mkdir", "-p", str(name.parent)])
    return f"{made} && {shlex.join(['ln', '-s', str(target), str(name)])}"
