"""What made the numbers: the git commit and what was changed since, the command, the versions."""

from __future__ import annotations

import getpass
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.secrets import mask

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
    """Of this checkout; costs three processes, so it is asked for once a sweep."""
    commit = _git("rev-parse", "HEAD").strip() if _is_checked_in() else ""
    diff = _git("diff", "HEAD", "--no-ext-diff", "--no-textconv", "--", ".") if commit else ""
    return Provenance(
        commit=commit,
        diff=mask(diff),
        command=command,
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Read from the packages' metadata: importing them would take seconds."""
    packages = ("torch", "torchvision", "numpy", "mlflow", "optuna", "pandas")
    found = {name: importlib.metadata.version(name) for name in packages}
    return {"python": platform.python_version(), **found}


def user_name() -> str:
    """Of whoever runs this; the number, where a container has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _is_checked_in() -> bool:
    """Whether this file belongs to the repository that it lies in: an installed package may lie in
    a virtual environment inside somebody else's.
    """
    return bool(_git("ls-files", "--", str(Path(__file__).resolve().relative_to(_CODE))))


def _git(*arguments: str) -> str:
    # Not the repository that a Git hook is running in; and its lock is left alone.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    # Whoever owns the checkout: its code is running already.
    command = ["git", "-C", str(_CODE), "-c", "safe.directory=*", *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and nothing a user gave
            command,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except FileNotFoundError:  # no git: an installed package, a bare container
        return ""
    return done.stdout if done.returncode == 0 else ""
