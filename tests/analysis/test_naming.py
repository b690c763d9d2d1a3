"""Names on a command line that could mean two things, or mean nothing; hints that can be typed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from experiments.analysis.naming import find_meant
from experiments.spec.yaml_files import SHIPPED
from tests.conftest import Workspace
from tests.written import write
from vae.errors import BadInput


def test_a_file_means_the_experiment_that_it_names(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (tmp_path / "mine.yaml").write_text("name: my question\n")
    assert find_meant(str(tmp_path / "mine.yaml"), uri).name == "my question"
    assert find_meant("seed_grid", uri).name == "seed-grid"
    assert find_meant("seed-grid", uri).file == SHIPPED / "seed_grid.yaml"
    assert find_meant("anything else", uri).file is None
    for name in ("", "name: 5", "name: []"):
        (tmp_path / "mine.yaml").write_text(f"{name}\ndataset: mnist5k\n")
        with pytest.raises(BadInput, match="name: should be a word"):
            find_meant(str(tmp_path / "mine.yaml"), uri)


def test_an_experiment_called_as_a_shipped_file_is_found_and_told_apart(tmp_path: Path) -> None:
    """Issue 14, item 18"""
    uri = write(tmp_path, "seed_grid", seeds=[0])
    assert find_meant("seed_grid", uri).name == "seed_grid"
    assert find_meant("seed_grid", uri).remark == ""
    write(tmp_path, "seed-grid", seeds=[0])
    meant = find_meant("seed_grid", uri)
    assert meant.name == "seed_grid"
    assert "'seed-grid'" in meant.remark
    assert find_meant("seed-grid", uri).name == "seed-grid"


@pytest.mark.parametrize("form", ["table", "csv", "markdown", "latex", "json"])
def test_an_experiment_without_trials(workspace: Workspace, form: str) -> None:
    """Issue 14, item 18"""
    write(workspace.folder, seeds=[])
    for name in ("Default", "tiny"):
        done = workspace.run("analyze.py", name, "--format", form)
        if name == "Default":
            assert done.returncode == 2
            assert done.stderr.count("\n") == 1
            assert f"'{name}' has no trials" in done.stderr
    assert "no trial has finished" in workspace.run("evaluate.py", "Default").stderr


def test_a_name_that_is_tracked_nowhere_says_which_are(workspace: Workspace) -> None:
    write(workspace.folder, seeds=[0])
    for script in ("analyze.py", "evaluate.py"):
        done = workspace.run(script, "tinny")
        assert done.returncode == 2
        assert "did you mean 'tiny'?" in done.stderr
        assert "sweep.py tinny" not in done.stderr, "which is no file"


def test_the_hint_to_sweep_first_works_when_typed(workspace: Workspace) -> None:
    """Issue 14, item 18"""
    text = (workspace.folder / "tiny.yaml").read_text()
    text = text.replace("name: tiny", "name: another name").replace("mlp1, mlp3", "mlp1")
    workspace.write(text.replace("sse, bce", "bce").replace("seeds: 2", "seeds: 1"))
    refused = workspace.run("analyze.py", "tiny.yaml")
    assert refused.returncode == 2
    hint = shlex.split(refused.stderr.split("`")[1])
    assert hint[0] == "python"
    done = workspace.run(Path(hint[1]).name, *hint[2:], "--engine", "serial")
    assert done.returncode == 0
    then = shlex.split(done.stderr.splitlines()[-1].partition("To compare: ")[2])
    assert workspace.run(Path(then[1]).name, *then[2:]).returncode == 0
