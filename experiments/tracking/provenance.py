"""What made the numbers: the git commit and what was changed since, the command, the versions."""

from __future__ import annotations

import difflib
import importlib.metadata
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vae.user_code import Code

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


def provenance(command: str, used: Iterable[Code] = ()) -> Provenance:
    """Of this checkout; costs a few processes, so it is asked for once a sweep.

    Args:
        used: the user's own code, whose files count as changed where the commit lacks them
    """
    commit = _git("rev-parse", "HEAD").strip()
    files = {Path(code.folder) / path: text for code in used for path, text in code.files}
    return Provenance(
        commit=commit,
        diff=_git("diff", "HEAD") + _untracked(files) if commit else "",
        command=command,
        versions=versions(),
    )


def _untracked(files: Mapping[Path, str]) -> str:
    """A diff that adds those of the files that git does not know."""
    inside = [str(path.relative_to(_CODE)) for path in files if path.is_relative_to(_CODE)]
    known = {_CODE / name for name in _git("ls-files", "-z", "--", *inside).split("\0")}
    lines: list[str] = []
    for path, text in sorted(files.items()):
        if path not in known:
            name = path.relative_to(_CODE) if path.is_relative_to(_CODE) else path
            lines += difflib.unified_diff(
                [], text.splitlines(keepends=True), "/dev/null", f"b/{str(name).lstrip('/')}"
            )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


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
