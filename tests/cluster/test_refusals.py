"""What two nodes cannot share is refused before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.postgres import PASSWORD, Postgres
from tests.cluster.test_cluster import STUDY, add_node, start_cluster
from tests.conftest import Workspace
from tests.servers import MlflowServer

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Any]:
    cluster = start_cluster(head_cpus=1)
    try:
        add_node(cluster)
        yield cluster
    finally:
        cluster.shutdown()


def refusal(workspace: Workspace, cluster: Any, *arguments: str) -> str:
    before = set(workspace.folder.rglob("*"))
    done = workspace.run(
        "sweep.py", "x.yaml", "--engine", "ray", "--ray-address", cluster.address, *arguments
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert set(workspace.folder.rglob("*")) == before
    (line,) = done.stderr.splitlines()
    assert PASSWORD not in line
    return line


def test_a_sqlite_file_and_a_local_artifact_folder(
    workspace: Workspace, two_nodes: Any, postgres: Postgres
) -> None:
    workspace.write(STUDY, "x.yaml")
    line = refusal(workspace, two_nodes)
    assert "2 nodes: they cannot share the file sqlite:///mlflow.db" in line
    assert "mlflow server --backend-store-uri postgresql" in line
    line = refusal(workspace, two_nodes, "--tracking-uri", postgres.uri())
    assert "artifact folder" in line
    assert "--artifacts-destination" in line


def test_a_study_in_a_sqlite_file(
    workspace: Workspace, two_nodes: Any, server: MlflowServer
) -> None:
    workspace.write(STUDY, "x.yaml")
    line = refusal(workspace, two_nodes, "--tracking-uri", server.uri)
    assert "--optuna-storage postgresql://" in line


def test_a_server_that_keeps_artifacts_in_a_folder_of_its_own(
    workspace: Workspace, two_nodes: Any, postgres: Postgres, tmp_path_factory: Any
) -> None:
    folder: Path = tmp_path_factory.mktemp("local")
    local = MlflowServer(folder, postgres.create("local_artifacts"), serves_artifacts=False)
    local.start()
    try:
        workspace.write(STUDY.split("study:")[0] + "fixed: {epochs: 1}\n", "x.yaml")
        line = refusal(workspace, two_nodes, "--tracking-uri", local.uri)
    finally:
        local.kill()
    assert str(folder) in line
    assert "--artifacts-destination" in line


def test_more_than_a_node_has(workspace: Workspace, two_nodes: Any) -> None:
    workspace.write(STUDY, "x.yaml")
    line = refusal(workspace, two_nodes, "--cpus-per-trial", "2")
    assert "--cpus-per-trial 2" in line
    assert "the most is 1 CPUs, 0 GPUs" in line
    line = refusal(workspace, two_nodes, "--device", "cuda")
    assert "--gpus-per-trial" in line
