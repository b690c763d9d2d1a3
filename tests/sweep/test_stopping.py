"""Trials that a person stops with a tag in MLflow, with real processes and a real server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient

from experiments import load_trials
from experiments.sweep import stopping
from tests.conftest import Workspace
from tests.execution.test_processes import Running
from tests.servers import MlflowServer
from tests.tracked import numbers, runs

LONG = """
name: long
dataset: mnist5k
grid: {encoder: [mlp1, mlp3]}
seeds: 2
fixed: {epochs: 4000, hidden_dim: 16, latent_dim: 2, batch_size: 500, nll_images: 10}
pictures: {every: 0}
"""
SHORT = LONG.replace("4000", "3")

pytestmark = [pytest.mark.processes, pytest.mark.sweep]


def client(workspace: Workspace) -> MlflowClient:
    return MlflowClient(tracking_uri=workspace.tracking_uri)


def run_of(database: Path, kind: str, **params: object) -> str | None:
    """The id of the run of that kind and those parameters, once there is one."""
    wanted = {key: str(value) for key, value in params.items()}
    found = [r.run_id for r in runs(database, kind) if wanted.items() <= r.params.items()]
    return found[0] if found else None


def wait_for_run(sweep: Running, database: Path, kind: str, **params: object) -> str:
    sweep.wait_until(lambda: database.exists() and run_of(database, kind, **params) is not None)
    run_id = run_of(database, kind, **params)
    assert run_id is not None
    return run_id


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    started = MlflowServer(tmp_path_factory.mktemp("server"))
    started.start()
    yield started
    started.kill()


def test_a_trial_and_a_configuration_on_a_server_end_while_the_others_go_on(
    workspace: Workspace, server: MlflowServer
) -> None:
    """Each trial would take minutes: the sweep ends because all of it is stopped, a part at a time.
    The seed that nobody has begun of a stopped configuration is not begun.
    """
    workspace.write(LONG, "long.yaml")
    mlflow = MlflowClient(tracking_uri=server.uri)
    arguments = ["long.yaml", "--workers", "2", "--tracking-uri", server.uri]
    sweep = Running(workspace, *arguments)
    first = wait_for_run(sweep, server.database, "trial", encoder="mlp1", seed=0)
    sweep.wait_until(lambda: "s0  epoch 3/" in sweep.said)
    tagged = time.monotonic()
    mlflow.set_tag(first, "stop", "true")
    sweep.wait_until(lambda: "mlp1 sse none s0  pruned: stopped by hand" in sweep.said)
    assert time.monotonic() - tagged < 30  # the contract says 15 s; this machine may be busy
    assert mlflow.get_run(first).info.status == "KILLED"
    other = wait_for_run(sweep, server.database, "configuration", encoder="mlp3")
    mlflow.set_tag(other, "stop", "true")
    sweep.wait_until(lambda: sweep.said.count("mlp3 sse none s1  pruned: stopped by hand") == 1)
    second = wait_for_run(sweep, server.database, "trial", encoder="mlp1", seed=1)
    mlflow.set_tag(second, "stop", "true")
    assert sweep.end() == 0
    assert sweep.said.splitlines()[-1].startswith("0 trials finished, 4 pruned. To compare")
    assert "FAILED" not in sweep.said
    check_pruned(server.uri, "long", n=4)
    assert {run.status for run in runs(server.database)} == {"KILLED"}
    assert not list((workspace.folder / "checkpoints").rglob("*.pt"))

    again = workspace.run("sweep.py", *arguments)
    assert (again.returncode, again.stderr.count("epoch")) == (0, 0)
    assert again.stderr.splitlines()[-1].startswith("0 trials finished, 4 pruned")


def check_pruned(uri: str, experiment: str, n: int) -> None:
    trials = load_trials(experiment, uri)
    stopped = trials[trials["state"] == "pruned"]
    assert len(stopped) == n
    assert set(stopped["error"]) == {"stopped by hand"}


@pytest.fixture
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "LOOK_SECONDS", 0.05)


@pytest.mark.usefixtures("looking_often")
def test_in_the_sweep_s_own_process_a_trial_ends_between_two_epochs(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.write(LONG.replace("seeds: 2", "seeds: 1"), "long.yaml")
    from experiments.tracking.trial_writer import TrialWriter

    log_epoch = TrialWriter.log_epoch

    def stop_at_the_second(self: TrialWriter, epoch: int, metrics: dict[str, float]) -> None:
        log_epoch(self, epoch, metrics)
        if epoch == 2:
            client(workspace).set_tag(self.run_id, "stop", "true")

    monkeypatch.setattr(TrialWriter, "log_epoch", stop_at_the_second)
    done = workspace.run("sweep.py", "long.yaml", "--engine", "serial")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].startswith("0 trials finished, 2 pruned")
    check_pruned(workspace.tracking_uri, "long", n=2)


def tag(workspace: Workspace, kind: str, **params: object) -> str:
    run_id = run_of(workspace.folder / "mlflow.db", kind, **params)
    assert run_id is not None
    client(workspace).set_tag(run_id, "stop", "true")
    return run_id


def interrupt_a_while_in(workspace: Workspace, condition: Callable[[str], bool]) -> None:
    sweep = Running(workspace, "long.yaml", "--workers", "2")
    sweep.wait_until(lambda: condition(sweep.said))
    sweep.process.terminate()
    assert sweep.end() == 130


def test_what_was_stopped_after_an_interrupt_goes_on_only_without_the_tag(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A trial that had begun, and a configuration of which none had."""
    workspace.write(SHORT.replace("epochs: 3", "epochs: 25"), "long.yaml")
    interrupt_a_while_in(workspace, lambda said: "mlp1 sse none s0  epoch 2/" in said)
    database = workspace.folder / "mlflow.db"
    begun = tag(workspace, "trial", encoder="mlp1", seed=0)
    configuration = tag(workspace, "configuration", encoder="mlp3")
    plan = workspace.run("sweep.py", "long.yaml", "--dry-run").stdout
    assert "4 trials: 3 pruned, 1 " in plan
    done = workspace.run("sweep.py", "long.yaml", "--workers", "1")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].startswith("1 trial finished, 3 pruned. To compare")
    check_pruned(workspace.tracking_uri, "long", n=3)
    states = {run.run_id: (run.status, run.tags.get("pruned.reason")) for run in runs(database)}
    assert states[begun] == states[configuration] == ("KILLED", "stopped by hand")
    told = " ".join(workspace.run("analyze.py", "long").stdout.split())
    assert "pruned: mlp1 s0: stopped by hand" in told, told
    assert "pruned: mlp3 s0-1: stopped by hand" in told, told

    for run_id in (begun, configuration):
        client(workspace).delete_tag(run_id, "stop")
    done = workspace.run("sweep.py", "long.yaml", "--workers", "2")
    assert done.stderr.splitlines()[-1].startswith("3 trials finished, 1 already finished. To")
    assert not any(run.tags.get("pruned") for run in runs(database))
    undisturbed = Workspace(tmp_path_factory.mktemp("undisturbed"))
    undisturbed.write((workspace.folder / "long.yaml").read_text(), "long.yaml")
    assert undisturbed.run("sweep.py", "long.yaml", "--workers", "2").returncode == 0
    assert numbers(database) == numbers(undisturbed.folder / "mlflow.db")


