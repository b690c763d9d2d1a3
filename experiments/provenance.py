"""Which code made the numbers: the git commit, and what was changed since."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_CODE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Provenance:
    """Attributes: commit: empty where the code is in no git checkout; diff: against the commit"""

    commit: str
    diff: str


def provenance() -> Provenance:
    """Of this checkout; costs two processes, so it is asked for once a sweep."""
    commit = _git("rev-parse", "HEAD").strip()
    return Provenance(commit, _git("diff", "HEAD") if commit else "")


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
