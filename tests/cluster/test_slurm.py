"""Sweeps in jobs of a real Slurm: cancelled, out of time, queued again, and killed themselves."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from tests.cluster.slurm import Slurm, running_slurm
from tests.conftest import Workspace
from tests.tracked import CLOCK, TrackedRun, numbers, runs

pytestmark = [pytest.mark.cluster, pytest.mark.slurm]

GRID = """
name: grid
dataset: mnist5k
grid:
  encoder: [mlp1, mlp3]
  loss: [sse, bce]
seeds: 4
fixed: {epochs: 4, hidden_dim: 32, latent_dim: 2, batch_size: 50, nll_samples: 5, nll_images: 50}
pictures: {every: 2, samples: 4}
"""
LONG = """
name: long
dataset: mnist5k
seeds: 2
fixed: {encoder: mlp1, epochs: 100, hidden_dim: 64, latent_dim: 2, batch_size: 50}
pictures: {every: 0}
"""
STUDY = """
name: study
dataset: mnist5k
study:
  trials: 8
  sampler: tpe
  space:
    lr: {low: 1e-4, high: 1e-2, log: true}
    encoder: [mlp1, mlp3]
  pruner: median
seeds: 2
fixed: {epochs: 8, hidden_dim: 32, latent_dim: 2, batch_size: 50, nll_samples: 5, nll_images: 50}
pictures: {every: 0}
"""
ON_SLURM = ["--engine", "slurm", "--workers", "2"]


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with running_slurm() as slurm:
        yield slurm


class Sweep:
    """A sweep of x.yaml under way."""

    def __init__(self, workspace: Workspace, *arguments: str) -> None:
        self.log = workspace.folder / f"log-{time.monotonic_ns()}.txt"
        with self.log.open("w") as output:
            self.process: Popen[str] = workspace.start(
                "sweep.py", "x.yaml", *ON_SLURM, *arguments, log=output
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 180
        while not condition():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)

    def end(self) -> int:
        code = self.process.wait(timeout=500)
        print(self.said)
        return code


@contextmanager
def sweeping(workspace: Workspace, text: str, *arguments: str) -> Iterator[Sweep]:
    workspace.write(text, "x.yaml")
    sweep = Sweep(workspace, *arguments)
    try:
        yield sweep
    finally:
        if sweep.process.poll() is None:
            sweep.process.kill()
            sweep.process.wait()
            print(sweep.said)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The database of the same experiment with `--engine processes`, trained once each."""
    trained: dict[str, Path] = {}

    def train(text: str) -> Path:
        if text not in trained:
            workspace = Workspace(tmp_path_factory.mktemp("undisturbed"))
            workspace.write(text, "x.yaml")
            n_workers = "1" if "study:" in text else "2"
            done = workspace.run("sweep.py", "x.yaml", "--workers", n_workers)
            assert done.returncode == 0, done.stderr
            trained[text] = workspace.folder / "mlflow.db"
        return trained[text]

    return train


def check_bits(workspace: Workspace, expected: Path) -> list[TrackedRun]:
    """One finished run for each trial, each step once, each number to the last bit."""
    trials = runs(workspace.folder / "mlflow.db", "trial")
    assert {run.status for run in trials} == {"FINISHED"}
    for run in trials:
        for key in CLOCK:
            steps = [step for step, _ in run.metrics[key]]
            assert steps == list(range(1, int(run.params["epochs"]) + 1))
    assert numbers(workspace.folder / "mlflow.db") == numbers(expected)
    return trials


def folders_left(workspace: Workspace) -> list[Path]:
    return [path for path in (workspace.folder / "checkpoints").rglob("*") if path.is_file()]


def test_a_grid(slurm: Slurm, workspace: Workspace, undisturbed: Callable[[str], Path]) -> None:
    with sweeping(workspace, GRID) as sweep:
        assert sweep.end() == 0
    assert len(check_bits(workspace, undisturbed(GRID))) == 16
    assert slurm.jobs() == []
    assert folders_left(workspace) == []


def test_a_study_with_pruning(
    slurm: Slurm, workspace: Workspace, undisturbed: Callable[[str], Path]
) -> None:
    """One worker, so that the study has to propose and prune the same."""
    with sweeping(workspace, STUDY, "--workers", "1") as sweep:
        assert sweep.end() == 0
        assert "pruned: stopped by median" in sweep.said
    assert numbers(workspace.folder / "mlflow.db") == numbers(undisturbed(STUDY))
    assert states(workspace.folder / "mlflow.db") == states(undisturbed(STUDY))


def states(database: Path) -> list[tuple[str, str]]:
    return sorted((run.tags["trial_id"], run.status) for run in runs(database, "trial"))


