"""`experiments.run`, as a notebook or a script calls it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import experiments
from tests.conftest import REPOSITORY, TINY, Workspace, environment
from tests.tracked import numbers
from vae.errors import BadInput

QUESTION: dict[str, Any] = {
    "name": "asked",
    "dataset": "mnist5k",
    "grid": {"loss": ["sse", "bce"]},
    "seeds": 2,
    "fixed": {
        "encoder": "mlp1", "hidden_dim": 16, "latent_dim": 2, "batch_size": 500, "epochs": 2,
        "nll_images": 10, "nll_samples": 2,
    },
}  # fmt: skip


@pytest.fixture
def folder(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workspace.folder)
    return workspace.folder


@pytest.mark.sweep
def test_a_question_from_its_keys_to_its_trials(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = experiments.run(QUESTION, engine="serial")
    assert run.is_complete
    assert list(run.trials["state"]) == ["finished"] * 4
    assert repr(run) in capsys.readouterr().err
    assert "4 trials finished" in repr(run)
    again = experiments.run(QUESTION, engine="serial", seeds=3, set=["loss=bce"])
    assert (again.outcome.counts.n_finished, again.outcome.counts.n_before) == (1, 2)
    assert len(again.trials) == 5


@pytest.mark.sweep
def test_a_file_gives_the_numbers_of_the_command(
    folder: Path, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Workspace(tmp_path_factory.mktemp("command"))
    other.write(TINY)
    assert other.run("sweep.py", "tiny.yaml", "--seeds", "1", "--workers", "1").returncode == 0
    assert experiments.run("tiny.yaml", seeds=1, workers=1).is_complete
    assert numbers(folder / "mlflow.db") == numbers(other.folder / "mlflow.db")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"engine": "thread"}, "'thread'.*processes"),
        ({"worker": 2}, "'worker'; did you mean 'workers'?"),
        ({"workers": 0}, "--workers: should be a whole number from 1"),
        ({"engine": "serial", "workers": 2}, "--workers: --engine serial does not take it"),
        ({"device": "cuda:7"}, "--device cuda:7"),
        ({"seeds": "0"}, "--seeds: the number of seeds"),
        ({"set": ["encoder=mpl1"]}, "--set encoder=mpl1: .*mlp1"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is_written(
    arguments: dict[str, Any], said: str, folder: Path
) -> None:
    before = set(folder.rglob("*"))
    with pytest.raises(BadInput, match=said):
        experiments.run(QUESTION, **arguments)
    with pytest.raises(BadInput, match=r"experiment: .*'gird'"):
        experiments.run({**QUESTION, "gird": {}})
    assert set(folder.rglob("*")) == before


def script(folder: Path, text: str) -> subprocess.Popen[str]:
    (folder / "mine.py").write_text(text)
    return subprocess.Popen(
        [sys.executable, "mine.py"], cwd=folder, text=True,
        env=environment() | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@pytest.mark.processes
def test_a_script_without_a_guard_is_told_so_in_one_line(folder: Path) -> None:
    process = script(
        folder, "import experiments\n\nfor _ in range(1):\n    experiments.run('tiny.yaml')\n"
    )
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    last = said.splitlines()[-1]
    assert "mine.py:4: workers import this script" in last
    assert 'if __name__ == "__main__":' in last
    assert not (folder / "mlflow.db").exists()


@pytest.mark.processes
def test_a_guarded_script_works_and_goes_on_after_a_ctrl_c(folder: Path) -> None:
    text = """
import experiments

if __name__ == "__main__":
    question = {"name": "long", "dataset": "mnist5k", "fixed": {"epochs": 100000, "hidden_dim": 8}}
    run = experiments.run(question, workers=1)
    print("went on:", run.outcome.interruption, list(run.trials["state"]), flush=True)
"""
    process = script(folder, text)
    assert process.stdout
    for line in process.stdout:
        if "epoch 2/" in line:
            break
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "went on: interrupted ['missing']" in said


@pytest.mark.processes
def test_in_a_notebook_a_second_interrupt_does_not_end_the_kernel(folder: Path) -> None:
    """Whose `__main__` has no file; nor has that of `python -c`."""
    text = """
import os, signal, threading, time
from experiments.sweep.interruption import interruptible
me = os.getpid()
threading.Timer(0.2, os.kill, [me, signal.SIGINT]).start()
threading.Timer(0.4, os.kill, [me, signal.SIGINT]).start()
try:
    with interruptible(None):
        try:
            time.sleep(30)
        except KeyboardInterrupt:
            time.sleep(30)
except KeyboardInterrupt:
    print("alive")
"""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout == "alive\n", done.stderr
    assert time.monotonic() - started < 30
