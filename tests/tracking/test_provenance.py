"""Which commit and which changes are a trial's: this project's own, and no secrets."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.tracking import provenance as module
from experiments.tracking.provenance import Provenance, provenance, user_name
from tests.tracked import runs
from tests.written import write
from vae.components.user_code import read_code

OWN = Path("experiments/tracking/provenance.py")
"""That the code is a repository's own is seen by this file."""


def make_own(folder: Path) -> None:
    (folder / OWN).parent.mkdir(parents=True, exist_ok=True)
    (folder / OWN).touch()


def git(folder: Path, *arguments: str) -> str:
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    done = subprocess.run(
        ["git", "-C", str(folder), *me, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A repository with this code at a place in it, not committed."""

    def made(place: str) -> Path:
        make_own(tmp_path / place)
        (tmp_path / "own.txt").write_text("one\n")
        git(tmp_path, "init", "--quiet")
        git(tmp_path, "add", "own.txt")
        git(tmp_path, "commit", "--quiet", "--message", "first")
        monkeypatch.setattr(module, "_CODE", tmp_path / place)
        return tmp_path

    return made


def test_a_package_in_somebody_s_repository_is_not_theirs(
    project: Callable[[str], Path],
) -> None:
    """wandb#6877: their commit says nothing of this code, and their changes hold their secrets."""
    root = project(".venv/lib/site-packages")
    (root / "own.txt").write_text("SECRET=hunter2\n")
    found = provenance("python sweep.py")
    assert (found.commit, found.diff) == ("", "")


def test_a_checkout_is_its_own_with_passwords_masked(project: Callable[[str], Path]) -> None:
    """wandb#11966"""
    root = project("code")
    (root / "code" / "settings.py").write_text("uri = 'x'\n")
    git(root, "add", "code")
    git(root, "commit", "--quiet", "--message", "second")
    (root / "code" / "settings.py").write_text("uri = 'postgresql://me:hunter2@host/db'\n")
    (root / "own.txt").write_text("SECRET=hunter2\n")  # not below the code
    found = provenance("python sweep.py")
    assert found.commit == git(root, "rev-parse", "HEAD")
    assert "+uri = 'postgresql://me:***@host/db'" in found.diff
    assert "hunter2" not in found.diff


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_somebody_else_s_checkout_is_no_error(project: Callable[[str], Path]) -> None:
    """wandb#6877"""
    root = project("code")
    git(root, "add", "code")
    git(root, "commit", "--quiet", "--message", "second")
    commit = git(root, "rev-parse", "HEAD")
    for path in (root, *root.rglob("*")):
        os.chown(path, 12345, 12345)
    assert provenance("python sweep.py").commit == commit


def test_a_git_hook_that_starts_a_sweep_does_not_lend_its_repository(
    project: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project("code")
    monkeypatch.setenv("GIT_DIR", str(root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(root / "code"))
    assert provenance("python sweep.py").commit == ""


def test_a_user_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mlflow#1103: in a container whose user id is not in /etc/passwd."""

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert user_name() == str(os.getuid())
    write(tmp_path, seeds=[0])
    assert {run.tags["mlflow.user"] for run in runs(tmp_path / "mlflow.db")} == {str(os.getuid())}


# ------------------------------------------------------------------ files that git lacks


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkout"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "nets.py").write_text("from parts import x\n\n\nclass Wide:\n    y = x\n")
    (folder / "mine" / "parts.py").write_text("x = 1\n")
    make_own(folder)
    for arguments in (["init", "-q"], ["add", "mine/nets.py", OWN], ["commit", "-qm", "first"]):
        git(folder, *map(str, arguments))
    monkeypatch.setattr(module, "_CODE", folder)
    return folder


def test_untracked_files_that_are_used_are_in_the_diff(checkout: Path) -> None:
    assert provenance("").diff == ""
    used = [read_code(checkout / "mine", "nets", "Wide")]
    diff = provenance("", used).diff
    assert diff == "--- /dev/null\n+++ b/mine/parts.py\n@@ -0,0 +1 @@\n+x = 1\n"
    (checkout / "mine" / "nets.py").write_text("class Wide:\n    pass\n")
    changed = provenance("", [read_code(checkout / "mine", "nets", "Wide")]).diff
    assert "-    y = x" in changed, "git's own diff is there, too"
    assert "/dev/null" not in changed


def test_a_file_outside_is_one_that_git_does_not_know(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("class Net:\n    pass")
    diff = provenance("", [read_code(tmp_path, "outside", "Net")]).diff
    assert diff.endswith("+class Net:\n+    pass\n")


def test_without_a_commit_there_is_nothing_to_differ_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CODE", tmp_path)
    (tmp_path / "outside.py").write_text("class Net:\n    pass")
    found = provenance("", [read_code(tmp_path, "outside", "Net")])
    assert (found.commit, found.diff) == ("", "")


def test_a_run_that_goes_on_keeps_what_it_was_begun_with() -> None:
    first = Provenance("a" * 40, "+ changed", "python sweep.py x", {"torch": "1", "numpy": "2"})
    tags = first.tags()
    assert tags["mlflow.source.git.commit"] == "a" * 40
    assert tags["git.dirty"] == "true"
    assert "git.commits" not in tags
    assert first.tags(tags) == tags, "nothing is another thing"
    second = replace(first, commit="b" * 40, diff="", versions={"torch": "2", "numpy": "2"})
    tags = second.tags(tags)
    assert tags["git.commits"] == f"{'a' * 40} → {'b' * 40}"
    assert tags["mlflow.source.git.commit"] == "b" * 40, "MLflow links to one"
    assert json.loads(tags["versions"]) == {"torch": "1 → 2", "numpy": "2"}
    assert first.tags(tags)["git.commits"] == f"{'a' * 40} → {'b' * 40}"
    installed = replace(first, commit="", versions={"torch": "2", "numpy": "2"})
    assert installed.tags(tags).keys() == {"command", "versions"}
