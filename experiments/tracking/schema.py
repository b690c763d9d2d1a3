"""Of which MLflow a database is: MLflow would migrate an old one as soon as it looks at it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from experiments.secrets import mask
from vae.errors import BadInput

_REVISION = re.compile(r"""^(down_)?revision\s*(?::.*)?=\s*["'](\w+)["']""", re.MULTILINE)


@dataclass(frozen=True)
class Tables:
    """What a database holds.

    Attributes:
        revision: of MLflow's tables, as Alembic wrote it down
        has_runs: or else nothing is lost, whatever becomes of it
        is_file: of SQLite, which programs do not share
    """

    names: frozenset[str]
    revision: str = ""
    has_runs: bool = False
    is_file: bool = False

    @property
    def is_file_of_another(self) -> bool:
        """Whether it is a file with tables that are not MLflow's."""
        return self.is_file and bool(self.names - {"alembic_version", "experiments"})

    @classmethod
    def of(cls, names: frozenset[str], first: Callable[[str], object], is_file: bool) -> Self:
        """Args: first: the first value that a query finds, or None"""
        revision = has_runs = None
        if "alembic_version" in names:
            revision = first("SELECT version_num FROM alembic_version")
        if "runs" in names:
            has_runs = first("SELECT 1 FROM runs LIMIT 1")
        return cls(names, str(revision or ""), bool(has_runs), is_file)


def check_schema(place: str, uri: str, tables: Tables) -> None:
    """Raise BadInput for a database that the installed MLflow cannot use as it is.

    An empty one is fine, and one without runs, too: its making may have been cut short.
    """
    if "experiments" not in tables.names and (tables.revision or tables.is_file_of_another):
        raise BadInput(f"{place}: is the database of another program; MLflow needs one of its own")
    known, newest = revisions()
    if not newest or not tables.has_runs or tables.revision == newest:
        return
    mlflow = f"MLflow {importlib.metadata.version('mlflow')}"
    if tables.revision in known:
        raise BadInput(
            f"{place}: is of an older MLflow than {mlflow}, which is installed; make a copy, then "
            f"bring it up to date: mlflow db upgrade {shlex.quote(mask(uri))}"
        )
    raise BadInput(
        f"{place}: is of a newer MLflow than {mlflow}, which is installed: "
        f"pip install --upgrade mlflow"
    )


@cache
def revisions() -> tuple[frozenset[str], str]:
    """The versions of its tables that the installed MLflow knows, and the newest of them.

    Read from the files of its migrations, without importing it. Where those are not as they used
    to be: no versions, and whoever asks leaves the question to MLflow.
    """
    found = importlib.util.find_spec("mlflow")
    folders = (found.submodule_search_locations or []) if found else []
    known: set[str] = set()
    replaced: set[str] = set()
    for folder in folders:
        for path in (Path(folder) / "store" / "db_migrations" / "versions").glob("*.py"):
            for before, revision in _REVISION.findall(path.read_text(encoding="utf-8")):
                (replaced if before else known).add(revision)
    newest = known - replaced
    return frozenset(known), newest.pop() if len(newest) == 1 else ""
