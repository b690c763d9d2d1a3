"""Sweeps in jobs of a real Slurm: cancelled, out of time, queued again, and killed themselves."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm
from tests.cluster.sweeps_on_slurm import (
    GRID,
    LONG,
    ON_SLURM,
    STUDY,
    check_bits,
    folders_left,
    sweeping,
)
from tests.conftest import Workspace
from tests.tracked import numbers, runs

pytestmark = [pytest.mark.cluster, pytest.mark.slurm]


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
    """The signal comes 20 s before the end of the minute that a job has; it costs no retry."""
    text = LONG.replace("epochs: 100", "epochs: 400").replace("seeds: 2", "seeds: 1")
    before = set(slurm.jobs("all"))
    arguments = ["--workers", "1", "--slurm", "time=1,signal_delay_s=20", "--retries", "0"]
    with sweeping(workspace, text, *arguments) as sweep:
        assert sweep.end(seconds=900) == 0
        assert sweep.said.count("epoch 1/400") == 1, "nobody starts over"
    check_bits(workspace, undisturbed(text))
    assert len(set(slurm.jobs("all")) - before) > 1


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
        (["--slurm", "partition=pair"], "1 other nodes: they cannot share the file"),
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
