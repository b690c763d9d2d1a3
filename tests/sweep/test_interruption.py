"""A budget of time ends a sweep as one Ctrl-C does."""

from __future__ import annotations

import re
import signal
import threading
import time

import pytest
from pydantic import BaseModel, model_serializer

from experiments.sweep.interruption import OutOfTime, interruptible
from tests.conftest import Workspace
from tests.tracked import numbers, runs
from vae.errors import BadInput

MIXED = """
name: mixed
dataset: mnist5k
grid: {epochs: [4000, 3]}
seeds: 3
fixed: {encoder: mlp1, hidden_dim: 16, latent_dim: 2, batch_size: 500, nll_images: 10}
pictures: {every: 0}
"""


def test_the_end_of_the_budget_is_a_ctrl_c_of_its_own_kind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(OutOfTime), interruptible(time.monotonic() + 0.05):
        time.sleep(30)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_budget_that_was_used_up_before_the_start() -> None:
    with pytest.raises(OutOfTime), interruptible(time.monotonic() - 5):
        time.sleep(30)


class Slow(BaseModel):
    @model_serializer
    def _write(self) -> dict[str, int]:
        time.sleep(30)
        return {}


def test_an_interrupt_of_which_a_library_makes_an_error_is_one_all_the_same() -> None:
    with (
        pytest.raises(OutOfTime),
        interruptible(time.monotonic() + 0.05) as strikes,
        strikes.as_themselves(),
    ):
        Slow().model_dump()


def test_an_error_is_no_interrupt() -> None:
    with pytest.raises(ArithmeticError), interruptible(None) as strikes, strikes.as_themselves():
        raise ArithmeticError


def test_without_a_budget_nothing_strikes() -> None:
    with interruptible(None):
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_in_another_thread_there_are_no_signals() -> None:
    """As some notebooks run their cells."""
    said: list[str] = []

    def work() -> None:
        with interruptible(None):
            said.append("worked")
        try:
            with interruptible(time.monotonic() + 1):
                said.append("not reached")
        except BadInput as error:
            said.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert said == ["worked", "--time-budget: works in the main thread only"]


@pytest.mark.sweep
@pytest.mark.parametrize("engine", ["serial", "processes"])
def test_short_trials_come_first_and_what_is_left_is_told(
    engine: str, workspace: Workspace
) -> None:
    """Once an epoch was measured, 4,000 of them are known not to end in time."""
    workspace.write(MIXED, "mixed.yaml")
    arguments = ["--workers", "1"] if engine == "processes" else []
    first = workspace.run(
        "sweep.py",
        "mixed.yaml",
        "--engine",
        engine,
        *arguments,
        "--set",
        "epochs=3",
        "--seeds",
        "1",
    )
    assert first.returncode == 0
    before = numbers(workspace.folder / "mlflow.db")
    done = workspace.run(
        "sweep.py", "mixed.yaml", "--engine", engine, *arguments, "--time-budget", "20s"
    )
    assert done.returncode == 130
    closing = done.stderr.splitlines()[-1]
    found = re.match(
        r"out of time; 2 trials finished, 1 already finished, 3 left \(about [^)]+\)\. "
        r"To go on from here: python .*sweep.py mixed.yaml --engine",
        closing,
    )
    assert found, closing
    tracked = runs(workspace.folder / "mlflow.db", "trial")
    short = [run for run in tracked if run.params["epochs"] == "3"]
    assert {run.status for run in short} == {"FINISHED"}
    (long,) = [run for run in tracked if run.params["epochs"] == "4000"]
    assert long.status == "KILLED"
    assert len(list((workspace.folder / "checkpoints").rglob("*.pt"))) == 1
    again = numbers(workspace.folder / "mlflow.db")
    assert {trial: again[trial] for trial in before} == before


@pytest.mark.sweep
def test_a_budget_that_is_enough_changes_nothing(workspace: Workspace) -> None:
    done = workspace.run(
        "sweep.py", "tiny.yaml", "--engine", "serial", "--seeds", "1", "--time-budget", "1h"
    )
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].startswith("4 trials finished. To compare")


RACE = """
name: long
dataset: mnist5k
grid: {lr: [1e-2, 1e-3, 1e-5]}
racing: true
seeds: 4
fixed: {loss: bce, epochs: 8, hidden_dim: 16, latent_dim: 2, batch_size: 200, nll_images: 10}
pictures: {every: 0}
"""
STUDY = """
name: long
dataset: mnist5k
study: {trials: 5, sampler: tpe, space: {lr: {low: 1e-4, high: 1e-2, log: true}}}
seeds: 2
fixed: {loss: bce, epochs: 8, hidden_dim: 16, latent_dim: 2, batch_size: 200, nll_images: 10}
pictures: {every: 0}
"""


@pytest.mark.sweep
@pytest.mark.parametrize(("text", "n_trials"), [(RACE, 12), (STUDY, 10)], ids=["race", "study"])
def test_a_race_and_a_study_run_out_of_time_and_go_on(
    text: str, n_trials: int, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What they decide does not depend on where they were cut."""
    workspace.write(text, "long.yaml")
    arguments = ["sweep.py", "long.yaml", "--engine", "serial"]
    done = workspace.run(*arguments, "--time-budget", "3s")
    assert done.returncode == 130
    closing = done.stderr.splitlines()[-1]
    told = (
        r"out of time; (\d+) trials? finished, (\d+) left( \(about [^)]+\))?\. To go on from here: "
    )
    found = re.match(told, closing)
    assert found, closing
    assert int(found[1]) + int(found[2]) == n_trials
    database = workspace.folder / "mlflow.db"
    assert {run.status for run in runs(database, "trial")} <= {"FINISHED", "KILLED"}
    assert workspace.run(*arguments).returncode == 0
    undisturbed = Workspace(tmp_path_factory.mktemp("undisturbed"))
    undisturbed.write(text, "long.yaml")
    assert undisturbed.run(*arguments).returncode == 0
    assert numbers(database) == numbers(undisturbed.folder / "mlflow.db")
