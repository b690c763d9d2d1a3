"""Ray on this machine alone, and PostgreSQL without a cluster."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient

from tests.chaos.test_chaos import wait_until
from tests.cluster.postgres import PASSWORD, Postgres
from tests.cluster.test_cluster import (
    GRID,
    N_EPOCHS,
    STUDY,
    as_sqlite,
    n_finished,
    of_experiment,
    on_one_machine,
    sweeping,
)
from tests.conftest import TINY, Workspace
from tests.tracked import numbers, runs

pytestmark = pytest.mark.cluster

SLOW = """
name: slow
dataset: mnist5k
grid: {epochs: [100000, 2]}
seeds: 1
fixed: {encoder: mlp1, hidden_dim: 16, latent_dim: 2, batch_size: 500}
pictures: {every: 0}
"""


def test_ray_of_this_machine_computes_the_same_bits(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    done = workspace.run("sweep.py", "tiny.yaml", "--engine", "ray")
    assert done.returncode == 0
    other = Workspace(tmp_path_factory.mktemp("processes"))
    other.write(TINY)
    assert other.run("sweep.py", "tiny.yaml", "--workers", "2").returncode == 0
    assert numbers(workspace.folder / "mlflow.db") == numbers(other.folder / "mlflow.db")
    assert not list((workspace.folder / "checkpoints" / "tiny").iterdir())


def test_the_same_command_goes_on_after_its_process_was_killed(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    workspace.write(GRID, "x.yaml")
    with sweeping(workspace, "--engine", "ray") as (sweep, log):
        wait_until(lambda: n_finished(log) >= 3, sweep)
        sweep.kill()
    again = workspace.run("sweep.py", "x.yaml", "--engine", "ray")
    assert again.returncode == 0
    assert "already finished" in again.stderr.splitlines()[-1]
    expected = on_one_machine(tmp_path_factory.mktemp("one"), GRID)
    database = workspace.folder / "mlflow.db"
    assert numbers(database) == numbers(expected)
    assert len(runs(database, "trial")) == 16
    for run in runs(database, "trial"):
        assert [step for step, _ in run.metrics["epoch_seconds"]] == list(range(1, N_EPOCHS + 1))


def test_a_time_limit_ends_the_trial_and_not_the_next_one(workspace: Workspace) -> None:
    workspace.write(SLOW)
    done = workspace.run(
        "sweep.py", "tiny.yaml", "--engine", "ray", "--timeout", "25", "--retries", "0",
        "--workers", "1",
    )  # fmt: skip
    assert done.returncode == 1
    by_epochs = {run.params["epochs"]: run for run in runs(workspace.folder / "mlflow.db", "trial")}
    assert by_epochs["100000"].tags["error"] == "timed out"
    assert by_epochs["2"].status == "FINISHED"


def test_a_password_is_shown_nowhere(
    workspace: Workspace, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once in the address, once in ~/.pgpass; in what is said, tagged and written."""
    uri = postgres.create("direct")
    one = ["--set", "encoder=mlp1", "--engine", "serial", "--seeds"]
    said = ""
    for arguments in (["--dry-run"], [*one, "0-0"], [*one, "0-0", "--set", "lr=1e30"]):
        done = workspace.run("sweep.py", "tiny.yaml", "--tracking-uri", uri, *arguments)
        assert done.returncode in (0, 1), done.stderr
        said += done.stdout + done.stderr
    done = workspace.run("analyze.py", "tiny", "--tracking-uri", uri, "--out", "out")
    assert done.returncode == 0
    said += done.stdout + done.stderr
    assert "***" in (workspace.folder / "out" / "report.html").read_text()

    passwords = workspace.folder / "pgpass"
    passwords.write_text(f"127.0.0.1:{postgres.port}:*:sweeps:{PASSWORD}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    without = postgres.uri("direct", user="sweeps")
    done = workspace.run("sweep.py", "tiny.yaml", "--tracking-uri", without, *one, "1-1")
    assert done.returncode == 0
    passwords.unlink()

    assert PASSWORD not in said + done.stderr
    database = as_sqlite(uri, workspace.folder / "copy.db")
    assert len(of_experiment(database, "tiny")) == 6
    assert PASSWORD not in str(runs(database))
    for path in workspace.folder.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


def test_a_refused_password_is_one_line(workspace: Workspace, postgres: Postgres) -> None:
    workspace.write(STUDY)
    before = set(workspace.folder.rglob("*"))
    wrong = postgres.uri(user="sweeps:falsch-8")
    for option in ("--tracking-uri", "--optuna-storage"):
        refused = workspace.run("sweep.py", "tiny.yaml", option, wrong)
        assert refused.returncode == 2
        (line,) = refused.stderr.splitlines()
        assert option in line
        assert "password authentication failed" in line
        assert "falsch" not in line
    assert set(workspace.folder.rglob("*")) == before


def test_what_a_person_stops_ends_and_the_rest_goes_on(workspace: Workspace) -> None:
    """What runs of it, and what waits."""
    workspace.write(SLOW.replace("seeds: 1", "seeds: 2"), "x.yaml")
    with sweeping(workspace, "--engine", "ray", "--workers", "2") as (sweep, log):
        wait_until(lambda: " s0  epoch 2/100000" in log.read_text(), sweep)
        database = workspace.folder / "mlflow.db"
        (parent,) = [r for r in runs(database, "configuration") if r.params["epochs"] == "100000"]
        MlflowClient(tracking_uri=workspace.tracking_uri).set_tag(parent.run_id, "stop", "true")
        assert sweep.wait(timeout=180) == 0
        said = log.read_text()
    assert said.splitlines()[-1].startswith("2 trials finished, 2 pruned")
    ends = {(r.params["epochs"], r.status) for r in runs(database, "trial")}
    assert ends == {("2", "FINISHED"), ("100000", "KILLED")}
