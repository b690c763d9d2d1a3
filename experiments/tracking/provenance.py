"""What made the numbers: the git commit and what was changed since, the command, the versions."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CODE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Provenance:
    """What is logged with every trial.

    Attributes:
        commit: empty where the code is in no git checkout
        diff: against the commit
        command: as it was typed, without passwords
        versions: of Python and of the packages that numbers depend on
    """

    commit: str
    diff: str
    command: str
    versions: Mapping[str, str]


def provenance(command: str) -> Provenance:
    """Of this checkout; costs two processes, so it is asked for once a sweep."""
    commit = _git("rev-parse", "HEAD").strip()
    return Provenance(
        commit=commit,
        diff=_git("diff", "HEAD") if commit else "",
        command=command,
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Read from the packages' metadata: importing them would take seconds."""
    packages = ("torch", "torchvision", "numpy", "mlflow", "optuna", "pandas")
    found = {name: importlib.metadata.version(name) for name in packages}
    return {"python": platform.python_version(), **found}


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and nothing a user gave
            ["git", "-C", str(_CODE), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:  # no git: an installed package, a bare container
        return ""
    return done.stdout if done.returncode == 0 else ""
