"""From nothing to one's own encoder with error bars in two commands."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from experiments.spec.experiment import load_experiment
from experiments.sweep.new import write_question
from tests.conftest import Workspace
from vae.errors import BadInput


def test_a_new_question_runs_as_it_is(workspace: Workspace) -> None:
    made = workspace.run("sweep.py", "--new", "my-question")
    assert made.returncode == 0
    assert {path.name for path in (workspace.folder / "my-question").iterdir()} == {
        "my-question.yaml", "nets.py", "README.md",
    }  # fmt: skip
    written, *commands = made.stdout.splitlines()
    assert "my-question/my-question.yaml" in written
    for line, extra in zip(commands, (["--set", "epochs=1", "--seeds", "2"], []), strict=True):
        python, script, *arguments = shlex.split(line.partition(": ")[2])
        assert python == "python"
        done = workspace.run(Path(script).name, *arguments, *extra)
        assert done.returncode == 0, done.stderr
    assert "nets.py:Mine" in done.stdout
    assert "±" in done.stdout


def test_what_it_says_is_what_it_does(tmp_path: Path) -> None:
    experiment = load_experiment(write_question(tmp_path / "q"))
    assert experiment.name == "q"
    assert len(experiment.configurations) == 3
    assert experiment.seeds == (0, 1, 2)


@pytest.mark.parametrize("name", ["..", "a?", ".hidden", "x" * 101])
def test_names_that_no_question_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="--new"):
        write_question(tmp_path / "folder" / name)
    assert not (tmp_path / "folder").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "nets.py").write_text("mine")
    with pytest.raises(BadInput, match="is not empty"):
        write_question(tmp_path / "q")
    assert (tmp_path / "q" / "nets.py").read_text() == "mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        write_question(tmp_path / "file" / "q")
