"""Sweeps in jobs of submitit's local executor: all of the way but Slurm itself."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.conftest import TINY, Workspace
from tests.execution.test_processes import LONG, Running, undisturbed
from tests.tracked import numbers, runs

pytestmark = [pytest.mark.processes, pytest.mark.sweep]

HERE = ["--engine", "slurm", "--workers", "2", "--slurm"]


@pytest.fixture
def long(workspace: Workspace) -> Workspace:
    workspace.write(LONG, "long.yaml")
    return workspace


def test_the_bits_of_processes_and_nothing_left_behind(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    done = workspace.run("sweep.py", "tiny.yaml", *HERE, "cluster=local")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(" epoch 2/2 ") == 8
    other = Workspace(tmp_path_factory.mktemp("other"))
    other.write(TINY)
    assert other.run("sweep.py", "tiny.yaml", "--engine", "serial").returncode == 0
    assert numbers(workspace.folder / "mlflow.db") == numbers(other.folder / "mlflow.db")
    assert list((workspace.folder / "checkpoints" / "tiny").iterdir()) == []


def test_ctrl_c_ends_the_jobs(long: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    sweep = Running(long, "long.yaml", *HERE, "cluster=local")
    sweep.wait_until(lambda: sweep.said.count("epoch") > 8)
    sweep.process.send_signal(signal.SIGINT)
    assert sweep.end() == 130
    assert workers_in(long.folder) == []
    assert {run.status for run in runs(long.folder / "mlflow.db")} == {"KILLED"}
    assert len(list((long.folder / "checkpoints" / "long").glob("*.pt"))) == 2
    resumed = Running(long, "long.yaml", *HERE, "cluster=local")
    assert resumed.end() == 0
    assert "epoch 1/60" not in resumed.said
    expected = undisturbed(long, tmp_path_factory.mktemp("undisturbed"))
    assert numbers(long.folder / "mlflow.db") == expected


def test_workers_do_not_outlive_a_sweep_that_was_killed(long: Workspace) -> None:
    sweep = Running(long, "long.yaml", *HERE, "cluster=local")
    sweep.wait_until(lambda: sweep.said.count("epoch") > 4)
    assert workers_in(long.folder)
    sweep.process.kill()
    sweep.process.wait()
    deadline = time.monotonic() + 30
    while workers_in(long.folder):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def workers_in(folder: Path) -> list[str]:
    """The processes whose command line names the folder as submitit's."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has just ended
            continue
        if "submitit.core._submit" in command and str(folder) in command:
            found.append(command)
    return found
