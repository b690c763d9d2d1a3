"""Which weights a sweep keeps, and how they are had back: from a folder and from a server."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experiments import load_model
from experiments.execution import worker
from experiments.execution.messages import Task, TaskState
from experiments.models.load import choose, find_trial, load_archived
from experiments.spec.experiment import load_experiment
from experiments.sweep.retention import KEEP_ALL_UP_TO, Archiving
from experiments.tracking import model_files
from experiments.tracking.retries import connect
from experiments.tracking.run_record import State
from experiments.tracking.writer import ExperimentWriter
from tests.conftest import REPOSITORY, Workspace, environment
from tests.execution.test_worker import SMALL, some_task
from tests.servers import MlflowServer
from tests.tracked import numbers, runs
from tests.vae.test_archive import Payload
from vae.errors import BadInput
from vae.evaluation.terms import evaluate
from vae.splits import load_splits

ONE = ["--engine", "serial", "--set", "encoder=mlp1", "--set", "loss=sse"]


def kept(artifacts: Path) -> set[str]:
    """The runs that have weights."""
    return {path.parts[-4] for path in artifacts.glob("*/artifacts/checkpoint/weights.safetensors")}


@pytest.fixture
def finished(workspace: Workspace) -> Task:
    task = some_task(workspace)
    assert worker.advance(task, print).state == TaskState.FINISHED
    return task


def folder(workspace: Workspace, run_id: str) -> Path:
    return workspace.folder / "mlartifacts" / "tiny" / run_id / "artifacts" / "checkpoint"


# ------------------------------------------------------------------------- had back


def test_the_kept_model_is_had_back_by_its_run_id_alone(
    workspace: Workspace, finished: Task
) -> None:
    """In another process that computes the logged numbers from it, to the last bit."""
    code = (
        "import json, sys\nfrom experiments import load_model\n"
        "import experiments.execution.worker as w\n"
        "assert 'torch' in sys.modules\nw.prepare_process()\n"
        "from vae.configuration import Trial\nfrom vae.splits import load_splits\n"
        "from vae.evaluation.terms import evaluate\nfrom vae.evaluation.yardstick import score\n"
        "model = load_model(sys.argv[1])\ntrial = Trial.model_validate_json(sys.argv[2])\n"
        "splits = load_splits(trial.configuration, 'data')\n"
        "terms = evaluate(model, splits.test, trial.seed)\n"
        "c = trial.configuration\n"
        "nll = score(model, splits, c.nll_samples, c.nll_images, trial.seed, ['test'])\n"
        "print(json.dumps([terms.episodic_return, nll['test']]))"
    )
    shutil.rmtree(workspace.folder / "checkpoints", ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-c", code, finished.run_id, finished.trial.model_dump_json()],
        cwd=workspace.folder,
        env=environment() | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (run,) = runs(workspace.folder / "mlflow.db", "trial")
    logged = [run.metrics[key][0][1] for key in ("test/return", "test/nll")]
    assert json.loads(done.stdout) == logged


def test_the_archive_is_there_before_the_trial_is_done(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = some_task(workspace)
    seen = []

    def look(*_: object) -> None:
        seen.extend(sorted(path.name for path in folder(workspace, task.run_id).iterdir()))

    monkeypatch.setattr(worker.TrialWriter, "finish", look)
    worker.advance(task, print)
    assert seen == ["configuration.json", "weights.safetensors"]


def test_a_trial_that_is_run_again_writes_the_same_bytes(workspace: Workspace) -> None:
    task = some_task(workspace)
    worker.advance(replace(task, until=2), print)
    checkpoint = task.checkpoint.read_bytes()
    contents = []
    for _ in range(2):  # as after a kill between the archive and the last word
        task.checkpoint.write_bytes(checkpoint)
        ExperimentWriter.create(workspace.tracking_uri, "tiny").set_state(
            task.run_id, State.RUNNING
        )
        assert worker.advance(replace(task, fresh=False), print).state == TaskState.FINISHED
        connect(workspace.tracking_uri).delete_tag(task.run_id, "completed")
        contents.append({p.name: p.read_bytes() for p in folder(workspace, task.run_id).iterdir()})
    assert contents[0] == contents[1]


def test_a_failed_trial_keeps_no_weights(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("after the archive")

    monkeypatch.setattr(worker.TrialWriter, "finish", break_down)
    task = some_task(workspace)
    assert worker.advance(task, print).state == TaskState.FAILED
    assert [p.name for p in folder(workspace, task.run_id).iterdir()] == ["configuration.json"]
    diverged = some_task(workspace, SMALL.model_copy(update={"lr": 1e30}))
    assert worker.advance(diverged, print).state == TaskState.FAILED
    assert not folder(workspace, diverged.run_id).exists()


def refused(run_id: str, workspace: Workspace) -> str:
    with pytest.raises(BadInput) as caught:
        load_model(run_id, workspace.tracking_uri)
    line = str(caught.value)
    assert "\n" not in line
    assert run_id in line
    return line


def test_bad_archives_are_one_line(workspace: Workspace, finished: Task) -> None:
    place = folder(workspace, finished.run_id)
    weights = place / "weights.safetensors"
    whole = weights.read_bytes()
    target = workspace.folder / "executed"
    for content, said in (
        (whole[:-1], "truncated"),
        (whole[:-1] + bytes([whole[-1] ^ 1]), "damaged"),
        (pickle.dumps(Payload(target)), "not a safetensors file"),
        (b"", "truncated"),
    ):
        weights.write_bytes(content)
        assert said in refused(finished.run_id, workspace)
    assert not target.exists()
    weights.unlink()
    assert "--archive" in refused(finished.run_id, workspace)


def test_the_archive_of_another_trial_is_refused(workspace: Workspace, finished: Task) -> None:
    other = some_task(workspace, SMALL.model_copy(update={"hidden_dim": 17}))
    worker.advance(other, print)
    shutil.rmtree(folder(workspace, other.run_id))
    shutil.copytree(folder(workspace, finished.run_id), folder(workspace, other.run_id))
    assert "another trial" in refused(other.run_id, workspace)


def test_runs_that_are_none_of_ours(workspace: Workspace, finished: Task) -> None:
    client = connect(workspace.tracking_uri)
    foreign = client.create_run(client.create_experiment("elsewhere")).info.run_id
    assert "not one of a sweep" in refused(foreign, workspace)
    assert "no run" in refused("0" * 32, workspace)
    assert "no run" in refused("no such run", workspace)
    unfinished = some_task(workspace)
    assert "not finished" in refused(unfinished.run_id, workspace)
    parent = runs(workspace.folder / "mlflow.db", "configuration")[0].run_id
    assert "configuration run" in refused(parent, workspace)
    with pytest.raises(BadInput, match="no run is called 'nothing'"):
        choose("nothing", workspace.tracking_uri)
    absent = f"sqlite:///{workspace.folder / 'absent.db'}"
    with pytest.raises(BadInput, match=r"absent\.db"):
        load_model(finished.run_id, absent)
    assert not (workspace.folder / "absent.db").exists()


def test_importing_experiments_loads_no_torch() -> None:
    code = "import experiments, sys; print('torch' in sys.modules, 'mlflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


# ------------------------------------------------------------------------- kept


def test_the_default_keeps_all_of_a_small_sweep_and_the_best_of_a_large_one(
    workspace: Workspace,
) -> None:
    def keep(n_seeds: int, asked: str | None = None) -> str:
        seeds = f"0-{n_seeds - 1}"
        return Archiving.of(load_experiment(workspace.folder / "tiny.yaml", (), seeds), asked).keep

    n_configurations = 4
    assert keep(KEEP_ALL_UP_TO // n_configurations) == "all"
    assert keep(KEEP_ALL_UP_TO // n_configurations + 1) == "best"
    assert keep(1000, "all") == "all"
    assert keep(1, "none") == "none"


def test_the_best_is_by_the_experiment_s_metric() -> None:
    archived = [
        ("a", {"return": -3.0, "test/nll": 1.0}),
        ("b", {"return": -1.0, "test/nll": 3.0}),
        ("c", {"return": -2.0, "test/nll": 2.0}),
    ]
    assert Archiving("best", "return").runs_to_delete(archived) == ["c", "a"]
    assert Archiving("best", "test/nll").runs_to_delete(archived) == ["c", "b"]
    assert Archiving("best", "return").runs_to_delete([]) == []


def check_one_is_kept(artifacts: Path, database: Path) -> None:
    """Of one configuration, the best of its seeds; all of them are done."""
    trials = runs(database, "trial")
    assert {(run.status, run.tags["completed"]) for run in trials} == {("FINISHED", "true")}
    best = max(trials, key=lambda run: run.metrics["return"][0][1])
    assert kept(artifacts) == {best.run_id}


def test_the_best_seed_of_each_configuration_is_kept(workspace: Workspace) -> None:
    """And stays kept when the sweep is run again, or gets more seeds."""
    database, artifacts = workspace.folder / "mlflow.db", workspace.folder / "mlartifacts" / "tiny"
    for seeds in ("0-2", "3-4", "0-4"):
        done = workspace.run("sweep.py", "tiny.yaml", *ONE, "--archive", "best", "--seeds", seeds)
        assert done.returncode == 0, done.stderr
        check_one_is_kept(artifacts, database)
    (configuration,) = runs(database, "configuration")
    (best,) = kept(artifacts)
    assert choose(configuration.run_id, workspace.tracking_uri).run.run_id == best
    assert choose("tiny", workspace.tracking_uri).run.run_id == best
    assert "1 kept of" not in choose(best, workspace.tracking_uri).why
    without = next(r for r in runs(database, "trial") if r.run_id != best)
    assert "--archive" in refused(without.run_id, workspace)


def test_none_and_all(workspace: Workspace) -> None:
    artifacts = workspace.folder / "mlartifacts" / "tiny"
    for archive, seeds, n_kept in (("none", "0-1", 0), ("all", "2-3", 2), ("best", "4-4", 1)):
        done = workspace.run("sweep.py", "tiny.yaml", *ONE, "--archive", archive, "--seeds", seeds)
        assert done.returncode == 0, done.stderr
        assert len(kept(artifacts)) == n_kept
    assert len(numbers(workspace.folder / "mlflow.db")) == 5


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


def test_a_server_that_passes_artifacts_on(workspace: Workspace, server: MlflowServer) -> None:
    """The best is kept there, the rest deleted, and the model had back through it."""
    arguments = [*ONE, "--archive", "best", "--seeds", "0-1", "--tracking-uri", server.uri]
    done = workspace.run("sweep.py", "tiny.yaml", *arguments)
    assert done.returncode == 0, done.stderr
    check_one_is_kept(next(path for path in (server.folder / "served").iterdir()), server.database)
    archived = load_archived(choose("tiny", server.uri))
    trial = archived.description.trial
    splits = load_splits(trial.configuration, "data")
    assert evaluate(archived.model, splits.val, trial.seed).episodic_return == max(
        value for run in runs(server.database, "trial") for _, value in run.metrics["return"]
    )


def test_what_a_store_does_not_delete_stays(
    workspace: Workspace, finished: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    monkeypatch.setattr(LocalArtifactRepository, "delete_artifacts", lambda *_: None)
    client = connect(workspace.tracking_uri)
    model_files.delete_weights(client, finished.run_id)
    assert model_files.has_weights(client, finished.run_id)
    assert isinstance(load_model(finished.run_id, workspace.tracking_uri), torch.nn.Module)
    assert find_trial(finished.run_id, workspace.tracking_uri).why == ""
