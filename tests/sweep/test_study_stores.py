"""A study is in two stores: what one lacks that the other has is said, and not passed over."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from subprocess import CompletedProcess

import optuna
import pytest

from experiments.planning import lessons
from experiments.spec import search_space
from experiments.sweep import study_stores
from experiments.tracking import writer
from tests.conftest import Workspace
from tests.tracked import numbers, runs
from vae import configuration

STUDY = """
name: s
dataset: mnist5k
study:
  trials: 2
  sampler: random
  space: {lr: [1e-4, 1e-3, 1e-2], hidden_dim: {low: 8, high: 64}}
  RACING
seeds: 2
fixed: {loss: bce, epochs: 1, latent_dim: 2, batch_size: 500, nll_images: 50, nll_samples: 2}
pictures: {every: 0}
"""
GRID = """
name: s
dataset: mnist5k
grid: {lr: [1e-3, 1e30], hidden_dim: [8]}
seeds: 2
fixed: {loss: bce, epochs: 1, latent_dim: 2, batch_size: 500, nll_images: 50, nll_samples: 2}
pictures: {every: 0}
"""


def sweep(workspace: Workspace, *arguments: str) -> CompletedProcess[str]:
    return workspace.run("sweep.py", "s.yaml", "--engine", "serial", *arguments)


def one_line(text: str) -> str:
    """A plan is wrapped to the width of a terminal."""
    return " ".join(text.split())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A study of two configurations that was run to its end."""
    workspace = Workspace(tmp_path_factory.mktemp("finished"))
    workspace.write(STUDY.replace("RACING", "racing: false"), "s.yaml")
    assert sweep(workspace).returncode == 0
    return workspace


@pytest.fixture
def study(finished: Workspace, tmp_path: Path) -> Workspace:
    """The same in a folder of its own."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def delete_runs(workspace: Workspace, names_like: str) -> None:
    """As a person does in MLflow's pages."""
    with contextlib.closing(sqlite3.connect(workspace.folder / "mlflow.db")) as db, db:
        query = "UPDATE runs SET lifecycle_stage = 'deleted' WHERE name LIKE ?"
        assert db.execute(query, [names_like]).rowcount > 0


def test_a_study_whose_optuna_database_is_gone_goes_on_without_training_again(
    study: Workspace,
) -> None:
    before = numbers(study.folder / "mlflow.db")
    (study.folder / "optuna.db").unlink()
    line = "2 configurations of this study in MLflow, of which Optuna's storage sqlite:///"
    plan = one_line(sweep(study, "--dry-run").stdout)
    assert line in plan and "`learn_from: [s]`" in plan and "to try: 2 configurations" in plan
    assert not (study.folder / "optuna.db").exists()
    done = sweep(study)
    assert done.returncode == 0
    assert line in one_line(done.stderr)
    assert "0 trials finished, 4 already finished" in done.stderr
    assert numbers(study.folder / "mlflow.db") == before
    assert line not in one_line(sweep(study).stderr), "it knows them again"


def test_what_was_deleted_in_mlflow_is_not_called_finished(study: Workspace) -> None:
    """And beginning the study anew, as the line says, trains what is missing and nothing else."""
    before = numbers(study.folder / "mlflow.db")
    delete_runs(study, "%s1")
    for said in (sweep(study, "--dry-run"), sweep(study)):
        told = one_line(said.stdout + said.stderr)
        assert (
            "runs of 2 configurations of this study (Optuna trials 0, 1) are missing in MLflow"
            in told
        )
        assert "2 finished, 0 pruned, 0 failed; 2 of them not tracked" in told
    assert said.returncode == 1
    assert "0 trials finished, 2 already finished, 2 configurations NOT TRACKED any more" in told
    storage = f"sqlite:///{study.folder / 'optuna.db'}"
    assert storage in told
    (name,) = optuna.get_all_study_names(storage)
    assert f'optuna delete-study --study-name "{name}" --storage "{storage}"' in told
    optuna.delete_study(study_name=name, storage=storage)
    done = sweep(study)
    assert done.returncode == 0
    assert "2 trials finished, 2 already finished" in done.stderr
    assert numbers(study.folder / "mlflow.db") == before


