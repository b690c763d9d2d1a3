"""A study under SIGKILL: the same answers, and Optuna and MLflow of one mind."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import optuna
import pytest

from tests.chaos.chaos import Siege
from tests.conftest import Workspace
from tests.tracked import TrackedRun, runs

STUDY = """
name: chaos
dataset: mnist5k
study:
  trials: 10
  sampler: tpe
  space:
    lr: [1e-4, 1e-3, 1e-2, 1e30]
    hidden_dim: {low: 8, high: 32}
  first: [{lr: 1e30}]
  pruner: hyperband
seeds: 2
fixed: {loss: bce, epochs: 4, latent_dim: 2, batch_size: 250}
pictures: {every: 0}
"""
"""The last learning rate diverges: the study has failures, from the first one on."""

KNOWN = """
name: known
dataset: mnist5k
grid:
  lr: [1e-3, 5e-3, 1e-2]
  hidden_dim: [12, 20, 28]
seeds: 2
fixed: {loss: bce, epochs: 4, latent_dim: 2, batch_size: 250}
pictures: {every: 0}
"""
"""One of these learning rates the study does not have."""

KNOWING = STUDY.replace(
    "first: [{lr: 1e30}]",
    "first: [{lr: 1e30}, {lr: 1e-2, hidden_dim: 16}]\n  learn_from: [known]",
)

SPOKEN_OF = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
"""Optuna's state, and that of the configuration run."""


def more_trials(text: str) -> str:
    """Five more."""
    return re.sub(r"trials: (\d+)", lambda found: f"trials: {int(found[1]) + 5}", text)


def optuna_trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    """What is in the study, read with Optuna alone."""
    storage = f"sqlite:///{folder / 'optuna.db'}"
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage).get_trials()


def check_of_one_mind(folder: Path) -> None:
    """Every Optuna trial is one configuration run, with the same state and value."""
    database = folder / "mlflow.db"
    of_number = {
        number: run
        for run in runs(database, "configuration")
        if "optuna.study" in run.tags
        for number in json.loads(run.tags["optuna.trial"])
    }
    learned = [t.params for t in optuna_trials(folder) if "learned_from" in t.user_attrs]
    trials = [t for t in optuna_trials(folder) if t.params not in learned]
    assert sorted(of_number) == [trial.number for trial in trials]
    children: dict[str, list[TrackedRun]] = {run.run_id: [] for run in of_number.values()}
    for run in runs(database, "trial"):
        children.get(run.tags["mlflow.parentRunId"], []).append(run)
    for trial in trials:
        run = of_number[trial.number]
        assert run.status == SPOKEN_OF[trial.state.name], (trial.number, run.tags)
        check_seeds(trial, children[run.run_id])
        if trial.state.name == "COMPLETE":
            assert float(run.tags["optuna.value"]) == trial.value
            assert run.metrics["return.mean"][-1][1] == pytest.approx(trial.value, rel=1e-12)
        if trial.state.name == "PRUNED":
            assert run.tags["pruned"] == "true"
            assert run.tags["pruned.reason"] == trial.user_attrs["reason"]
        if trial.state.name == "FAIL":
            assert "diverged" in trial.user_attrs["reason"]


def check_seeds(trial: optuna.trial.FrozenTrial, seeds: list[TrackedRun]) -> None:
    """Every seed has one run, as far as the study let it come, with no step twice."""
    assert len({run.params["seed"] for run in seeds}) == len(seeds)
    states = {run.status for run in seeds}
    if trial.state.name == "COMPLETE":
        assert (len(seeds), states) == (2, {"FINISHED"})
    elif trial.state.name == "PRUNED":
        assert (len(seeds), states) == (2, {"KILLED"})
        assert {run.tags["pruned"] for run in seeds} == {"true"}
    else:
        assert "FAILED" in states and states <= {"FAILED", "FINISHED", "KILLED"}
    n_epochs = {"COMPLETE": 4, "PRUNED": max(trial.intermediate_values, default=0)}
    for run in seeds:
        steps = [step for step, _ in run.metrics["val/return"]]
        expected = n_epochs.get(trial.state.name, len(steps))
        assert steps == list(range(1, expected + 1))


def told(folder: Path) -> list[tuple[object, ...]]:
    return [
        (t.number, t.state.name, t.params, t.value, t.intermediate_values)
        for t in optuna_trials(folder)
    ]


def check_against_undisturbed(
    workspace: Workspace, folder: Path, *arguments: str, prepare: str = ""
) -> None:
    """Args: prepare: a grid that is run first"""
    undisturbed = Workspace(folder)
    undisturbed.write((workspace.folder / "chaos.yaml").read_text(), "chaos.yaml")
    if prepare:
        undisturbed.write(prepare, "known.yaml")
        undisturbed.run("sweep.py", "known.yaml", *arguments)
    undisturbed.run("sweep.py", "chaos.yaml", *arguments)
    check_of_one_mind(undisturbed.folder)
    states = {state for _, state, *_ in told(undisturbed.folder)}
    assert states == {"COMPLETE", "PRUNED", "FAIL"}
    assert told(workspace.folder) == told(undisturbed.folder)


@pytest.mark.parametrize(
    ("workers", "n_kills"),
    [
        (1, 4),
        (2, 3),
        pytest.param(1, 15, marks=pytest.mark.slow),
        pytest.param(2, 15, marks=pytest.mark.slow),
    ],
)
def test_a_study_under_sigkill(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory, workers: int, n_kills: int
) -> None:
    seed = int(os.environ.get("CHAOS_SEED", "20261122"))
    workspace.write(STUDY, "chaos.yaml")
    arguments = ["--workers", str(workers), "--retries", "1000"]
    siege = Siege(workspace, arguments, n_kills, seed, more_trials, done=(0, 1))
    said = siege.run()
    print(f"killed {siege.killed} over {siege.n_starts} starts\n{said}")
    check_of_one_mind(workspace.folder)
    assert list((workspace.folder / "checkpoints" / "chaos").iterdir()) == []
    if workers > 1:  # who is told first depends on who is faster
        return
    check_against_undisturbed(workspace, tmp_path_factory.mktemp("undisturbed"), *arguments)


@pytest.mark.slow
def test_twenty_kills_of_a_study_that_begins_with_what_is_known(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What was learned at the first start is what the study goes on with, and nothing twice."""
    workspace.write(KNOWN, "known.yaml")
    arguments = ["--workers", "1", "--retries", "1000"]
    assert workspace.run("sweep.py", "known.yaml", *arguments).returncode == 0
    seed = int(os.environ.get("CHAOS_SEED", "20261122"))
    workspace.write(KNOWING, "chaos.yaml")
    siege = Siege(workspace, arguments, 20, seed, more_trials, done=(0, 1))
    said = siege.run()
    print(f"killed {siege.killed} over {siege.n_starts} starts\n{said}")
    assert "6 of 9 tracked configurations of 'known' taken" in said
    trials = optuna_trials(workspace.folder)
    assert sum("learned_from" in trial.user_attrs for trial in trials) == 6
    assert [t.number for t in trials if "first" in t.user_attrs] == [6, 7]
    check_of_one_mind(workspace.folder)
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    check_against_undisturbed(workspace, undisturbed, *arguments, prepare=KNOWN)
