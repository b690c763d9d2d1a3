"""What Slurm's commands are asked, and what they hear of the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from experiments.execution import slurm, slurm_queue
from experiments.execution.slurm_queue import JobState


def test_a_job_s_environment_is_hidden_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = {
        "SLURM_ARRAY_JOB_ID": "5", "SLURM_MEM_PER_CPU": "9", "SLURM_RESTART_COUNT": "2",
        "SBATCH_JOB_NAME": "mine", "SQUEUE_PARTITION": "other", "SUBMITIT_EXECUTOR": "slurm",
    }  # fmt: skip
    kept = {"SLURM_CONF": "/etc/slurm.conf", "SLURMISH": "1"}
    for name, value in (hidden | kept).items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with slurm_queue.outside_of_a_job():
        assert hidden.keys().isdisjoint(os.environ)
        assert all(os.environ[name] == value for name, value in kept.items())
    assert dict(os.environ) == before


def test_what_a_person_sets_for_each_of_their_jobs_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_ACCOUNT", "lab7")
    monkeypatch.setenv("SBATCH_JOB_NAME", "mine")
    assert slurm._of_sbatch() == {"account": "lab7"}


def test_states(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = "7_0|RUNNING|None\n7_1|NODE_FAIL|node a|b is down\n"
    squeue = tmp_path / "squeue"
    squeue.write_text(f"#!/bin/sh\nprintf '{said}'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    states = slurm_queue.states_of("vae-1")
    assert states == {
        "7_0": JobState("RUNNING"), "7_1": JobState("NODE_FAIL", "node a|b is down"),
    }  # fmt: skip
    assert slurm_queue.left(states) == ["7_0"]
    squeue.write_text("#!/bin/sh\nexit 1\n")
    assert slurm_queue.states_of("vae-1") is None