def test_a_failure_that_a_person_has_stopped_is_not_tried_again(workspace: Workspace) -> None:
    workspace.write(SHORT.replace("{encoder: [mlp1, mlp3]}", "{lr: [1e30, 1e-3]}"), "long.yaml")
    assert workspace.run("sweep.py", "long.yaml", "--engine", "serial").returncode == 1
    tag(workspace, "configuration", lr="1e+30")
    again = workspace.run("sweep.py", "long.yaml", "--engine", "serial", "--retry-failed")
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1].startswith("0 trials finished, 2 already finished, 2 FAIL")


@pytest.mark.usefixtures("looking_often")
def test_in_a_race_who_is_stopped_gets_no_more_seeds(workspace: Workspace) -> None:
    race = SHORT.replace("seeds: 2", "seeds: 4\nracing: true")
    race = race.replace("{encoder: [mlp1, mlp3]}", "{lr: [1e-3, 1.5e-3, 2e-3]}")
    workspace.write(race, "long.yaml")
    assert workspace.run("sweep.py", "long.yaml", "--seeds", "2").returncode == 0
    tag(workspace, "configuration", lr="0.0015")
    done = workspace.run("sweep.py", "long.yaml", "--engine", "serial")
    assert done.returncode == 0
    trials = load_trials("long", workspace.tracking_uri)
    stopped = trials[trials["lr"] == 1.5e-3]
    assert list(stopped["state"]) == ["finished", "finished", "pruned", "pruned"]
    assert set(stopped["error"][2:]) == {"stopped by hand"}
    third = trials[(trials["lr"] != 1.5e-3) & (trials["seed"] == 2)]
    assert list(third["state"]) == ["finished", "finished"]


STUDY = """
name: long
dataset: mnist5k
study:
  trials: 3
  sampler: random
  space: {lr: [1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3, 7e-3, 8e-3]}
seeds: 1
fixed: {encoder: mlp1, epochs: 4000, hidden_dim: 16, latent_dim: 2, batch_size: 500, nll_images: 10}
pictures: {every: 0}
"""


def optuna_trials(workspace: Workspace) -> list[optuna.trial.FrozenTrial]:
    storage = f"sqlite:///{workspace.folder / 'optuna.db'}"
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage).get_trials()


def test_in_a_study_optuna_is_told_that_it_was_pruned(workspace: Workspace) -> None:
    """A configuration run, a trial run; whoever is left is interrupted and stopped before it goes
    on.
    """
    workspace.write(STUDY, "long.yaml")
    database = workspace.folder / "mlflow.db"
    sweep = Running(workspace, "long.yaml", "--workers", "2")
    sweep.wait_until(lambda: sweep.said.count("epoch 2/") == 2)
    configurations = [run.run_id for run in runs(database, "configuration")]
    client(workspace).set_tag(configurations[0], "stop", "true")
    sweep.wait_until(lambda: len(runs(database, "trial")) == 3)
    of_second = [
        run
        for run in runs(database, "trial")
        if run.tags["mlflow.parentRunId"] == configurations[1]
    ]
    client(workspace).set_tag(of_second[0].run_id, "stop", "true")
    sweep.wait_until(lambda: sweep.said.count("pruned: stopped by hand") >= 3)
    sweep.process.terminate()
    assert sweep.end() == 130
    (last,) = [run for run in runs(database, "trial") if "pruned" not in run.tags]
    client(workspace).set_tag(last.run_id, "stop", "true")
    done = workspace.run("sweep.py", "long.yaml", "--workers", "2")
    assert (done.returncode, done.stderr.count("epoch")) == (0, 0)
    trials = optuna_trials(workspace)
    assert {t.state.name for t in trials} == {"PRUNED"}
    assert {t.user_attrs["reason"] for t in trials} == {"stopped by hand"}
    for run in runs(database):
        assert (run.status, run.tags["pruned.reason"]) == ("KILLED", "stopped by hand")
