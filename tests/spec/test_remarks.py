"""What of a study has no effect (optuna#2225): told in the plan, and true of Optuna."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from experiments.spec.experiment import load_experiment
from tests.conftest import Workspace


def notes(space: str, keys: str = "trials: 4", rest: str = "") -> list[str]:
    study = f"study: {{{keys}, space: {{{space}}}}}\nfixed: {{epochs: 3}}\n{rest}"
    path = Path("study.yaml")
    path.write_text(f"name: x\ndataset: mnist5k\n{study}")
    return load_experiment(path).notes


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_step_larger_than_the_range() -> None:
    (line,) = notes("latent_dim: {low: 2, high: 8, step: 10}", "trials: 1")
    assert (
        line == "warning: study.space.latent_dim: a step of 10 leads out of 2 to 8; only 2 is tried"
    )
    assert largest(2, 8, 10) == 2


def test_a_step_that_never_reaches_high() -> None:
    (line,) = notes("hidden_dim: {low: 100, high: 800, step: 300}", "trials: 3")
    assert "steps of 300 from 100 end at 700; 800 is never tried" in line
    assert largest(100, 800, 300) == 700


def test_steps_of_decimals_are_counted_as_they_are_written() -> None:
    assert notes("beta: {low: 0, high: 0.3, step: 0.1}") == []  # 0.3 / 0.1 is 2.999…
    (line,) = notes("beta: {low: 0, high: 0.3, step: 0.1}", "trials: 5")
    assert "5 of at most 4 different configurations" in line


def test_more_trials_than_there_are_configurations() -> None:
    (line,) = notes("encoder: [mlp1, mlp3]", "trials: 12")
    assert "study.trials: 12 of at most 2 different configurations" in line
    assert notes("encoder: [mlp1, mlp3], lr: {low: 1e-4, high: 1e-2}", "trials: 12") == []
    assert notes("latent_dim: {low: 2, high: 13}", "trials: 12") == []


def test_what_cmaes_and_a_pruner_cannot_do() -> None:
    space = "encoder: [mlp1, mlp3], lr: {low: 1e-4, high: 1e-2}"
    (line,) = notes(space, "trials: 4, sampler: cmaes")
    assert "draws encoder" in line
    space = "batch_size: {low: 10, high: 99}"
    study = f"trials: 4, pruner: median, space: {{{space}}}"
    Path("short.yaml").write_text(
        f"name: x\ndataset: mnist5k\nstudy: {{{study}}}\nfixed: {{epochs: 1}}\n"
    )
    assert "no epoch to decide at" in " ".join(load_experiment(Path("short.yaml")).notes)


def test_a_sampler_that_learns_nothing_from_others() -> None:
    space = "lr: {low: 1e-4, high: 1e-2}"
    (line,) = notes(space, "trials: 4, sampler: qmc, learn_from: [x]")
    assert "qmc proposes without regard to other experiments; gp and tpe learn" in line
    assert notes(space, "trials: 4, sampler: gp, learn_from: [x]") == []


def test_it_is_told_in_the_plan(workspace: Workspace) -> None:
    workspace.write(
        "name: s\ndataset: mnist5k\nstudy: {trials: 12, space: {encoder: [mlp1, mlp3]}}\n"
    )
    done = workspace.run("sweep.py", "tiny.yaml", "--dry-run")
    assert done.returncode == 0
    assert "12 of at most 2 different" in " ".join(done.stdout.split())


def largest(low: int, high: int, step: int) -> int:
    """That Optuna ever tries."""
    samplers = [optuna.samplers.RandomSampler(seed) for seed in range(20)]
    studies = [optuna.create_study(sampler=sampler) for sampler in samplers]
    with pytest.warns(UserWarning, match="not divisible"):
        return max(study.ask().suggest_int("x", low, high, step=step) for study in studies)
