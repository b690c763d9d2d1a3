"""A database server, an MLflow server on it, a Slurm, and settings of a Ray that stays here."""

from __future__ import annotations

import importlib.util
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.postgres import Postgres, binaries
from tests.cluster.slurm import Slurm, running_slurm
from tests.cluster.slurm import missing as missing_for_slurm
from tests.conftest import Workspace
from tests.servers import MlflowServer

# Read by Ray when it is imported, and by the sweeps that the tests start.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_AUTH_MODE"] = "token"
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(16))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [p for p in ("ray", "psycopg2") if importlib.util.find_spec(p) is None]
    if binaries() is None:
        missing.append("PostgreSQL (Debian: postgresql)")
    for item in items:
        lacking = missing_for_slurm() if item.get_closest_marker("slurm") else missing
        if item.get_closest_marker("cluster") and lacking:
            item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(lacking)}"))


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def server(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("server"), postgres.create("mlflow"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with running_slurm() as slurm:
        yield slurm


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The database of the same experiment with `--engine processes`, trained once each."""
    trained: dict[str, Path] = {}

    def train(text: str) -> Path:
        if text not in trained:
            workspace = Workspace(tmp_path_factory.mktemp("undisturbed"))
            workspace.write(text, "x.yaml")
            n_workers = "1" if "study:" in text else "2"
            done = workspace.run("sweep.py", "x.yaml", "--workers", n_workers)
            assert done.returncode == 0, done.stderr
            trained[text] = workspace.folder / "mlflow.db"
        return trained[text]

    return train
