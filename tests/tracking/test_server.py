"""Servers behind a password and a certificate of their own (mlflow#5115, mlflow#5370)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from experiments.analysis.load import load_trials
from experiments.execution import worker
from experiments.tracking.reachable import check_reachable
from experiments.tracking.writer import ExperimentWriter
from tests.conftest import Workspace
from tests.servers import Gate, MlflowServer, self_signed
from tests.tracked import TrackedRun, runs
from tests.written import write
from vae.errors import BadInput
from vae.training import Training

QUESTION = """
name: colleague
dataset: mnist5k
grid: {lr: [1e-3, 5e-4, 1e-4]}
seeds: 2
fixed: {epochs: 2}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def known_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", Gate.PASSWORD)


def test_a_password(server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with Gate(server.uri) as gate:
        with pytest.raises(BadInput, match="wants a name and a password; set MLFLOW_TRACKING_"):
            check_reachable(gate.uri)
        check_reachable(gate.uri.replace("//", f"//me:{Gate.PASSWORD}@"))
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
        with pytest.raises(BadInput, match="refuses the name and password"):
            check_reachable(gate.uri)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", Gate.PASSWORD)
        check_reachable(gate.uri)


@pytest.mark.usefixtures("known_user")
def test_a_certificate(
    server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    with Gate(server.uri, certificate) as gate:
        with pytest.raises(BadInput, match=r"not trusted here.*MLFLOW_TRACKING_SERVER_CERT_PATH"):
            check_reachable(gate.uri)
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
        check_reachable(gate.uri)
        assert ExperimentWriter.create(gate.uri, "behind it").records("trial") == []


@pytest.mark.usefixtures("known_user")
def test_reading_needs_no_right_to_write(server: MlflowServer, workspace: Workspace) -> None:
    """Issue 14, item 25: the store of a colleague."""
    write(workspace.folder, name="colleague", uri=server.uri)
    with Gate(server.uri, read_only=True) as gate:
        there = ("x.yaml", "--tracking-uri", gate.uri)
        workspace.write(QUESTION, "x.yaml")
        report = workspace.run("analyze.py", *there, "--out", "report")
        plan = workspace.run("sweep.py", *there, "--dry-run")
        assert len(load_trials("colleague", gate.uri)) == 6
    assert report.returncode == plan.returncode == 0
    assert "3 configurations" in (workspace.folder / "report" / "report.html").read_text()
    warning = "warning: the report is in report, but not in MLflow: "
    assert warning in report.stderr
    assert "may only look" in report.stderr
    assert "6 finished" in plan.stdout


@pytest.mark.usefixtures("known_user")
def test_who_may_not_write_is_told_in_one_line(server: MlflowServer, workspace: Workspace) -> None:
    with Gate(server.uri, read_only=True) as gate:
        done = workspace.run("sweep.py", "tiny.yaml", "--tracking-uri", gate.uri)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "may only look" in done.stderr


# ------------------------------------------------------- what changes while a sweep runs


ONE_BY_ONE = ("--engine", "serial", "--set", "loss=bce")
"""Two configurations with two seeds each."""


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """What a person does when the first trial has had its first epoch."""
    save = worker.checkpoints.save

    def prepare(act: Callable[[], None]) -> None:
        acts = iter([act])

        def save_and_act(training: Training, path: Path) -> None:
            save(training, path)
            next(acts, lambda: None)()

        monkeypatch.setattr(worker.checkpoints, "save", save_and_act)

    return prepare


def tracked(server: MlflowServer, name: str, kind: str) -> list[TrackedRun]:
    """The runs of an experiment that are not deleted."""
    experiment = MlflowClient(server.uri).get_experiment_by_name(name)
    assert experiment is not None
    found = MlflowClient(server.uri).search_runs([experiment.experiment_id])
    known = {run.info.run_id for run in found}
    return [run for run in runs(server.database, kind) if run.run_id in known]


@pytest.mark.parametrize("kind", ["configuration", "trial"])
def test_a_run_that_is_deleted_while_it_is_written_to(
    server: MlflowServer,
    workspace: Workspace,
    meanwhile: Callable[[Callable[[], None]], None],
    kind: str,
) -> None:
    """mlflow#5370: a configuration run is made anew, with its trials; a trial alone fails."""
    name = f"deleted {kind}"
    workspace.write((workspace.folder / "tiny.yaml").read_text().replace("tiny", name))
    arguments = ("tiny.yaml", *ONE_BY_ONE, "--tracking-uri", server.uri)

    def delete() -> None:
        running = [run for run in tracked(server, name, kind) if run.status == "RUNNING"]
        MlflowClient(server.uri).delete_run(min(running, key=lambda run: run.name).run_id)

    meanwhile(delete)
    done = workspace.run("sweep.py", *arguments)
    assert "Traceback" not in done.stderr
    assert done.returncode == (0 if kind == "configuration" else 1)
    if kind == "trial":
        assert "3 trials finished, 1 FAILED" in done.stderr
        done = workspace.run("sweep.py", *arguments)
    assert done.returncode == 0
    parents = {run.tags["configuration_id"]: run for run in tracked(server, name, "configuration")}
    trials = tracked(server, name, "trial")
    assert len(parents) == 2
    assert len(trials) == len({run.tags["trial_id"] for run in trials}) == 4
    for trial in trials:
        assert trial.status == "FINISHED"
        parent = parents[trial.tags["configuration_id"]]
        assert trial.tags["mlflow.parentRunId"] == parent.run_id
        assert parent.status == "FINISHED"
        assert parent.metrics["n_finished"][-1] == (2, 2.0)


@pytest.mark.usefixtures("known_user")
@pytest.mark.parametrize("what", ["password", "right to write", "experiment"])
def test_what_is_withdrawn_while_a_sweep_runs_is_one_line(
    server: MlflowServer,
    workspace: Workspace,
    meanwhile: Callable[[Callable[[], None]], None],
    what: str,
) -> None:
    """mlflow#5115: and once it is given back, the same command goes on."""
    workspace.write((workspace.folder / "tiny.yaml").read_text().replace("tiny", f"no {what}"))
    client = MlflowClient(server.uri)
    with Gate(server.uri) as gate:
        arguments = ("tiny.yaml", *ONE_BY_ONE, "--set", "encoder=mlp1", "--tracking-uri", gate.uri)

        def experiment_id() -> str:
            experiment = client.get_experiment_by_name(f"no {what}")
            assert experiment is not None
            return str(experiment.experiment_id)

        def withdraw() -> None:
            gate.locked, gate.read_only = what == "password", what == "right to write"
            if what == "experiment":
                client.delete_experiment(experiment_id())

        meanwhile(withdraw)
        stopped = workspace.run("sweep.py", *arguments)
        assert stopped.returncode == 130
        assert "Traceback" not in stopped.stderr
        closing = stopped.stderr.splitlines()[-1]
        assert closing.startswith("tracking had to stop: the tracking store refuses to go on: ")
        assert "To go on from here: " in closing
        gate.locked = gate.read_only = False
        if what == "experiment":
            client.restore_experiment(experiment_id())
        assert workspace.run("sweep.py", *arguments).returncode == 0
    trials = tracked(server, f"no {what}", "trial")
    assert len(trials) == 2
    assert {run.status for run in trials} == {"FINISHED"}
