"""Servers behind a password and a certificate of their own (mlflow#5115, mlflow#5370)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.tracking.reachable import check_reachable
from experiments.tracking.writer import ExperimentWriter
from tests.conftest import Workspace
from tests.servers import Gate, MlflowServer, self_signed
from vae.errors import BadInput


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
def test_who_may_not_write_is_told_in_one_line(server: MlflowServer, workspace: Workspace) -> None:
    with Gate(server.uri, read_only=True) as gate:
        done = workspace.run("sweep.py", "tiny.yaml", "--tracking-uri", gate.uri)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "may only look" in done.stderr
