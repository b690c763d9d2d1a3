"""Sweeps on a real Slurm that preempts, loses a node, or runs the sweep itself in a job."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm
from tests.cluster.sweeps_on_slurm import LONG, check_bits, folders_left, sweeping
from tests.conftest import REPOSITORY, Workspace
from tests.tracked import runs

pytestmark = [pytest.mark.cluster, pytest.mark.slurm]

IN_A_JOB = f"""#!/bin/bash
#SBATCH --array=1-1 --cpus-per-task=1 --mem-per-cpu=90 --output=out-%A.txt
export SBATCH_JOB_NAME=mine SQUEUE_PARTITION=pair
exec {sys.executable} {REPOSITORY / "sweep.py"} x.yaml --engine slurm --workers 1 --slurm mem=100MB
"""
"""With what would confuse the jobs of a sweep: an array's number, memory asked for in two ways."""


def until(condition: Callable[[], object], said: Callable[[], str]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline, said()
        time.sleep(0.1)


def test_a_sweep_in_a_job_of_its_own(
    slurm: Slurm, workspace: Workspace, undisturbed: Callable[[str], Path]
) -> None:
    """Cancelled, it cancels its jobs; submitted again, it goes on."""
    workspace.write(LONG, "x.yaml")
    script = workspace.folder / "job.sh"
    script.write_text(IN_A_JOB)

    def submit() -> tuple[str, Path]:
        job = slurm.ask("sbatch", "--parsable", f"--chdir={workspace.folder}", str(script)).strip()
        return job, workspace.folder / f"out-{job}.txt"

    def said(log: Path) -> str:
        return log.read_text() if log.exists() else ""

    job, log = submit()
    until(lambda: "epoch 3/" in said(log), lambda: said(log) + slurm.ask("squeue", "-r"))
    assert len(slurm.jobs()) == 2
    slurm.ask("scancel", job)
    until(lambda: not slurm.jobs("RUNNING,PENDING,COMPLETING"), lambda: said(log))
    job, log = submit()
    until(lambda: not slurm.jobs("RUNNING,PENDING,COMPLETING"), lambda: said(log))
    print(said(log))
    assert "epoch 1/100" not in said(log).partition("s1  epoch")[0], "nobody starts over"
    check_bits(workspace, undisturbed(LONG))
    assert folders_left(workspace) == []


def test_a_killed_sweep_is_taken_over_by_processes(
    slurm: Slurm, workspace: Workspace, undisturbed: Callable[[str], Path]
) -> None:
    with sweeping(workspace, LONG) as sweep:
        sweep.until(lambda: sweep.said.count("epoch") > 8)
        sweep.process.kill()
        sweep.process.wait()
        before = slurm.jobs()
        assert before, "they do not know yet"
        with sweeping(workspace, LONG, "--engine", "processes", "--workers", "2") as again:
            again.until(lambda: "epoch" in again.said)
            assert slurm.jobs("RUNNING,PENDING,COMPLETING") == []
            assert again.end() == 0
            assert "epoch 1/100" not in again.said
    check_bits(workspace, undisturbed(LONG))
    assert folders_left(workspace) == []


def test_jobs_that_are_preempted(
    slurm: Slurm, workspace: Workspace, undisturbed: Callable[[str], Path]
) -> None:
    """By jobs of a partition that goes before theirs; Slurm queues them again."""
    with sweeping(workspace, LONG, "--retries", "0") as sweep:
        sweep.until(lambda: "s0  epoch 5/" in sweep.said and "s1  epoch 5/" in sweep.said)
        urgent = ("--partition=urgent", "--cpus-per-task=2", "--output=/dev/null")
        slurm.ask("sbatch", *urgent, "--wrap=sleep 2")
        sweep.until(lambda: not slurm.ask("squeue", "-h", "-pmain", "--states=RUNNING"))
        assert sweep.end() == 0
        assert sweep.said.count("epoch 1/100") == 2, "nobody starts over"
    check_bits(workspace, undisturbed(LONG))


def test_the_benchmark_of_what_slurm_costs(slurm: Slurm, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.slurm_overhead", "--jobs", "1", "--tasks", "2"]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "| each further task |" in done.stdout
    assert slurm.jobs() == []
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_fails_is_the_reason(slurm: Slurm, workspace: Workspace) -> None:
    arguments = ("--workers", "1", "--seeds", "1", "--retries", "0")
    with sweeping(workspace, LONG, *arguments) as sweep:
        sweep.until(lambda: "s0  epoch 3/" in sweep.said)
        (job,) = slurm.jobs("RUNNING")
        slurm.ask("scontrol", "update", f"JobId={job}", "Requeue=0")
        node = ("scontrol", "update", f"NodeName={slurm.host}")
        try:
            slurm.ask(*node, "State=DOWN", "Reason=fire")
            assert sweep.end() == 1
        finally:
            slurm.ask(*node, "State=RESUME")
    (run,) = runs(workspace.folder / "mlflow.db", "trial")
    assert run.status == "FAILED"
    assert run.tags["error"].startswith(f"its job {job} ended: NODE_FAIL")
