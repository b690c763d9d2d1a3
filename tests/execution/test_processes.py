"""Interruptions, lost workers and time limits, with real processes and real signals."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from experiments.spec.experiment import load_experiment
from tests.chaos.chaos import kill, workers_of
from tests.conftest import Workspace
from tests.tracked import numbers, runs

LONG = """
name: long
dataset: mnist5k
seeds: 2
fixed: {encoder: mlp1, epochs: 60, hidden_dim: 64, latent_dim: 2, batch_size: 50}
pictures: {every: 0}
"""


class Running:
    """A sweep under way, with what it has said so far."""

    def __init__(self, workspace: Workspace, *arguments: str) -> None:
        self.workspace = workspace
        self.log = workspace.folder / f"log-{time.monotonic_ns()}.txt"
        with self.log.open("w") as output:
            self.process: Popen[str] = workspace.start("sweep.py", *arguments, log=output)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.01)

    def end(self) -> int:
        code = self.process.wait(timeout=180)
        print(self.said)
        return code


@pytest.fixture
def long(workspace: Workspace) -> Workspace:
    workspace.write(LONG, "long.yaml")
    return workspace


def undisturbed(workspace: Workspace, folder: Path, text: str = LONG) -> dict[str, object]:
    other = Workspace(folder)
    other.write(text, "long.yaml")
    assert other.run("sweep.py", "long.yaml", "--workers", "2").returncode == 0
    return dict(numbers(folder / "mlflow.db"))


def both_have_begun(said: str) -> bool:
    """The first worker is ready seconds before the others."""
    return all(f" s{seed}  epoch" in said for seed in (0, 1))


def test_ctrl_c_keeps_everything_and_says_how_to_go_on(
    long: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = LONG.replace("epochs: 60", "epochs: 240")  # so that neither ends before both have begun
    long.write(text, "long.yaml")
    for number in (signal.SIGINT, signal.SIGTERM):
        sweep = Running(long, "long.yaml", "--workers", "2")
        sweep.wait_until(lambda s=sweep: both_have_begun(s.said))  # type: ignore[misc]
        workers = workers_of(sweep.process.pid)
        started = time.monotonic()
        sweep.process.send_signal(number)
        assert sweep.end() == 130
        assert time.monotonic() - started < 10  # the contract's own limit
        closing = sweep.said.splitlines()[-1]
        assert closing.startswith("interrupted; 0 trials finished, 2 left. To go on from here: ")
        assert "sweep.py long.yaml --workers 2" in closing
        assert "Traceback" not in sweep.said
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
        tracked = runs(long.folder / "mlflow.db")
        assert {run.status for run in tracked} == {"KILLED"}
        assert len(list((long.folder / "checkpoints" / "long").glob("*.pt"))) == 2

    resumed = Running(long, "long.yaml", "--workers", "2")
    assert resumed.end() == 0
    assert "epoch 1/240" not in resumed.said, "the trials went on from their checkpoints"
    expected = undisturbed(long, tmp_path_factory.mktemp("undisturbed"), text)
    assert numbers(long.folder / "mlflow.db") == expected
    assert len(runs(long.folder / "mlflow.db", "trial")) == 2
    assert {run.status for run in runs(long.folder / "mlflow.db")} == {"FINISHED"}


def test_ctrl_c_in_the_serial_engine(long: Workspace) -> None:
    sweep = Running(long, "long.yaml", "--engine", "serial")
    sweep.wait_until(lambda: sweep.said.count("epoch") > 3)
    sweep.process.send_signal(signal.SIGINT)
    assert sweep.end() == 130
    assert "To go on from here" in sweep.said.splitlines()[-1]
    assert len(list((long.folder / "checkpoints" / "long").glob("*.pt"))) == 1


def test_a_lost_worker_costs_its_trial_some_time_and_the_others_nothing(long: Workspace) -> None:
    sweep = Running(long, "long.yaml", "--workers", "2")
    sweep.wait_until(lambda: "s0  epoch 5/" in sweep.said and "s1  epoch 5/" in sweep.said)
    victim = workers_of(sweep.process.pid)[0]
    assert kill(victim)
    assert sweep.end() == 0
    assert sweep.said.count("epoch 1/60") == 2, "nobody starts over"
    for run in runs(long.folder / "mlflow.db", "trial"):
        assert run.status == "FINISHED"
        assert [step for step, _ in run.metrics["val/return"]] == list(range(1, 61))


def test_a_worker_that_is_lost_too_often_fails_its_own_trial(long: Workspace) -> None:
    sweep = Running(long, "long.yaml", "--workers", "1", "--retries", "0")
    sweep.wait_until(lambda: "s0  epoch 2/" in sweep.said)
    assert kill(workers_of(sweep.process.pid)[0])
    assert sweep.end() == 1
    by_seed = {run.params["seed"]: run for run in runs(long.folder / "mlflow.db", "trial")}
    assert by_seed["0"].status == "FAILED"
    assert "SIGKILL" in by_seed["0"].tags["error"]
    assert "memory" in by_seed["0"].tags["error"]
    assert by_seed["1"].status == "FINISHED"


def test_an_idle_worker_that_dies_is_replaced(workspace: Workspace) -> None:
    """Killed before its first trial, while it imports."""
    sweep = Running(workspace, "tiny.yaml", "--workers", "2")
    sweep.wait_until(lambda: len(workers_of(sweep.process.pid)) == 2)
    for pid in workers_of(sweep.process.pid):
        kill(pid)
    assert sweep.end() == 0
    assert len(numbers(workspace.folder / "mlflow.db")) == 8


def test_a_time_limit_is_a_failure_with_its_reason(long: Workspace) -> None:
    done = long.run(
        "sweep.py", "long.yaml", "--workers", "1", "--seeds", "0-0", "--retries", "0",
        "--timeout", "0.5",
    )  # fmt: skip
    assert done.returncode == 1
    (run,) = runs(long.folder / "mlflow.db", "trial")
    assert (run.status, run.tags["error"]) == ("FAILED", "timed out")


def test_a_second_sweep_of_the_same_experiment_is_refused(
    long: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """snakemake-executor-plugin-slurm#119"""
    (configuration,) = load_experiment(long.folder / "long.yaml").configurations
    mine = int(configuration.id, 16) % 2 + 1
    sweep = Running(long, "long.yaml", "--workers", "1", "--shard", f"{mine}/2")
    sweep.wait_until(lambda: "epoch" in sweep.said)
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("elsewhere")))
    for shard in (f"{mine}/2", "1/1", "1/3"):
        refused = long.run("sweep.py", "long.yaml", "--shard", shard)
        assert refused.returncode == 2
        assert refused.stderr.count("\n") == 1
        assert f"process {sweep.process.pid}" in refused.stderr
        assert "--shard" in refused.stderr
    allowed = long.run("sweep.py", "long.yaml", "--shard", f"{3 - mine}/2")  # nothing
    assert allowed.returncode == 0, allowed.stderr
    sweep.process.send_signal(signal.SIGINT)
    assert sweep.end() == 130


def test_workers_do_not_outlive_their_parent(long: Workspace) -> None:
    sweep = Running(long, "long.yaml", "--workers", "2")
    sweep.wait_until(lambda: sweep.said.count("epoch") > 2)
    workers = workers_of(sweep.process.pid)
    assert len(workers) == 2
    os.kill(sweep.process.pid, signal.SIGKILL)
    sweep.process.wait()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}/cmdline").exists() and _alive(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
