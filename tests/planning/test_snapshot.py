"""What is tracked when a sweep starts: the short look and the long one find the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.planning.plan import make_plan
from experiments.planning.results import TrialOutcome
from experiments.planning.snapshot import Snapshot, outcomes_of, read_snapshot, settled
from experiments.spec.experiment import Experiment, load_experiment
from experiments.tracking.long_tags import run_tags
from experiments.tracking.run_record import RunRecord, State
from experiments.tracking.trial_writer import TrialWriter
from experiments.tracking.writer import ExperimentWriter
from tests.written import CODE, empty_database
from vae.configuration import Configuration, Trial

SEEDS = (0, 1)


class Tracked:
    """A grid of two configurations with two seeds, all of which has run."""

    def __init__(self, folder: Path) -> None:
        (folder / "mlflow.db").write_bytes(empty_database())
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        self.writer = ExperimentWriter.create(self.uri, "q")
        self.file = folder / "q.yaml"
        self.file.write_text("name: q\ndataset: mnist5k\ngrid: {lr: [0.1, 0.2]}\nseeds: 2\n")
        self.parents: dict[str, str] = {}
        self.runs: dict[str, str] = {}
        for configuration in self.experiment().configurations:
            parent = self.writer.create_configuration_run(configuration, "label", SEEDS)
            self.parents[configuration.id] = parent
            finished = {seed: self.finish(configuration, seed) for seed in SEEDS}
            self.writer.set_tags(parent, run_tags("finished", finished))
            self.writer.set_state(parent, State.FINISHED)

    def experiment(self, *assignments: str) -> Experiment:
        return load_experiment(self.file, assignments)

    def begin(self, configuration: Configuration, seed: int) -> str:
        trial, parent = (
            Trial(configuration=configuration, seed=seed),
            self.parents[configuration.id],
        )
        return self.writer.create_trial_run(trial, "label", parent, CODE)

    def finish(self, configuration: Configuration, seed: int) -> str:
        run_id = self.begin(configuration, seed)
        TrialWriter(self.uri, run_id).finish({"return": -1.0})
        return run_id

    def read(self, *assignments: str) -> Snapshot:
        return read_snapshot(self.writer, self.experiment(*assignments))

    def todo(self, snapshot: Snapshot, experiment: Experiment) -> list[tuple[float, int]]:
        results = snapshot.results()
        for configuration in experiment.configurations:
            results.ask_for(configuration, experiment.seeds)
        plan = make_plan(experiment.trials(), results, snapshot.trials, ())
        return [(trial.configuration.lr, trial.seed) for trial in plan.todo]


@pytest.fixture
def tracked(tmp_path: Path) -> Tracked:
    return Tracked(tmp_path)


def test_when_all_is_finished_no_trial_is_read_and_nothing_is_left(
    tracked: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = outcomes_of(tracked.writer.records("trial"))
    kinds: list[str] = []
    read = tracked.writer.records

    def records(kind: str, deleted: bool = False) -> list[RunRecord]:
        kinds.extend([] if deleted else [kind])
        return read(kind, deleted=deleted)

    monkeypatch.setattr(tracked.writer, "records", records)
    snapshot = tracked.read()
    assert "trial" not in kinds
    assert tracked.todo(snapshot, tracked.experiment()) == []
    known = {c: {s: (o.state, o.run_id) for s, o in os.items()} for c, os in long.items()}
    short = {
        c: {s: (o.state, o.run_id) for s, o in os.items()} for c, os in snapshot.outcomes.items()
    }
    assert short == known


def test_one_that_was_deleted_in_mlflow_is_run_again(tracked: Tracked) -> None:
    run_id = tracked.writer.records("trial")[0].run_id
    tracked.writer.delete(run_id)
    snapshot = tracked.read()
    assert run_id in snapshot.deleted
    assert len(tracked.todo(snapshot, tracked.experiment())) == 1


def test_what_is_added_to_the_question_is_all_that_is_left(tracked: Tracked) -> None:
    snapshot = tracked.read("lr=0.1,0.3")
    assert tracked.todo(snapshot, tracked.experiment("lr=0.1,0.3")) == [(0.3, 0), (0.3, 1)]


def test_a_run_that_a_kill_left_beside_a_finished_one_is_ended(tracked: Tracked) -> None:
    configuration = tracked.experiment().configurations[0]
    double = tracked.begin(configuration, 0)
    snapshot = tracked.read()
    trial = Trial(configuration=configuration, seed=0)
    assert snapshot.trials[trial.id].state is State.FINISHED
    (ended,) = [r for r in tracked.writer.records("trial") if r.run_id == double]
    assert ended.status != "RUNNING"
    assert tracked.todo(snapshot, tracked.experiment()) == []


def test_only_what_is_finished_has_metrics_and_an_epoch() -> None:
    trial = Trial(configuration=Configuration(epochs=7), seed=3)
    tags = {"configuration_id": "c", "trial": trial.model_dump_json(), "error": "why"}
    ended = {**tags, "completed": "true"}
    metrics = {"return": -2.0}
    for status, epoch, known in (("FINISHED", 7, metrics), ("FAILED", 0, {}), ("RUNNING", 0, {})):
        record = RunRecord("r", status, ended, metrics, True, 0)
        found = outcomes_of([record])["c"][3]
        assert (found.epoch, found.metrics, found.error) == (epoch, known, "why")


@pytest.mark.parametrize("retry", [False, True])
def test_what_is_not_run_again(retry: bool) -> None:
    """What was pruned may be asked for by somebody else; what failed only if that is wanted."""
    outcomes = {"c": {i: TrialOutcome(state) for i, state in enumerate(State)}}
    kept = {outcome.state for outcome in settled(outcomes, retry)["c"].values()}
    assert kept == ({State.FINISHED} if retry else {State.FINISHED, State.FAILED})
