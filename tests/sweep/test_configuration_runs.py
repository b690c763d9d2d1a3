"""What a configuration's run says, on a real database."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from experiments.planning.results import Results, TrialOutcome
from experiments.planning.snapshot import Snapshot, read_snapshot
from experiments.spec.experiment import Experiment
from experiments.sweep.configuration_runs import ConfigurationRuns
from experiments.sweep.retention import Archiving
from experiments.tracking.run_record import State, finished_runs, seeds_asked_for
from experiments.tracking.writer import ExperimentWriter
from tests.tracked import TrackedRun, runs
from tests.written import configurations, write
from vae.configuration import Configuration, Trial

CONFIGURATION = Configuration(dataset="mnist5k", epochs=3)


@dataclass
class Tracked:
    """A sweep's view of one configuration, in a database."""

    folder: Path
    n_seeds: int

    @property
    def experiment(self) -> Experiment:
        return Experiment("x", (), (CONFIGURATION,), tuple(range(self.n_seeds)))

    def start(self) -> tuple[Results, ConfigurationRuns, Snapshot]:
        """As a sweep does: take note of what is tracked, and bring the run up to date."""
        tracker = ExperimentWriter.create(f"sqlite:///{self.folder / 'mlflow.db'}", "x")
        snapshot = read_snapshot(tracker, self.experiment)
        results = snapshot.results()
        configuration_runs = ConfigurationRuns(
            self.experiment, tracker, snapshot.configurations, Archiving("all", "return")
        )
        configuration_runs.open(results.ask_for(CONFIGURATION, self.experiment.seeds))
        return results, configuration_runs, snapshot

    @property
    def run(self) -> TrackedRun:
        (found,) = runs(self.folder / "mlflow.db", "configuration")
        return found


def finish(results: Results, seed: int) -> None:
    outcome = TrialOutcome(State.FINISHED, 3, {"return": -float(seed)}, run_id=f"{seed:032x}")
    results.record(Trial(configuration=CONFIGURATION, seed=seed), outcome)


def test_hundreds_of_seeds(tmp_path: Path) -> None:
    """mlflow#12032: one tag of all was cut at 8,000 characters, and no sweep started again."""
    tracked = Tracked(tmp_path, n_seeds=1500)
    results, configuration_runs, _ = tracked.start()
    for seed in range(1000):
        finish(results, seed)
    configuration_runs.update(CONFIGURATION)
    assert max(map(len, tracked.run.tags.values())) < 5000
    _, _, snapshot = tracked.start()
    record = snapshot.configurations[CONFIGURATION.id]
    assert seeds_asked_for(record) == set(range(1500))
    assert finished_runs(record) == {seed: f"{seed:032x}" for seed in range(1000)}
    assert record.metrics["n_finished"] == 1000
    assert record.metrics["n_expected"] == 1500


def test_a_configuration_of_which_something_is_left_is_running_and_then_stopped(
    tmp_path: Path,
) -> None:
    results, configuration_runs, _ = Tracked(tmp_path, n_seeds=3).start()
    finish(results, 0)
    configuration_runs.update(CONFIGURATION)
    assert Tracked(tmp_path, 3).run.status == "RUNNING"
    configuration_runs.interrupt()
    assert Tracked(tmp_path, 3).run.status == "KILLED"


@pytest.mark.parametrize("failed", [False, True])
def test_a_pruned_configuration_says_why(tmp_path: Path, failed: bool) -> None:
    tracked = Tracked(tmp_path, n_seeds=3)
    results, configuration_runs, _ = tracked.start()
    if failed:
        broken = TrialOutcome(State.FAILED, error="diverged")
        results.record(Trial(configuration=CONFIGURATION, seed=0), broken)
    results.prune(CONFIGURATION.id, "lost the race")
    configuration_runs.update(CONFIGURATION)
    assert tracked.run.status == ("FAILED" if failed else "KILLED")
    assert tracked.run.tags["pruned"] == "true"
    assert tracked.run.tags["pruned.reason"] == "lost the race"
    tracked.start()
    assert tracked.run.status == "RUNNING"
    assert "pruned" not in tracked.run.tags, "another sweep may ask for it"


@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("sweep_is_running", [False, True])
def test_a_deleted_configuration_run_is_made_anew_with_its_trials(
    tmp_path: Path, for_good: bool, sweep_is_running: bool
) -> None:
    """mlflow#5370: by a person, in MLflow's pages or with `mlflow gc`; its trials do not stay
    below what is not there.
    """
    write(tmp_path)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    experiment = Experiment("tiny", ("lr",), tuple(configurations()), (0, 1))

    def start() -> ConfigurationRuns:
        tracker = ExperimentWriter.create(uri, "tiny")
        snapshot = read_snapshot(tracker, experiment)
        results, known = snapshot.results(), snapshot.configurations
        made = ConfigurationRuns(experiment, tracker, known, Archiving("all", "return"))
        for configuration in experiment.configurations:
            made.open(results.ask_for(configuration, experiment.seeds))
        return made

    running = start() if sweep_is_running else None
    first = experiment.configurations[0].id
    (deleted,) = (r for r in by_configuration(tmp_path) if r.tags["configuration_id"] == first)
    MlflowClient(uri).delete_run(deleted.run_id)
    if for_good:
        with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as db, db:
            for table in ("tags", "params", "metrics", "latest_metrics", "runs"):
                db.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (deleted.run_id,))  # noqa: S608
    if running:
        running.update(experiment.configurations[0])
    else:
        start()
    assert len(by_configuration(tmp_path)) == 3
    (made,) = (r for r in by_configuration(tmp_path) if r.tags["configuration_id"] == first)
    assert made.run_id != deleted.run_id
    assert made.status == "FINISHED"
    assert made.metrics["n_finished"] == [(2, 2.0)]
    trials = [
        r for r in runs(tmp_path / "mlflow.db", "trial") if r.tags["configuration_id"] == first
    ]
    assert [r.tags["mlflow.parentRunId"] for r in trials] == [made.run_id] * 2


def by_configuration(folder: Path) -> list[TrackedRun]:
    return runs(folder / "mlflow.db", "configuration")