def test_scancel_of_a_running_job(
    slurm: Slurm, workspace: Workspace, undisturbed: Callable[[str], Path]
) -> None:
    with sweeping(workspace, LONG) as sweep:
        sweep.until(lambda: "s0  epoch 5/" in sweep.said and "s1  epoch 5/" in sweep.said)
        slurm.ask("scancel", slurm.jobs("RUNNING")[0])
        assert sweep.end() == 0
        assert sweep.said.count("epoch 1/100") == 2, "nobody starts over"
    check_bits(workspace, undisturbed(LONG))


def test_a_cancelled_job_is_the_reason_of_a_trial_without_retries(
    slurm: Slurm, workspace: Workspace
) -> None:
    with sweeping(workspace, LONG, "--workers", "1", "--seeds", "1", "--retries", "0") as sweep:
        sweep.until(lambda: "s0  epoch 3/" in sweep.said)
        (job,) = slurm.jobs("RUNNING")
        slurm.ask("scancel", job)
        assert sweep.end() == 1
    (run,) = runs(workspace.folder / "mlflow.db", "trial")
    assert run.status == "FAILED"
    assert run.tags["error"].startswith(f"its job {job} ended: CANCELLED")


def test_a_time_limit_in_the_middle_of_trials(
    slurm: Slurm, workspace: Workspace, undisturbed: Callable[[str], Path]
) -> None:
    """The signal comes after half of the minute that a job has; it costs no retry."""
    text = LONG.replace("epochs: 100", "epochs: 300")
    arguments = ["--slurm", "time=1,signal_delay_s=30", "--retries", "0"]
    with sweeping(workspace, text, *arguments) as sweep:
        assert sweep.end() == 0
        assert sweep.said.count("epoch 1/300") == 2, "nobody starts over"
    check_bits(workspace, undisturbed(text))
    said = slurm.ask("squeue", "-h", "-r", "--states=all", "--format=%i %T")
    print(said)


def test_a_job_that_is_queued_again(
    slurm: Slurm, workspace: Workspace, undisturbed: Callable[[str], Path]
) -> None:
    with sweeping(workspace, LONG, "--retries", "0") as sweep:
        sweep.until(lambda: "s0  epoch 5/" in sweep.said and "s1  epoch 5/" in sweep.said)
        slurm.ask("scontrol", "requeue", slurm.jobs("RUNNING")[0])
        assert sweep.end() == 0
        assert sweep.said.count("epoch 1/100") == 2, "nobody starts over"
    check_bits(workspace, undisturbed(LONG))


def test_a_killed_sweep_finds_its_jobs_at_its_next_start(
    slurm: Slurm, workspace: Workspace, undisturbed: Callable[[str], Path]
) -> None:
    with sweeping(workspace, LONG) as sweep:
        sweep.until(lambda: sweep.said.count("epoch") > 8)
        sweep.process.kill()
        sweep.process.wait()
        before = slurm.jobs()
        assert before, "they do not know yet"
        with sweeping(workspace, LONG) as again:
            assert again.end() == 0
            assert "epoch 1/100" not in again.said
        ended = slurm.ask("squeue", "-h", "-r", "--states=CANCELLED", "--format=%i").split()
        assert set(before) <= set(ended)
    check_bits(workspace, undisturbed(LONG))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_the_sweep_s_jobs_and_no_other(
    number: int, slurm: Slurm, workspace: Workspace
) -> None:
    with sweeping(workspace, LONG, "--workers", "1") as sweep:
        sweep.until(lambda: sweep.said.count("epoch") > 3)
        other = slurm.ask("sbatch", "--parsable", "--output=/dev/null", "--wrap=sleep 300").strip()
        sweep.process.send_signal(number)
        assert sweep.end() == 130
        assert slurm.jobs() == [other]
        slurm.ask("scancel", other)
    assert {run.status for run in runs(workspace.folder / "mlflow.db")} == {"KILLED"}
    assert len(list((workspace.folder / "checkpoints").rglob("*.pt"))) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--slurm", "partition=gpus"], "invalid partition specified: gpus"),
        (["--slurm", "partitoin=main"], "partitoin"),
        (["--slurm", "cpus_per_task=64"], "would not take such a job"),
        (["--device", "cuda"], "--slurm gpus_per_node=1"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_written(
    arguments: list[str], said: str, slurm: Slurm, workspace: Workspace
) -> None:
    before = set(workspace.folder.rglob("*"))
    done = workspace.run("sweep.py", "tiny.yaml", *ON_SLURM, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert said in line
    assert set(workspace.folder.rglob("*")) == before
    assert slurm.jobs() == []
