"""What made the numbers: the git commit and what was changed since, the command, the versions."""

from __future__ import annotations

import difflib
import getpass
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.secrets import mask
from experiments.tracking.run_record import after_other_attempts, attempts
from vae.components.user_code import Code

_CODE = Path(__file__).resolve().parents[2]
COMMIT, COMMITS = "mlflow.source.git.commit", "git.commits"
"""Tags: the commit that a run was computed by last; all of them, where there was more than one."""

_OWN = str(Path(__file__).resolve().relative_to(_CODE))


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

    def tags(self, earlier: Mapping[str, str] | None = None) -> dict[str, str]:
        """Of a trial's run.

        Args:
            earlier: those of a run that goes on; what its epochs were computed with stays, as in
                `2.13.0 → 2.14.1`
        """
        earlier = earlier or {}
        before = json.loads(earlier.get("versions", "{}"))
        found = {n: after_other_attempts(before.get(n), v) for n, v in self.versions.items()}
        tags = {"command": self.command, "versions": json.dumps(found)}
        if not self.commit:
            return tags
        commits = after_other_attempts(earlier.get(COMMITS, earlier.get(COMMIT)), self.commit)
        more = {COMMITS: commits} if len(attempts(commits)) > 1 else {}
        return tags | {COMMIT: self.commit, "git.dirty": str(bool(self.diff)).lower()} | more


def provenance(command: str, used: Iterable[Code] = ()) -> Provenance:
    """Of this checkout; costs a few processes, so it is asked for once a sweep.

    Args:
        used: the user's own code, whose files count as changed where the commit lacks them
    """
    commit = _git("rev-parse", "HEAD").strip() if _is_checked_in() else ""
    files = {Path(code.folder) / path: text for code in used for path, text in code.files}
    diff = _git("diff", "HEAD", "--no-ext-diff", "--no-textconv", "--", ".") if commit else ""
    return Provenance(
        commit=commit,
        diff=mask(diff + _untracked(files)) if commit else "",
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


def user_name() -> str:
    """Of whoever runs this; the number, where a container has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _is_checked_in() -> bool:
    """Whether this code belongs to the repository that it lies in: an installed package may lie in
    a virtual environment inside somebody else's.
    """
    return bool(_git("ls-files", "--", _OWN))


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
