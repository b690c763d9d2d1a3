"""What git does not know of the files that are used."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from experiments.tracking import provenance as module
from experiments.tracking.provenance import provenance
from vae.user_code import read_code


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkout"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "nets.py").write_text("from parts import x\n\n\nclass Wide:\n    y = x\n")
    (folder / "mine" / "parts.py").write_text("x = 1\n")
    for arguments in (["init", "-q"], ["add", "mine/nets.py"], ["commit", "-qm", "first"]):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
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
