"""What `analyze.py --out` writes, and what of it MLflow is given (shimming-toolbox#119)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Workspace
from tests.tracked import runs
from tests.written import write

FILES = {"report.html", "summary.csv", "summary.md", "summary.tex", "trials.csv"}


@pytest.fixture
def answered(workspace: Workspace) -> Workspace:
    write(workspace.folder)
    return workspace


def tracked_files(workspace: Workspace) -> set[str]:
    (report,) = runs(workspace.folder / "mlflow.db", "report")
    folder = workspace.folder / "mlartifacts" / "tiny" / report.run_id / "artifacts"
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("out", [".", "thesis"])
def test_what_lies_beside_a_report_is_not_uploaded(answered: Workspace, out: str) -> None:
    folder = answered.folder / out
    (folder / "chapters").mkdir(parents=True)
    (folder / "chapters" / "one.tex").write_text("private")
    (folder / ".env").write_text("SECRET=1")
    for _ in range(2):
        done = answered.run("analyze.py", "tiny", "--out", out)
        assert done.returncode == 0
        assert "warning" not in done.stderr
        assert tracked_files(answered) == FILES
    assert {p.name for p in folder.iterdir()} >= FILES


def test_a_report_that_cannot_be_tracked_is_a_warning(
    answered: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MlflowClient, "log_artifact", full)
    done = answered.run("analyze.py", "tiny", "--out", "report")
    assert done.returncode == 0
    assert "warning: the report is in report, but not in MLflow" in done.stderr
    assert {p.name for p in (answered.folder / "report").iterdir()} == FILES


def test_a_folder_that_cannot_be_made_is_told_first(answered: Workspace) -> None:
    done = answered.run("analyze.py", "tiny", "--out", "tiny.yaml/report")
    assert done.returncode == 2
    assert "--out tiny.yaml/report" in done.stderr
    assert done.stdout == ""


# ----------------------------------------------------------------- somebody else's store


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Path]:
    """A folder with a tracked experiment that cannot be written, not even by root."""
    folder = tmp_path / "colleague"
    folder.mkdir()
    write(folder)
    copy = shutil.copytree(folder, tmp_path / "copy")
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("needs to mount a file system, which takes root")
    shutil.copytree(copy, folder, dirs_exist_ok=True)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_store_that_may_only_be_read_is_read(workspace: Workspace, sealed: Path) -> None:
    """Issue 14, item 25"""
    uri = ["--tracking-uri", f"sqlite:///{sealed}/mlflow.db"]
    done = workspace.run("analyze.py", "tiny", *uri, "--out", "report")
    assert done.returncode == 0
    assert "3 configurations" in (workspace.folder / "report" / "report.html").read_text()
    assert "warning: the report is in report, but not in MLflow" in done.stderr
    plan = workspace.run("sweep.py", "tiny.yaml", *uri, "--dry-run")
    assert plan.returncode == 0
    assert "8 missing" in plan.stdout
    assert "cannot be written" in workspace.run("sweep.py", "tiny.yaml", *uri).stderr
