"""The runs of a sweep's trials, on a real database, without training."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.execution.messages import Task, TaskState, TrialResult
from experiments.planning.snapshot import read_snapshot
from experiments.proposers.decisions import Advance
from experiments.spec.experiment import Experiment
from experiments.sweep.trial_runs import Places, TrialRuns, outcome_of
from experiments.tracking.run_record import State
from experiments.tracking.trial_writer import TrialWriter
from experiments.tracking.writer import ExperimentWriter
from tests.tracked import TrackedRun, runs
from tests.written import CODE, empty_database
from vae.configuration import Configuration, Trial

CONFIGURATION = Configuration(dataset="mnist5k", epochs=3)
TRIAL = Trial(configuration=CONFIGURATION, seed=0)


class Sweep:
    """What a sweep that starts now sees of an experiment of one configuration."""

    def __init__(self, folder: Path) -> None:
        experiment = Experiment("x", (), (CONFIGURATION,), (0, 1))
        self.tracker = ExperimentWriter.create(f"sqlite:///{folder / 'mlflow.db'}", "x")
        snapshot = read_snapshot(self.tracker, experiment)
        parents = snapshot.configurations
        self.parent = (
            parents[CONFIGURATION.id].run_id
            if parents
            else self.tracker.create_configuration_run(CONFIGURATION, "label", (0, 1))
        )
        places = Places(str(folder / "data"), folder / "checkpoints", "cpu")
        self.trial_runs = TrialRuns(
            experiment, self.tracker, places, snapshot.trials, CODE, archive=False
        )

    def open(self, until: int = 3) -> Task:
        return self.trial_runs.open(Advance(TRIAL, until), self.parent)

    def log(self, task: Task) -> TrialWriter:
        return TrialWriter(self.tracker.uri, task.run_id)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mlflow.db").write_bytes(empty_database())
    return tmp_path


def tracked(folder: Path) -> list[TrackedRun]:
    return runs(folder / "mlflow.db", "trial")


def test_all_tasks_of_a_trial_are_of_one_run_and_the_first_finds_it_empty(folder: Path) -> None:
    sweep = Sweep(folder)
    first, second = sweep.open(until=1), sweep.open(until=3)
    assert first.run_id == second.run_id and len(tracked(folder)) == 1
    assert (first.fresh, second.fresh) == (True, False)
    assert (first.until, second.until) == (1, 3)
    assert first.checkpoint == second.checkpoint


def test_what_was_interrupted_goes_on_in_its_run(folder: Path) -> None:
    before = Sweep(folder)
    task = before.open()
    before.trial_runs.interrupt()
    assert tracked(folder)[0].status == "KILLED"
    again = Sweep(folder).open()
    assert (again.run_id, again.fresh) == (task.run_id, False)
    assert tracked(folder)[0].status == "RUNNING"


def test_what_broken_code_logged_stays_with_the_broken_code(folder: Path) -> None:
    sweep = Sweep(folder)
    task = sweep.open()
    sweep.log(task).fail("diverged", "")
    again = Sweep(folder).open()
    assert again.run_id != task.run_id and again.fresh
    by_id = {run.run_id: run for run in tracked(folder)}
    assert by_id[task.run_id].tags["retried"] == "true"
    assert by_id[task.run_id].tags["error"] == "diverged"


def test_a_lost_worker_s_trial_may_have_finished(folder: Path) -> None:
    sweep = Sweep(folder)
    task = sweep.open()
    sweep.log(task).finish({"return": -5.0})
    closed = sweep.trial_runs.close(TrialResult(task, TaskState.LOST, "its worker died"))
    assert (closed.state, closed.error) == (TaskState.FINISHED, "")
    assert closed.metrics["return"] == -5.0


def test_or_else_it_has_failed_and_its_checkpoint_goes(folder: Path) -> None:
    sweep = Sweep(folder)
    task = sweep.open()
    task.checkpoint.parent.mkdir()
    task.checkpoint.touch()
    closed = sweep.trial_runs.close(TrialResult(task, TaskState.LOST, "its worker died"))
    assert closed.state is TaskState.FAILED
    assert not task.checkpoint.exists()
    (run,) = tracked(folder)
    assert (run.status, run.tags["error"]) == ("FAILED", "its worker died")
    sweep.trial_runs.interrupt()
    assert tracked(folder)[0].status == "FAILED", "what is closed is not interrupted"


def test_what_is_pruned_says_why_and_one_that_never_ran_needs_no_run(folder: Path) -> None:
    sweep = Sweep(folder)
    task = sweep.open(until=1)
    task.checkpoint.parent.mkdir()
    task.checkpoint.touch()
    for seed in (0, 1):
        sweep.trial_runs.prune(Trial(configuration=CONFIGURATION, seed=seed), "lost the race")
    (run,) = tracked(folder)
    assert (run.status, run.tags["pruned.reason"]) == ("KILLED", "lost the race")
    assert not task.checkpoint.exists()


@pytest.mark.parametrize(
    ("state", "until", "told", "epoch"),
    [
        (TaskState.ADVANCED, 1, State.RUNNING, 1),
        (TaskState.FINISHED, 3, State.FINISHED, 3),
        (TaskState.FINISHED, 1, State.FINISHED, 3),  # patience: there are no more epochs
        (TaskState.FAILED, 2, State.FAILED, 2),
    ],
)
def test_what_a_proposer_is_told(
    folder: Path, state: TaskState, until: int, told: State, epoch: int
) -> None:
    task = Task(
        TRIAL, "label", "run", until, "return", fresh=True, archive=False, tracking_uri="",
        data_dir="", device="cpu", checkpoint=folder / "c.pt",
    )  # fmt: skip
    outcome = outcome_of(TrialResult(task, state, metrics={"return": -1.0}))
    assert (outcome.state, outcome.epoch, outcome.run_id) == (told, epoch, "run")
