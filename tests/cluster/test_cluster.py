"""A sweep on two nodes, one of which goes away; and a database that does."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pandas as pd
import pytest
import sqlalchemy

from tests.chaos.test_chaos import wait_until
from tests.cluster.postgres import PASSWORD, Postgres
from tests.conftest import Workspace
from tests.servers import MlflowServer
from tests.tracked import CLOCK, TrackedRun, numbers, runs

pytestmark = pytest.mark.cluster

N_EPOCHS = 8
GRID = """
name: grid
dataset: mnist5k
grid:
  encoder: [mlp1, mlp3]
  loss: [sse, bce]
seeds: 4
fixed: {epochs: 8, hidden_dim: 32, latent_dim: 2, batch_size: 50}
pictures: {every: 4, samples: 4}
"""
STUDY = """
name: study
dataset: mnist5k
study:
  trials: 8
  sampler: tpe
  space:
    lr: {low: 1e-4, high: 1e-2, log: true}
    encoder: [mlp1, mlp3]
  pruner: median
seeds: 2
fixed: {epochs: 8, hidden_dim: 32, latent_dim: 2, batch_size: 50}
pictures: {every: 0}
"""


MEMORY = 100 * 2**20


def start_cluster(head_cpus: int) -> Any:
    from ray.cluster_utils import Cluster

    # Ray takes 127.0.0.1 for the address that others see; the rest of loopback it takes as it is.
    head = {"node_ip_address": "127.0.0.2", "num_cpus": head_cpus, "include_dashboard": False}
    return Cluster(initialize_head=True, head_node_args=head | {"object_store_memory": MEMORY})


def add_node(cluster: Any) -> Any:
    return cluster.add_node(num_cpus=1, node_ip_address="127.0.0.3", object_store_memory=MEMORY)


@contextmanager
def sweeping(workspace: Workspace, *arguments: str) -> Iterator[tuple[Popen[str], Path]]:
    """A sweep of x.yaml under way, and the file with what it says."""
    log = workspace.folder / "log.txt"
    with log.open("w") as output:
        sweep = workspace.start("sweep.py", "x.yaml", *arguments, log=output)
    try:
        yield sweep, log
    finally:
        sweep.kill()
        sweep.wait()
        print(log.read_text())


def n_finished(log: Path) -> int:
    return log.read_text().count("finished, return")


@pytest.fixture
def clusters() -> Iterator[list[Any]]:
    """What is put into it is shut down."""
    started: list[Any] = []
    yield started
    for cluster in started:
        cluster.shutdown()


def as_sqlite(address: str, path: Path) -> Path:
    """A copy of what is tracked in PostgreSQL, for whoever reads SQLite."""
    source, target = (
        sqlalchemy.create_engine(address),
        sqlalchemy.create_engine(f"sqlite:///{path}"),
    )
    for table in ("runs", "tags", "params", "metrics", "experiments"):
        rows = pd.read_sql_table(table, source)
        rows.to_sql(table, target, index=False, if_exists="replace")
    source.dispose()
    target.dispose()
    return path


def of_experiment(database: Path, name: str, kind: str = "trial") -> list[TrackedRun]:
    with sqlite3.connect(database) as db:
        query = (
            "SELECT run_uuid FROM runs JOIN experiments USING (experiment_id) "
            "WHERE experiments.name = ?"
        )
        mine = {run_id for (run_id,) in db.execute(query, (name,))}
    return [run for run in runs(database, kind) if run.run_id in mine]


def on_one_machine(folder: Path, text: str, *arguments: str) -> Path:
    """The same experiment with processes on SQLite; returns its database."""
    workspace = Workspace(folder)
    workspace.write(text, "x.yaml")
    done = workspace.run("sweep.py", "x.yaml", *arguments)
    assert done.returncode == 0, done.stderr
    return folder / "mlflow.db"


def metrics_of(found: list[TrackedRun]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """By trial_id, without what the clock says."""
    result = {
        run.tags["trial_id"]: {k: v for k, v in run.metrics.items() if k not in CLOCK}
        for run in found
    }
    assert len(result) == len(found), "two runs of one trial"
    return result


def check_no_password(workspace: Workspace, database: Path, said: str) -> None:
    assert PASSWORD not in said
    for run in runs(database):
        assert PASSWORD not in str(run)


def test_a_node_that_dies_costs_its_running_trial_some_time(
    workspace: Workspace,
    postgres: Postgres,
    server: MlflowServer,
    clusters: list[Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    cluster = start_cluster(head_cpus=1)
    clusters.append(cluster)
    second = add_node(cluster)
    workspace.write(GRID, "x.yaml")
    arguments = ["--engine", "ray", "--ray-address", cluster.address]
    with sweeping(workspace, *arguments, "--tracking-uri", server.uri) as (sweep, log):
        wait_until(lambda: n_finished(log) >= 5, sweep)
        cluster.remove_node(second, allow_graceful=False)
        code = sweep.wait(timeout=300)
    said = log.read_text()
    assert code == 0
    assert said.count(" s0  epoch ") > 0, "the nodes' progress is shown here"

    database = as_sqlite(postgres.uri("mlflow"), workspace.folder / "copy.db")
    trials = of_experiment(database, "grid")
    assert {run.status for run in trials} == {"FINISHED"}
    for run in trials:
        for key in CLOCK:
            assert [step for step, _ in run.metrics[key]] == list(range(1, N_EPOCHS + 1))
    expected = on_one_machine(tmp_path_factory.mktemp("one"), GRID)
    assert len(trials) == 16
    assert metrics_of(trials) == numbers(expected)
    means = of_experiment(database, "grid", "configuration")
    assert {run.status for run in means} == {"FINISHED"}


NETS = """
import math
from pathlib import Path

