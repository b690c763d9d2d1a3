"""A folder that was moved or copied (mlflow#3144): MLflow keeps absolute paths."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from experiments.analysis.load import load_trials
from experiments.models.load import choose
from experiments.tracking.artifact_folder import goes_elsewhere, local_folder, why_missing
from experiments.tracking.writer import ExperimentWriter
from tests.conftest import Workspace
from tests.written import write
from vae.errors import BadInput


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "first place"
    folder.mkdir()
    write(folder)
    return folder


def address(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def test_after_a_move_what_is_missing_is_named_before_anything_is_written(place: Path) -> None:
    moved = place.rename(place.with_name("second"))
    for ask in (
        lambda: ExperimentWriter.find(address(moved), "tiny"),
        lambda: ExperimentWriter.create(address(moved), "tiny"),
        lambda: choose("tiny", address(moved)),
    ):
        with pytest.raises(BadInput) as refused:
            ask()
        assert f"artifacts are in {place / 'mlartifacts' / 'tiny'}" in str(refused.value)
    assert not place.exists()
    assert len(load_trials("tiny", address(moved))) == 6  # which needs no artifact


def test_a_report_of_what_was_moved_is_not_put_into_the_old_place(place: Path) -> None:
    """There it would look as if the models had not been kept."""
    moved = Workspace(place.rename(place.with_name("second")))
    done = moved.run("analyze.py", "tiny", "--out", "report")
    assert done.returncode == 0
    assert "warning: the report is in report, but not in MLflow: experiment 'tiny': its artif" in (
        done.stderr
    )
    assert not place.exists()
    assert "is not there" in moved.run("analyze.py", "tiny", "--register", "x").stderr


def test_the_way_out_that_is_printed_works(place: Path) -> None:
    moved = place.rename(place.with_name("second"))
    with pytest.raises(BadInput) as refused:
        ExperimentWriter.find(address(moved), "tiny")
    printed = str(refused.value).partition("lead there: ")[2]
    assert printed.startswith("mkdir -p ")
    subprocess.run(printed, shell=True, check=True)  # noqa: S602
    tracker = ExperimentWriter.find(address(moved), "tiny")
    assert tracker is not None
    assert choose("tiny", address(moved)).run.state == "finished"


def test_a_copy_that_writes_into_the_original_says_so(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = place.with_name("copy")
    shutil.copytree(place, copied)
    ExperimentWriter.create(address(place), "tiny")
    assert capsys.readouterr().err == ""
    ExperimentWriter.create(address(copied), "tiny")
    line = capsys.readouterr().err
    assert "this database is a copy" in line
    assert str(place / "mlartifacts" / "tiny") in line


def test_artifacts_that_a_person_removed_are_no_hindrance(place: Path) -> None:
    shutil.rmtree(place / "mlartifacts")
    assert ExperimentWriter.find(address(place), "tiny") is not None
    with pytest.raises(BadInput, match="is not there"):
        choose("tiny", address(place))


def test_locations_that_are_no_folder() -> None:
    assert local_folder("mlflow-artifacts:/1") is None
    assert local_folder("s3://bucket/1") is None
    assert local_folder("file:///a%20b/1") == local_folder("/a b/1") == Path("/a b/1")
    assert why_missing("s3://bucket/1", "sqlite:///x.db", "x") == ""
    assert "/nowhere/x" in why_missing("/nowhere/x", "http://host", "x")
    assert goes_elsewhere("/tmp", "http://host", "x") == ""  # noqa: S108
