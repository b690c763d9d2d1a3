"""Patience where a pruner asks for trials rung by rung."""

from __future__ import annotations

from tests.conftest import Workspace
from tests.tracked import runs

STUDY = """
name: patient
dataset: mnist5k
study:
  trials: 4
  sampler: random
  space: {hidden_dim: [8, 16, 24, 32]}
  pruner: hyperband
seeds: 2
fixed: {encoder: mlp1, epochs: 9, patience: 1, lr: 1e-30, latent_dim: 2, batch_size: 500}
pictures: {every: 0}
"""


def test_a_trial_that_is_finished_early_is_asked_no_further(workspace: Workspace) -> None:
    """At this rate no epoch is better than the first: every trial ends after its second."""
    workspace.write(STUDY, "patient.yaml")
    done = workspace.run("sweep.py", "patient.yaml", "--engine", "serial")
    assert done.returncode == 0, done.stderr
    trials = runs(workspace.folder / "mlflow.db", "trial")
    finished = [run for run in trials if run.tags.get("completed") == "true"]
    assert finished
    for run in finished:
        assert run.status == "FINISHED"
        assert [step for step, _ in run.metrics["val/return"]] == [1, 2]
        assert run.metrics["best_epoch"] == [(0, 1.0)]
        assert len(run.metrics["return"]) == 1
    assert done.stderr.count("finished, return") == len(finished)
    again = workspace.run("sweep.py", "patient.yaml", "--engine", "serial")
    assert again.returncode == 0
    assert "epoch " not in again.stderr