def test_a_configuration_run_that_was_deleted_is_missed(study: Workspace) -> None:
    first = runs(study.folder / "mlflow.db", "configuration")[0]
    delete_runs(study, first.name)
    done = sweep(study)
    assert done.returncode == 1
    assert "runs of 1 configuration of this study (Optuna trial " in one_line(done.stderr)


def test_a_race_goes_on_where_the_runs_of_its_best_were_deleted(workspace: Workspace) -> None:
    workspace.write(STUDY.replace("RACING", "racing: true"), "s.yaml")
    assert sweep(workspace).returncode == 0
    delete_runs(workspace, "%")
    text = (workspace.folder / "s.yaml").read_text()
    workspace.write(text.replace("trials: 2", "trials: 3"), "s.yaml")
    done = sweep(workspace)
    assert done.returncode == 1
    assert "2 trials finished, 2 configurations NOT TRACKED any more" in done.stderr


def test_another_version_of_the_numbers_is_another_study(
    study: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (configuration, search_space, lessons, study_stores, writer):
        monkeypatch.setattr(module, "NUMBERS_VERSION", 99)
    done = sweep(study)
    assert done.returncode == 0
    assert "4 trials finished. To compare" in done.stderr, "nothing of the older counts"
    line = "another NUMBERS_VERSION than 99 (2 configurations) stays as it is, and counts no more"
    assert line in one_line(done.stderr)
    assert "another NUMBERS_VERSION" not in sweep(study).stderr, "said once"


def test_a_study_does_not_fail_for_a_grid_of_the_same_experiment(workspace: Workspace) -> None:
    workspace.write(GRID, "s.yaml")
    assert sweep(workspace).returncode == 1, "one learning rate diverges"
    workspace.write(STUDY.replace("RACING", "racing: false"), "s.yaml")
    done = sweep(workspace)
    assert done.returncode == 0
    assert "FAILED" not in done.stderr


def test_a_study_learns_from_a_grid_without_training_it_again(workspace: Workspace) -> None:
    workspace.write(GRID.replace("name: s", "name: known"), "known.yaml")
    workspace.run("sweep.py", "known.yaml", "--engine", "serial")
    keys = "first: [{lr: 1e-3, hidden_dim: 8}, {hidden_dim: 12}]\n  learn_from: [known]"
    workspace.write(STUDY.replace("RACING", keys), "s.yaml")
    line = "1 of 2 tracked configurations of 'known' taken; not taken: 1 outside the space in lr"
    plan = one_line(sweep(workspace, "--dry-run").stdout)
    assert line in plan
    assert "tried first: 2 of `first`" in plan
    assert not (workspace.folder / "optuna.db").exists()
    done = sweep(workspace)
    assert line in one_line(done.stderr)
    assert "2 trials finished. To compare" in done.stderr, "the first one was known"
    assert "2 configurations tried: 2 finished" in done.stdout
    workspace.write(GRID.replace("name: s", "name: known").replace("[8]", "[9, 10]"), "known.yaml")
    workspace.run("sweep.py", "known.yaml", "--engine", "serial")
    for said in (sweep(workspace), sweep(workspace, "--dry-run")):
        assert line in one_line(said.stdout + said.stderr), "what was taken at the first start"
        assert said.returncode == 0


def test_a_plan_leaves_a_storage_without_studies_as_it_is(study: Workspace) -> None:
    for content in (None, b""):
        storage = study.folder / "other.db"
        if content is not None:
            storage.write_bytes(content)
        done = sweep(study, "--dry-run", "--optuna-storage", f"sqlite:///{storage}")
        assert done.returncode == 0
        assert "to try: 2 configurations" in one_line(done.stdout)
        assert storage.exists() == (content is not None)
    assert storage.read_bytes() == b""


def test_what_is_learned_from_has_to_be_there(workspace: Workspace) -> None:
    workspace.write(STUDY.replace("RACING", "learn_from: [tinny]"), "s.yaml")
    for arguments in ([], ["--dry-run"]):
        done = sweep(workspace, *arguments)
        assert done.returncode == 2
        assert "study.learn_from: nothing of experiment 'tinny' is tracked" in done.stderr
        assert not (workspace.folder / "mlflow.db").exists()
        assert not (workspace.folder / "optuna.db").exists()