from torch import nn

from parts import activation
from vae.encoders import Encoder

Path(__file__).unlink(missing_ok=True)  # once it is imported, nobody has it any more


class Wide(Encoder):
    def __init__(self, shape, hidden_dim, latent_dim, *, width: int = 20):
        body = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), width), activation())
        super().__init__(body, width, latent_dim)
"""
OWN = GRID.replace("name: grid", "name: own").replace("mlp3", "'nets.py:Wide'")


def write_own(workspace: Workspace) -> None:
    workspace.write(OWN, "x.yaml")
    workspace.write(NETS, "nets.py")
    workspace.write("from torch import nn\n\nactivation = nn.Tanh\n", "parts.py")


def test_nodes_train_code_of_which_none_has_the_file(
    workspace: Workspace,
    postgres: Postgres,
    server: MlflowServer,
    clusters: list[Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    cluster = start_cluster(head_cpus=1)
    clusters.append(cluster)
    second = add_node(cluster)
    write_own(workspace)
    arguments = ["--engine", "ray", "--ray-address", cluster.address]
    with sweeping(workspace, *arguments, "--tracking-uri", server.uri) as (sweep, log):
        wait_until(lambda: n_finished(log) >= 3, sweep)
        assert not (workspace.folder / "nets.py").exists()
        cluster.remove_node(second, allow_graceful=False)
        assert sweep.wait(timeout=300) == 0
    one = Workspace(tmp_path_factory.mktemp("one"))
    write_own(one)
    assert one.run("sweep.py", "x.yaml", "--engine", "serial").returncode == 0
    database = as_sqlite(postgres.uri("mlflow"), workspace.folder / "copy.db")
    assert metrics_of(of_experiment(database, "own")) == numbers(one.folder / "mlflow.db")


def test_a_study_with_pruning_survives_the_node_it_runs_on(
    workspace: Workspace,
    postgres: Postgres,
    server: MlflowServer,
    clusters: list[Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """One trial at a time, so that the study has to propose and prune the same, too."""
    cluster = start_cluster(head_cpus=0)
    clusters.append(cluster)
    first, second = add_node(cluster), add_node(cluster)
    workspace.write(STUDY, "x.yaml")
    arguments = [
        "--engine", "ray", "--ray-address", cluster.address, "--workers", "1",
        "--tracking-uri", server.uri, "--optuna-storage", postgres.create("optuna"),
    ]  # fmt: skip
    with sweeping(workspace, *arguments) as (sweep, log):
        wait_until(lambda: n_finished(log) >= 3, sweep)
        cluster.remove_node(first, allow_graceful=False)
        add_node(cluster)
        wait_until(lambda: n_finished(log) >= 5, sweep)
        cluster.remove_node(second, allow_graceful=False)
        code = sweep.wait(timeout=300)
    said = log.read_text()
    assert code == 0
    expected = on_one_machine(tmp_path_factory.mktemp("one"), STUDY, "--workers", "1")
    database = as_sqlite(postgres.uri("mlflow"), workspace.folder / "copy.db")
    check_no_password(workspace, database, said)
    assert "pruned: stopped by median" in said
    trials = of_experiment(database, "study")
    assert metrics_of(trials) == metrics_of(runs(expected, "trial"))
    states = sorted((run.tags["trial_id"], run.status) for run in trials)
    assert states == sorted((run.tags["trial_id"], run.status) for run in runs(expected, "trial"))


def test_a_database_that_is_away_for_a_while_costs_time(
    workspace: Workspace,
    postgres: Postgres,
    server: MlflowServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Both MLflow's and Optuna's, for 20 seconds."""
    text = STUDY.replace("name: study", "name: away").replace("tpe", "random")
    text = text.replace("pruner: median", "pruner: none")
    workspace.write(text, "x.yaml")
    storage = postgres.create("away")
    arguments = ["--tracking-uri", server.uri, "--optuna-storage", storage, "--workers", "2"]
    with sweeping(workspace, *arguments) as (sweep, log):
        wait_until(lambda: n_finished(log) >= 4, sweep)
        postgres.kill()
        time.sleep(20)
        assert sweep.poll() is None
        postgres.start()
        code = sweep.wait(timeout=300)
    said = log.read_text()
    assert code == 0
    expected = on_one_machine(tmp_path_factory.mktemp("one"), text)
    database = as_sqlite(postgres.uri("mlflow"), workspace.folder / "copy.db")
    check_no_password(workspace, database, said)
    assert metrics_of(of_experiment(database, "away")) == numbers(expected)
